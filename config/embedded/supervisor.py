"""`manage.py run`: the whole house under one roof, and one Ctrl-C for all of it.

Order of a start: folder, lock, leftovers of a killed run, secrets, PostgreSQL, tables, programs.
With DATABASE_URL set there is no embedded PostgreSQL, and the rest is the same.
"""

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

from django.core.exceptions import ImproperlyConfigured

from config.embedded.cluster import Cluster, stop
from config.embedded.home import CLUSTERS, Home, HouseError
from config.embedded.plan import Plan
from config.embedded.processes import GRACE_SECONDS, MARK, Service, end_marked, trim
from config.embedded.secrets import make_secrets
from config.embedded.signer import signer_command
from config.translations import compile_catalogues

READY_SECONDS = 120.0
LEFTOVER_SECONDS = 10.0
TICK_SECONDS = 0.2
# So often may a program die before the house has ever been ready.
DEATHS_BEFORE_READY = 3
TRIM_SECONDS = 600.0


class Stopped(BaseException):
    """Ctrl-C or SIGTERM; not an Exception, so that nothing on the way swallows it."""


class House:
    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.say = say
        self.token = secrets.token_hex(16)
        self.environment = {**os.environ, **plan.environment, MARK: self.token}
        self.clusters: dict[str, Cluster] = {}
        self.servers: dict[str, subprocess.Popen[bytes]] = {}
        self.services: list[Service] = []
        self.lock: IO[str] | None = None
        self.hurry = threading.Event()

    def run(self) -> None:
        """Start everything, then look after it until `Stopped`."""
        try:
            self.prepare()
            self.start_databases()
            introduction = self.set_up_databases()
            try:
                self.start_services()
                self.wait_ready()
            except BaseException:
                # It holds passwords that are told only once.
                self.say(introduction)
                raise
            self.say(self.plan.greeting(introduction))
            self.watch()
        finally:
            self.shut()

    def prepare(self) -> None:
        """Folders, lock and leftovers; nothing is started here."""
        _make_writable(self.plan.var)
        self._take_lock()
        for name in ("log", "run"):
            (self.plan.var / name).mkdir(mode=0o700, exist_ok=True)
        self._end_leftovers()
        for name, (host, port) in self.plan.ports.items():
            _refuse_taken(name, host, port)
        compile_catalogues()
        if self.plan.embedded:
            make_secrets(self.plan.var / "secrets")

    def _take_lock(self) -> None:
        self.lock = (self.plan.var / "run.lock").open("a+")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HouseError(
                f"Jawort already runs on {self.plan.var}: use it, or stop it first."
            ) from None

    def _end_leftovers(self) -> None:
        """End what a killed run left behind; its token is known to nobody else."""
        record = self.plan.var / "run" / "token"
        earlier = record.read_text().strip() if record.exists() else ""
        if earlier and (ended := end_marked(earlier, LEFTOVER_SECONDS)):
            self.say(f"Ended {ended} processes that an earlier run had left behind.")
        record.write_text(self.token)

    def start_databases(self) -> None:
        if not self.plan.embedded:
            return
        home = Home.decide(self.plan.var)
        for name in CLUSTERS:
            log = self.plan.var / "log" / f"postgresql-{name}.log"
            cluster = self.clusters[name] = Cluster.at(home, name, log)
            if not cluster.data.exists():
                self.say(f"Making the PostgreSQL cluster {name} …")
            cluster.make()
            cluster.configure()
            self.servers[name] = cluster.start()
        for name, cluster in self.clusters.items():
            cluster.wait_ready(self.servers[name])
            cluster.furnish()

    def set_up_databases(self) -> str:
        """Tables, rights and the demo; returns what the demo wants to tell its first reader."""
        self.say("Bringing the databases up to date …")
        command = [sys.executable, "manage.py", "setup_databases"]
        done = subprocess.run(
            command,
            cwd=self.plan.project,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            log = self.plan.var / "log" / "setup.log"
            log.write_text(done.stderr)
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise HouseError(f"The databases could not be set up: {last} (more in {log})")
        return done.stdout.strip()

    def programs(self) -> dict[str, list[str]]:
        """The signer first: the others ask it."""
        return {**signer_command(self.plan, self.say), **self.plan.commands}

    def start_services(self) -> None:
        self.services = [
            Service(
                name,
                command,
                self.plan.var / "log" / f"{name}.log",
                self.environment,
                # Beat only rings, and would first sleep until its next ring.
                grace=0.0 if name == "beat" else GRACE_SECONDS,
            )
            for name, command in self.programs().items()
        ]
        for service in self.services:
            service.start()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self.plan.answers():
            self.tend()
            for service in self.services:
                if service.deaths >= DEATHS_BEFORE_READY:
                    raise HouseError(f"{service.name} does not start: see {service.log}.")
            if time.monotonic() > deadline:
                raise HouseError(f"The pages did not answer in time: see {self.plan.var / 'log'}.")
            time.sleep(TICK_SECONDS)

    def watch(self) -> None:
        trim_at = time.monotonic() + TRIM_SECONDS
        while True:
            self.tend()
            if time.monotonic() > trim_at:
                for log in (self.plan.var / "log").glob("*.log"):
                    trim(log)
                trim_at = time.monotonic() + TRIM_SECONDS
            time.sleep(TICK_SECONDS)

    def tend(self) -> None:
        for service in self.services:
            if sentence := service.tend():
                self.say(sentence)
        for name, server in self.servers.items():
            if server.poll() is not None:
                cluster = self.clusters[name]
                self.say(f"PostgreSQL ({name}) ended and is started again; see {cluster.log}")
                self.servers[name] = cluster.start()
                cluster.wait_ready(self.servers[name])

    def shut(self) -> None:
        """Stop everything: programs first, then the databases they write to."""
        if self.services:
            self.say("Stopping …")
        for service in self.services:
            service.ask_to_stop()
        asked_at = time.monotonic()
        while waiting := [service for service in self.services if service.alive]:
            for service in waiting:
                if self.hurry.is_set() or time.monotonic() - asked_at > service.grace:
                    service.kill()
            time.sleep(TICK_SECONDS / 4)
        for service in self.services:
            service.kill()
        end_marked(self.token, 1.0)
        for server in self.servers.values():
            stop(server)
        if self.lock:
            self.lock.close()


def _make_writable(var: Path) -> None:
    try:
        var.mkdir(mode=0o711, parents=True, exist_ok=True)
        # The servers' own user passes through here to its clusters, but reads nothing.
        var.chmod(var.stat().st_mode | 0o011)
        probe = var / f".probe-{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise HouseError(
            f"{var} cannot be written ({error.strerror}): make it writable for this user,"
            " or set JAWORT_VAR to another folder."
        ) from None


def _refuse_taken(name: str, host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise HouseError(
                f"Port {port} on {host} cannot be used ({error.strerror}): stop the program that"
                f" has it, or set {name} to another one."
            ) from None


def main(arguments: list[str]) -> int:
    """Run the house; 0 after Ctrl-C or SIGTERM, 1 with one clear sentence otherwise."""

    def say(text: str) -> None:
        with suppress(OSError):  # nobody reads any more; stopping in order matters more
            print(text, flush=True)

    try:
        house = House(Plan.read(), say)
        _on_signals(house)
        house.run()
    except Stopped:
        say("Stopped. All data are kept.")
        return 0
    except (HouseError, ImproperlyConfigured) as error:
        print(f"Jawort cannot start: {error}", file=sys.stderr)
        return 1
    return 0


def _on_signals(house: House) -> None:
    """The first signal stops in good order, the second at once."""
    seen = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if seen.is_set():
            house.hurry.set()
            return
        seen.set()
        raise Stopped

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup has a signal ignored on purpose.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handle)
