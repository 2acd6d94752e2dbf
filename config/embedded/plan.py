"""What `manage.py run` starts, and where: read from the same variables as the settings."""

import sys
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from django.core.exceptions import ImproperlyConfigured

from config import env
from config.origin import Origin

PROJECT = Path(__file__).resolve().parent.parent.parent
DEFAULT_ORIGIN = "http://127.0.0.1:8000"
DEFAULT_BIND = "127.0.0.1:8000"
MAILBOX_PORT = 8025
WEB_THREADS = 16  # those of hooks wait for a commit they share: the more wait, the fewer commits
ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Plan:
    project: Path
    var: Path
    embedded: bool
    demo: bool
    origin: Origin
    bind: tuple[str, int]
    mailbox_port: int

    @classmethod
    def read(cls) -> Self:
        env.load_file(PROJECT)
        embedded = not env.text("DATABASE_URL", "")
        origin = Origin.read("JAWORT_ORIGIN", DEFAULT_ORIGIN if embedded else None)
        return cls(
            project=PROJECT,
            var=env.path("JAWORT_VAR", PROJECT / "var").absolute(),
            embedded=embedded,
            demo=embedded and origin.is_loopback and env.flag("JAWORT_DEMO", default=True),
            origin=origin,
            bind=_bind(origin),
            mailbox_port=env.number("JAWORT_MAILBOX_PORT", MAILBOX_PORT),
        )

    @property
    def environment(self) -> dict[str, str]:
        return {"JAWORT_VAR": str(self.var), "PYTHONUNBUFFERED": "1"}

    @property
    def ports(self) -> dict[str, tuple[str, int]]:
        """Every port this will open, by the variable that changes it."""
        ports = {"JAWORT_ORIGIN" if self.origin.is_loopback else "JAWORT_BIND": self.bind}
        if "mailbox" in self.commands:
            ports["JAWORT_MAILBOX_PORT"] = ("127.0.0.1", self.mailbox_port)
        return ports

    @property
    def commands(self) -> dict[str, list[str]]:
        """The programs by name. Ticks have their own worker, so that no broadcast delays them."""
        host, port = self.bind
        python = [sys.executable, "-m"]
        celery = [*python, "celery", "--app", "config", "--quiet"]
        worker = [*celery, "worker", "--loglevel", "WARNING", "--without-gossip"]
        worker += ["--without-mingle", "--without-heartbeat", "--pool", "prefork"]
        commands = {
            "web": [
                *(*python, "granian", "--interface", "wsgi", "--host", host, "--port", str(port)),
                *("--workers", "1", "--blocking-threads", str(WEB_THREADS), "--no-ws"),
                *("--log-level", "warning", "--working-dir", str(self.project)),
                "config.wsgi:application",
            ],
            "sender": [*worker, "--queues", "send", "--concurrency", "2", "-n", "sender@%h"],
            "helper": [*worker, "--queues", "celery", "--concurrency", "1", "-n", "helper@%h"],
            "beat": [*celery, "beat", "--loglevel", "WARNING", "--pidfile", ""],
        }
        if self.demo and find_spec("messengers.management.commands.mailbox"):
            commands["mailbox"] = [sys.executable, str(self.project / "manage.py"), "mailbox"]
        return commands

    def answers(self) -> bool:
        """Whether the pages can be used; asked as the origin's own visitors would."""
        connection = HTTPConnection(*self.bind, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", "/readyz", headers={"Host": self.origin.netloc})
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def greeting(self, introduction: str) -> str:
        lines = ["", f"Jawort is ready: {self.origin}/", ""]
        if introduction:
            lines += [introduction, ""]
        if self.demo:
            lines += [
                f"Begin with the phone: open {self.origin}/simulator/ and write START.",
                f"Then sign in at {self.origin}/ and send something.",
            ]
        return "\n".join([*lines, f"Logs: {self.var / 'log'}    Ctrl-C stops everything.", ""])


def _bind(origin: Origin) -> tuple[str, int]:
    """Where the web server listens: the loopback origin itself, or JAWORT_BIND behind a proxy."""
    if origin.is_loopback:
        host = "127.0.0.1" if origin.host == "localhost" else origin.host.strip("[]")
        return host, origin.port or (443 if origin.is_https else 80)
    host, _, port = env.text("JAWORT_BIND", DEFAULT_BIND).rpartition(":")
    if not host or not port.isdigit():
        raise ImproperlyConfigured(f"JAWORT_BIND must look like {DEFAULT_BIND}.")
    return host.strip("[]"), int(port)
