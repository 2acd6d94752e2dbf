"""Who works while everything is killed: the engine's processes, sound or broken on purpose."""

import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from importlib import import_module
from multiprocessing.process import BaseProcess
from typing import Any

from django.db import DatabaseError, connections

SWEEP_SECONDS = 0.2
STRIKE_SECONDS = 5.0  # as long is looked for something to strike
JUMP = """
    UPDATE messengers_batch SET lease_until = clock_timestamp() - interval '1 s'
     WHERE status = 'working' RETURNING id"""


# --- The broken engines ---


def requeue_what_was_lost() -> None:
    """The usual mistake: a lease ended, so do it again."""
    vars(import_module("messengers.engine.sweep"))["LOST_ON_WIRE"] = "queued"


def try_again_when_unsure() -> None:
    """The other usual mistake: no answer came, so do it again."""
    from messengers.engine import worker
    from messengers.engine.outcomes import Verdict, judge

    def hopeful(answer: Any, attempts: int) -> Verdict:
        verdict = judge(answer, attempts)
        return Verdict("queued", "again") if verdict.status == "in_doubt" else verdict

    worker.judge = hopeful  # type: ignore[attr-defined]


MUTANTS: dict[str, Callable[[], None]] = {
    "sound": lambda: None,
    "requeue": requeue_what_was_lost,
    "retry": try_again_when_unsure,
}


# --- The processes ---


def work() -> None:
    from messengers import engine

    while True:
        try:
            engine.run(5.0)
        except Exception as error:
            print(f"a worker gave up: {type(error).__name__}", flush=True)
        connections.close_all()
        time.sleep(0.02)


def tidy() -> None:
    from messengers import engine

    while True:
        with contextlib.suppress(Exception):
            engine.sweep()
        connections.close_all()
        time.sleep(SWEEP_SECONDS)


class Crew:
    """Processes that are started again whenever they die."""

    def __init__(self, workers: int) -> None:
        self.context = multiprocessing.get_context("fork")
        self.jobs: list[tuple[str, Callable[[], None]]] = [("worker", work)] * workers
        self.jobs.append(("sweeper", tidy))
        self.processes: list[BaseProcess] = [self._start(job) for _, job in self.jobs]

    def _start(self, job: Callable[[], None]) -> BaseProcess:
        # Two processes on one inherited connection would read each other's answers.
        connections.close_all()
        process = self.context.Process(target=job, daemon=True)
        process.start()
        return process

    def revive(self) -> None:
        for index, process in enumerate(self.processes):
            if not process.is_alive():
                process.join()
                self.processes[index] = self._start(self.jobs[index][1])

    def kill(self, kind: str, rng: random.Random) -> bool:
        """kill -9 one process of a kind; the database's backends are asked for by name."""
        if kind == "database":
            return kill_backend(rng)
        if kind == "clock":
            return jump()
        indexes = [index for index, (name, _) in enumerate(self.jobs) if name == kind]
        pid = self.processes[rng.choice(indexes)].pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        return True

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


def kill_backend(rng: random.Random) -> bool:
    """kill -9 a backend: PostgreSQL then ends all others and recovers from its log."""
    query = """SELECT pid FROM pg_stat_activity
                WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""
    until = time.monotonic() + STRIKE_SECONDS
    while time.monotonic() < until:
        pids = [row[0] for row in patient(lambda: fetch(query))]
        if pids and is_killed(rng.choice(pids)):
            return True
        time.sleep(0.05)  # everybody is just connecting again
    return False


def is_killed(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def jump() -> bool:
    """The database's clock jumps ahead: every lease has ended, and the workers live on."""
    from messengers.engine.sweep import sweep_leases

    patient(lambda: fetch(JUMP))
    patient(sweep_leases)
    return True


# --- Asking a database that may be dead ---


def fetch(query: str, params: list[Any] | None = None) -> list[Any]:
    from messengers.sql import rows

    return rows(query, params or [])


def patient(ask: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Ask a database that may just be recovering."""
    until = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except DatabaseError:
            connections.close_all()
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
