"""A whole installation of real programs: databases, provider, broker, web, workers and beat.

    with plant(broker="redis", recipients=2000) as house:
        house.start("sender", "helper", "beat", "web")
        ...
        house.until_finished(60)
        print(house.judged())

Everything between the programs may go through a `FaultProxy`: `house.lines["broker"].cut()`. It
belongs to one interpreter: it sets the environment and sets up Django, once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos import recorder
from tests.chaos.crew import is_open
from tests.chaos.history import Violation
from tests.chaos.matrix.looking import Missing, ask, until
from tests.chaos.matrix.programs import Program
from tests.chaos.matrix.verdicts import Judgement, judge
from tests.chaos.rules import check, check_broadcast
from tests.clusters import PROJECT, TemporaryClusters
from tests.standins.brokers import BROKERS, Broker, free_port, missing
from tests.standins.fault_proxy import FaultProxy

CALL_SECONDS = 8.0  # a busy machine is slow; what a dead worker had is known 13 s later
LATENCY = 0.03  # seconds the provider takes
RATE = 400.0  # messages per second
COMMITS_HAVE_MOMENTS = {"track_commit_timestamp": "on"}
SETTLE_SECONDS = 10.0  # until the counts follow what was merged last


class Plant:
    """The installation. Made by `plant()`."""

    def __init__(self, stack: contextlib.ExitStack, broker: Broker | None, **how: Any) -> None:
        self.stack = stack
        self.broker = broker
        self.how = how
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jawort-plant-")))
        self.folder.chmod(0o711)
        self.programs: dict[str, Program] = {}
        self.lines: dict[str, FaultProxy] = {}
        self.inside: dict[str, list[str]] = {}  # what some programs' commands begin with
        self.log = self.folder / "accepted.jsonl"
        self.log.touch()
        self.dispatch: Any = None
        self.channel: Any = None
        self.phones: dict[int, str] = {}

    # --- Set up ---

    def raise_walls(self) -> None:
        """Databases, lines, environment, tables."""
        clusters = TemporaryClusters(settings=COMMITS_HAVE_MOMENTS)
        clusters.place = self.how["place"] or clusters.place
        self.clusters = self.stack.enter_context(clusters)
        for name, to in self._places().items():
            if name in self.how["lines"]:
                self.lines[name] = self.stack.enter_context(FaultProxy(to))
        self.port = free_port()
        os.environ.update(self.environment())
        import django

        django.setup()
        from config.databases import migrate

        for alias in ("default", "keystore"):
            migrate(alias)
        recorder.install()
        # The programs go by way of the lines; we ourselves do not.
        if line := self.lines.get("database"):
            url = f"postgresql://jawort_owner@127.0.0.1:{line.port}/jawort"
            self.env["DATABASE_URL"] = url
        if self.broker and (line := self.lines.get("broker")):
            self.env["CELERY_BROKER_URL"] = self.broker.url_at("127.0.0.1", line.port)

    def _places(self) -> dict[str, str]:
        socket = self.clusters.home.socket_folder("data") / ".s.PGSQL.5432"
        self.provider_port = free_port()
        places = {"database": f"unix:{socket}", "provider": f"127.0.0.1:{self.provider_port}"}
        if self.broker:
            places["broker"] = f"127.0.0.1:{self.broker.port}"
        return places

    def environment(self) -> dict[str, str]:
        home = self.clusters.home
        self.env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        mine = {
            "DATABASE_URL": home.url("data", owner=True),
            "KEYSTORE_URL": home.url("keystore", owner=True),
            "JAWORT_ORIGIN": f"http://127.0.0.1:{self.port}",
            "JAWORT_SMTP_URL": "smtp://127.0.0.1:1",
            "JAWORT_VAR": str(self.how["var"] or self.folder / "var"),
            "CELERY_BROKER_URL": self.broker.url if self.broker else "jawort-files://localhost",
            "DJANGO_SETTINGS_MODULE": "config.settings_test",
            "PYTHONUNBUFFERED": "1",
        }
        self.env.update(mine)
        return mine

    def open_provider(self, **faults: float) -> None:
        """Start the stand-in, or start it again with other faults; its log goes on."""
        if old := self.programs.pop("provider", None):
            old.kill()
        options = {"latency": LATENCY} | faults
        command = [sys.executable, "-m", "tests.standins.http_provider", "--log", str(self.log)]
        command += ["--port", str(self.provider_port)]
        command += [
            part for k, v in options.items() for part in (f"--{k.replace('_', '-')}", f"{v}")
        ]
        self.programs["provider"] = Program("provider", command, os.environ, self._log("provider"))
        self.programs["provider"].start()
        until(lambda: is_open(self.provider_port), 20)

    def invite(self, recipients: int, rate: float) -> None:
        """A channel, people and a running broadcast to them."""
        from tests.broadcasts.house import make_newsletter
        from tests.messengers.house import make_channel, make_people, phone
        from tests.standins.http_provider import TOKEN

        line = self.lines.get("provider")
        port = line.port if line else self.provider_port
        self.channel = make_channel(
            settings={
                "base_url": f"http://127.0.0.1:{port}",
                "bulk": 1,
                "call_seconds": CALL_SECONDS,
            },
            secrets={"token": TOKEN, "hook_secret": "h" * 32},
            rate_per_second=rate,
        )
        people = make_people(self.channel, recipients)
        newsletter = make_newsletter("stadtanzeiger", [self.channel])
        _subscribe(newsletter, self.channel, people)
        self.gates = [gate for _, gate in people]
        self.numbers = {address.id: phone(index) for index, (address, _) in enumerate(people)}

    def broadcast(self) -> None:
        """Start it: one commit, and one ring."""
        from tests.messengers.house import make_dispatch

        self.dispatch = make_dispatch(self.gates)
        self.collect()

    def collect(self) -> None:
        """Whom the broadcasts until now are meant for."""
        from messengers.models import Delivery

        rows = Delivery.objects.filter(dispatch__kind="broadcast").values_list("id", "address")
        self.phones.update({delivery: self.numbers[address] for delivery, address in rows})

    # --- Programs ---

    def start(self, *names: str, **env: str) -> None:
        """Start programs: `sender`, `helper`, `beat`, `web`; "sender2" is another of the kind."""
        for name in names:
            if name not in self.programs:
                command = self.command(name)
                where = [*self.inside.get(name, []), *command]
                self.programs[name] = Program(name, where, self.env | env, self._log(name))
            self.programs[name].start()
        if "web" in names:
            until(lambda: is_open(self.port), 40)

    def second_host(self) -> dict[str, str]:
        """What programs on another host have in their environment; it has joined the installation.

        The first host must have begun: it is the one that makes the epoch.
        """
        env = {"JAWORT_VAR": str(self.folder / "host2")}
        command = [sys.executable, "manage.py", "activate", "--join"]
        subprocess.run(command, cwd=PROJECT, env=self.env | env, check=True, capture_output=True)
        return env

    def command(self, name: str) -> list[str]:
        python = [sys.executable, "-m"]
        celery = [*python, "celery", "--app", "config", "--quiet"]
        worker = [*celery, "worker", "--loglevel", "WARNING", "--without-gossip"]
        worker += ["--without-mingle", "--without-heartbeat", "--pool", "prefork"]
        match name.rstrip("0123456789"):
            case "sender":
                return [*worker, "--queues", "send", "--concurrency", "2", "-n", f"{name}@%h"]
            case "helper":
                return [*worker, "--queues", "celery", "--concurrency", "1", "-n", f"{name}@%h"]
            case "beat":
                return [*celery, "beat", "--loglevel", "WARNING", "--pidfile", ""]
            case "web":
                return [
                    *(*python, "granian", "--interface", "wsgi", "--host", "127.0.0.1"),
                    *("--port", str(self.port), "--workers", "1", "--blocking-threads", "4"),
                    *("--no-ws", "--log-level", "warning", "config.wsgi:application"),
                ]
        raise ValueError(name)

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def revive(self) -> None:
        for program in self.programs.values():
            if not program.is_alive:
                program.start()

    def stop_all(self) -> None:
        # All at once: each waits for its answers.
        for program in self.programs.values():
            if program.is_alive and program.process:
                program.process.terminate()
        for program in self.programs.values():
            program.stop()

    # --- Looking ---

    def arrived(self) -> int:
        """How many messages the provider has taken."""
        return self.log.read_bytes().count(b"\n")

    def is_finished(self) -> bool:
        return ask("SELECT status FROM messengers_dispatch WHERE id = %s", self.dispatch.id) == (
            "finished"
        )

    def until_finished(self, seconds: float) -> bool:
        return until(self.is_finished, seconds, step=0.2, or_fail=False)

    def until_moving(self, seconds: float) -> float:
        """Seconds until the next message arrives at the provider; `seconds` if none does."""
        began, before = time.monotonic(), self.arrived()
        until(lambda: self.arrived() > before, seconds, or_fail=False)
        return time.monotonic() - began

    def judged(self) -> Judgement:
        """The provider's log beside the rows of all broadcasts of this house, and its history."""
        verdict = judge(self.log, self.phones)
        verdict.violations = [str(violation) for violation in self.violations()]
        return verdict

    def violations(self) -> list[Violation]:
        """What breaks an invariant, by what the triggers noted."""
        from messengers.models import Dispatch

        until(recorder.is_settled, SETTLE_SECONDS, or_fail=False)
        broadcasts = list(Dispatch.objects.filter(kind="broadcast").values_list("id", flat=True))
        if not broadcasts:
            return []
        history = recorder.read(
            dispatch=broadcasts[0],
            channel=self.channel.id,
            people=self.numbers,
            provider_log=self.log,
            call_seconds=CALL_SECONDS,
        )
        others = [recorder.told_of(dispatch, history) for dispatch in broadcasts[1:]]
        return check(history) + [found for other in others for found in check_broadcast(other)]

    def complaints(self) -> str:
        """The last words of every program, for whoever has to find out."""
        parts = []
        for log in sorted(self.folder.glob("*.log")):
            parts.append(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}")
        return "\n".join(parts)


def _subscribe(newsletter: Any, channel: Any, people: list[Any]) -> None:
    """Confirmed subscriptions under the ids of their gates, so that a STOP has something to end."""
    from django.utils import timezone

    from subscriptions.models import Subscriber, Subscription

    Subscriber.objects.bulk_create(
        [Subscriber(id=address.subject) for address, _ in people], batch_size=2000
    )
    facts = {
        "newsletter": newsletter,
        "channel": channel,
        "status": Subscription.Status.CONFIRMED,
        "source": "chat",
        "confirmed_at": timezone.now(),
    }
    Subscription.objects.bulk_create(
        [
            Subscription(id=gate, subscriber_id=address.subject, address=address, **facts)
            for address, gate in people
        ],
        batch_size=2000,
    )


@contextlib.contextmanager
def plant(
    *,
    broker: str = "redis",
    recipients: int = 2000,
    rate: float = RATE,
    lines: tuple[str, ...] = (),
    place: Path | None = None,
    var: Path | None = None,
    broker_place: Path | None = None,
    **faults: float,
) -> Iterator[Plant]:
    """An installation with a broadcast ready to start. Raises `Missing` without that broker.

    `place`, `var` and `broker_place` are the disks of databases, application and broker.
    """
    if broker != "files" and (why := missing(broker)):
        raise Missing(why)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is ended
    with contextlib.ExitStack() as stack:
        server = None
        if broker != "files":
            server = stack.enter_context(BROKERS[broker](broker_place))
        house = Plant(stack, server, lines=lines, place=place, var=var)
        house.raise_walls()
        try:
            house.open_provider(**faults)
            house.invite(recipients, rate)
            yield house
        finally:
            from django.db import connections

            house.stop_all()
            print(house.complaints(), flush=True)  # for whoever has to find out
            connections.close_all()
