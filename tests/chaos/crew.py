"""Who works while everything is killed: forked processes of the engine, the ticks and the hook."""

import contextlib
import multiprocessing
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from typing import Any

from django.db import DatabaseError, connections

from tests.chaos.databases import die_with_parent, wait_until

SWEEP_SECONDS = 0.2
STRIKE_SECONDS = 5.0  # as long is looked for something to strike
STALL_SECONDS = 2.0  # at most: it wakes up when others have all that was its own
TAKEN = """
    SELECT count(*) FROM messengers_batch WHERE id = ANY(%s)
       AND (status = 'done' OR (status = 'working' AND lease_until > clock_timestamp()))"""
# What a worker is just writing is left alone: one that sleeps would keep us waiting.
JUMP = """
    UPDATE messengers_batch SET lease_until = clock_timestamp() - interval '1 s'
     WHERE id IN (SELECT id FROM messengers_batch WHERE status = 'working'
                     FOR UPDATE SKIP LOCKED) RETURNING id"""
CONTEXT = multiprocessing.get_context("fork")


# --- What they do ---


def work() -> None:
    """A worker as Celery would call it, again and again."""
    from messengers import engine

    while True:
        try:
            engine.run(5.0)
        except Exception as error:
            print(f"a worker gave up: {type(error).__name__}", flush=True)
        connections.close_all()
        time.sleep(0.02)


def tidy() -> None:
    """What beat rings for: sweeper, receipts, texts."""
    from messengers import tasks

    while True:
        for task in (tasks.sweep, tasks.handle_inbox):
            with contextlib.suppress(Exception):
                task()
        connections.close_all()
        time.sleep(SWEEP_SECONDS)


def serve(port: int) -> Callable[[], None]:
    """The web server's application behind the plainest server there is."""

    def run() -> None:
        from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

        from config.wsgi import application

        class Quiet(WSGIRequestHandler):
            def log_message(self, *_: object) -> None:
                """Nothing: a test's output is read by people."""

        class Server(WSGIServer):
            allow_reuse_address = True
            request_queue_size = 64

        make_server("127.0.0.1", port, application, Server, Quiet).serve_forever()

    return run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_open(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


# --- Killing them ---


@dataclass
class Crew:
    """Processes that are started again whenever they die."""

    jobs: list[tuple[str, Callable[[], None]]]
    processes: list[BaseProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.processes = [self._start(job) for _, job in self.jobs]

    def _start(self, job: Callable[[], None]) -> BaseProcess:
        # Two processes on one inherited connection would read each other's answers.
        connections.close_all()
        process = CONTEXT.Process(target=_alone, args=[job], daemon=True)
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
        name = "worker" if kind == "stall" else kind
        indexes = [index for index, job in enumerate(self.jobs) if job[0] == name]
        pid = self.processes[rng.choice(indexes)].pid
        assert pid
        return stall(pid) if kind == "stall" else is_killed(pid)

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


def _alone(job: Callable[[], None]) -> None:
    die_with_parent()
    job()


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

    struck = bool(patient(lambda: fetch(JUMP)))
    patient(sweep_leases)
    return struck


def stall(pid: int) -> bool:
    """A worker stands still, loses its leases to others, and goes on as if nothing had been."""
    os.kill(pid, signal.SIGSTOP)
    try:
        # The sweeper gives the leases away: it may wait for a lock that our sleeper holds.
        lost = [row[0] for row in patient(lambda: fetch(JUMP))]
        wait_until(lambda: patient(lambda: fetch(TAKEN, [lost]))[0][0] == len(lost), STALL_SECONDS)
        return bool(lost)
    finally:
        os.kill(pid, signal.SIGCONT)


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
