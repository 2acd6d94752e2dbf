"""A Jawort of its own for the story: a fresh folder, free ports, ended when the story ends."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from config.story.visitor import expect

PROJECT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 180
STOP_SECONDS = 40
# Variables that an installation is set up by; .env.example lists them.
SETTINGS = ("JAWORT_", "DATABASE_", "KEYSTORE_", "CELERY_", "SECRET_KEY", "DJANGO_")
SIGN_IN = re.compile(r"^\s*(editor|dpo|administrator)\s+(\S+@\S+)\s+(\S+)\s*$", re.MULTILINE)


@dataclass
class System:
    """Where the story plays, and who may sign in there: role -> (e-mail, password)."""

    origin: str
    sign_ins: dict[str, tuple[str, str]]
    environment: dict[str, str] = field(default_factory=dict)
    seconds_to_ready: float = 0.0

    @property
    def is_own(self) -> bool:
        """Whether this story started it, and may therefore use its command line too."""
        return bool(self.environment)

    def command(self, *arguments: str) -> str:
        """What `manage.py …` printed here; its failure ends the story."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        output = done.stdout + done.stderr
        expect(done.returncode == 0, f"manage.py {arguments[0]} failed: {output[-600:]}")
        return output


@contextmanager
def own_system(below: str = "/var/tmp") -> Iterator[System]:
    """`make run` in a folder that is thrown away afterwards.

    Not below a private folder: the database servers run as a user of their own.
    """
    var = Path(tempfile.mkdtemp(prefix="jawort-story-", dir=below))
    web, mail = _free_ports(2)
    origin = f"http://127.0.0.1:{web}"
    environment = own_environment(os.environ) | {
        "JAWORT_VAR": str(var),
        "JAWORT_ORIGIN": origin,
        "JAWORT_MAILBOX_PORT": str(mail),
    }
    started_at = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run"],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said = _until_ready(process)
        yield System(origin, sign_ins_in(said), environment, time.monotonic() - started_at)
    finally:
        _stop(process)
        shutil.rmtree(var, ignore_errors=True)


def own_environment(given: Mapping[str, str]) -> dict[str, str]:
    """What the story's own house may know: nothing of an installation for real work."""
    kept = {name: value for name, value in given.items() if not name.startswith(SETTINGS)}
    return kept | {"JAWORT_ENV_FILE": os.devnull}


def sign_ins_in(text: str) -> dict[str, tuple[str, str]]:
    """The three sign-ins as the first start prints them."""
    return {role: (email, password) for role, email, password in SIGN_IN.findall(text)}


def _until_ready(process: subprocess.Popen[str]) -> str:
    """What it said until it was ready; afterwards its words are read and dropped."""
    assert process.stdout is not None
    lines: list[str] = []
    timer = threading.Timer(READY_SECONDS, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                threading.Thread(target=process.stdout.read, daemon=True).start()
                return "".join(lines)
    finally:
        timer.cancel()
    raise RuntimeError(f"Jawort did not start: {''.join(lines)[-800:]}")


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
