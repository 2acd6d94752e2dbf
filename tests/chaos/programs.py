"""A house of real programs that can be killed one by one, and the two servers they stand on.

Celery workers are forked, since what they import has been imported already; granian is a program of
its own. Each is the head of a session, so that a whole worker "node" can go at once.
"""

import mmap
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from django.db import connections

from tests.chaos.crew import is_killed, jump, kill_backend
from tests.chaos.databases import Databases, die_with_parent
from tests.chaos.rounds import impatient
from tests.clusters import PROJECT
from tests.standins.brokers import Redis

CALL_SECONDS, LEASE_SLACK = 4.0, 2.0


class Program:
    """One program of the house, the head of a session of its own; started again when it died."""

    def __init__(self, kind: str, start: Callable[[], int]) -> None:
        self.kind = kind
        self.start = start
        self.pid = start()

    def is_alive(self) -> bool:
        try:
            return os.waitpid(self.pid, os.WNOHANG) == (0, 0)
        except ChildProcessError:
            return False

    def children(self) -> list[int]:
        """Its own children; those of a Celery worker are the ones that send."""
        try:
            told = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in told.split()]

    def kill_all(self) -> bool:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


def forked(job: Callable[[], None], log: Path) -> Callable[[], int]:
    """Start by a fork: what a Celery worker imports has been imported already."""

    def start() -> int:
        connections.close_all()
        pid = os.fork()
        if pid:
            return pid
        os.setsid()
        die_with_parent()
        a_stop_sign_of_its_own()
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        try:
            job()
        finally:
            os._exit(1)

    return start


def a_stop_sign_of_its_own() -> None:
    """A worker that is told to stop tells its children; here its sisters would hear it, too."""
    from messengers import stopping

    vars(stopping)["_flag"] = mmap.mmap(-1, 1)


def executed(command: list[str], log: Path) -> Callable[[], int]:
    """Start as a program of its own."""

    def start() -> int:
        with log.open("ab") as file:
            return subprocess.Popen(
                command,
                cwd=PROJECT,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=die_with_parent,
            ).pid

    return start


def celery(*arguments: str) -> Callable[[], None]:
    def run() -> None:
        impatient(LEASE_SLACK)
        from config.celery import app

        app.start(["--quiet", *arguments])

    return run


def worker(name: str, queue: str, children: int) -> Callable[[], None]:
    options = ["--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    options += ["--pool", "prefork", "--queues", queue, "--concurrency", str(children)]
    return celery("worker", *options, "-n", f"{name}@chaos")


@dataclass
class House:
    """All programs, and the two servers that nobody restarts but we."""

    databases: Databases
    broker: Redis
    folder: Path
    port: int
    programs: dict[str, Program] = field(default_factory=dict)

    def open(self) -> None:
        log = self.folder / "programs.log"
        granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
        granian += ["--port", str(self.port), "--workers", "1", "--blocking-threads", "4"]
        granian += ["--no-ws", "--log-level", "error", "config.wsgi:application"]
        self.programs = {
            "sender1": Program("sender", forked(worker("sender1", "send", 2), log)),
            "sender2": Program("sender", forked(worker("sender2", "send", 2), log)),
            "helper": Program("helper", forked(worker("helper", "celery", 1), log)),
            "beat": Program("beat", forked(celery("beat", "--pidfile", ""), log)),
            "web": Program("web", executed(granian, log)),
        }

    def revive(self) -> None:
        for program in self.programs.values():
            if not program.is_alive():
                program.kill_all()  # what is left of its session
                program.pid = program.start()

    def close(self) -> None:
        for program in self.programs.values():
            program.kill_all()
            program.is_alive()
        self.programs = {}

    # --- Blows ---

    def strike(self, kind: str, rng: random.Random) -> bool:
        """One kill -9 of this kind; whether it hit anybody."""
        match kind:
            case "child" | "main" | "node":
                return self._strike_sender(kind, rng)
            case "backend":
                return kill_backend(rng)
            case "postmaster":
                return self._strike_server(rng.choice(["data", "data", "keystore"]), rng)
            case "broker":
                return self._strike_broker(rng)
            case "clock":
                return jump()
            case _:
                return self.programs[kind].kill_all()

    def _strike_sender(self, kind: str, rng: random.Random) -> bool:
        sender = self.programs[rng.choice(["sender1", "sender2"])]
        if kind == "node":
            return sender.kill_all()
        if kind == "main":
            return is_killed(sender.pid)
        children = sender.children()
        return bool(children) and is_killed(rng.choice(children))

    def _strike_server(self, name: str, rng: random.Random) -> bool:
        """The whole server dies and is away for a moment."""
        connections.close_all()
        self.databases.kill(name)
        time.sleep(rng.uniform(0.1, 1.0))
        self.databases.cluster(name).clear_stale_lock()
        self.databases.start(name)
        return True

    def _strike_broker(self, rng: random.Random) -> bool:
        """Redis dies with everything that rang in it."""
        self.broker.stop(kill=True)
        time.sleep(rng.uniform(0.1, 1.0))
        self.broker.start()
        return True
