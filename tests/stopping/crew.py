"""The processes of the house: workers, web server, provider; sound, or with one check taken out."""

import asyncio
import contextlib
import ctypes
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.db import connections

from config.embedded.plan import WEB_THREADS
from tests.standins.http_provider import Faults, Provider, serve

PROJECT = Path(__file__).resolve().parent.parent.parent
LATENCY = 0.02  # seconds the provider takes for an answer
READY_SECONDS = 60.0
END_SECONDS = 20.0


# --- Broken on purpose ---


def ask_no_gate() -> None:
    """Every gate counts as open."""
    _take_out("OPEN_GATES", "AND is_open")


def ask_without_lock() -> None:
    """The gate is read, and not held: it may be closed before the intent is committed."""
    _take_out("OPEN_GATES", "FOR SHARE SKIP LOCKED")


def ask_no_dispatch() -> None:
    """A batch in one's hands is sent to its end, whatever became of its broadcast."""
    _take_out("READ", "AND status = 'running'")


def _take_out(statement: str, words: str) -> None:
    ledger = import_module("messengers.engine.ledger")
    before = vars(ledger)[statement]
    if words not in before:
        raise RuntimeError(f"{statement} says something else by now: break it in another way.")
    vars(ledger)[statement] = before.replace(words, "")


FAULTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "no_gate": ask_no_gate,
    "no_lock": ask_without_lock,
    "no_dispatch": ask_no_dispatch,
}


# --- The processes ---


DIE_WITH_PARENT = 1  # prctl(2): PR_SET_PDEATHSIG


def child(job: Callable[..., None], *given: Any) -> None:
    """A process that does not outlive whoever started it, even if that one is killed."""
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    job(*given)


def work(fault: str) -> None:
    """Send until SIGTERM, then wait for the answers that are out, as a deploy does."""
    from messengers import engine, stopping

    stopping.forget()
    signal.signal(signal.SIGTERM, lambda *_: stopping.stop())
    FAULTS[fault]()
    while not stopping.is_stopping():
        engine.run(5.0)
        time.sleep(0.005)


def tidy(_fault: str) -> None:
    """Handle what came in and sweep, as the helper's tasks do."""
    from messengers import engine, stopping
    from messengers.tasks import handle_inbox

    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while not stopping.is_stopping():
        handle_inbox()
        engine.sweep()
        time.sleep(0.1)


class Clocked(Provider):
    """Notes when each message came, by the clock that all processes of a machine share."""

    def accept(self, message: dict[str, object]) -> str:
        self.number += 1
        entry = {"at": time.monotonic(), "attempt": message.get("attempt")}
        os.write(self.log, json.dumps(entry).encode() + b"\n")
        return f"standin-{os.getpid()}-{self.number}"


def provide(log: str, port: int) -> None:
    async def forever() -> None:
        server = await serve(Clocked(Path(log), Faults(latency=LATENCY)), port)
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(forever())


class Crew:
    """All of them; ended one after the other, whatever happened."""

    def __init__(self, folder: Path, fault: str, workers: int) -> None:
        self.context = multiprocessing.get_context("fork")
        self.log = folder / f"accepted-{fault}.jsonl"
        self.fault, self.number = fault, workers
        self.provider_port, self.web_port = free_port(), free_port()
        self.workers: list[BaseProcess] = []
        self.others: list[BaseProcess] = [self._start(provide, str(self.log), self.provider_port)]

    def begin(self) -> None:
        """Workers and their helper; to be called when there is something to do."""
        connections.close_all()  # nobody inherits our connection
        self.workers = [self._start(work, self.fault) for _ in range(self.number)]
        self.others.append(self._start(tidy, self.fault))

    def _start(self, job: Callable[..., None], *given: Any) -> BaseProcess:
        process = self.context.Process(target=child, args=(job, *given), daemon=True)
        process.start()
        return process

    def end(self) -> None:
        for worker in self.workers:
            worker.terminate()
        until = time.monotonic() + END_SECONDS
        for process in self.workers:
            process.join(max(0.0, until - time.monotonic()))
        for process in [*self.workers, *self.others]:
            process.kill()
            process.join()


class ThreadedServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def plain_server(port: int) -> Iterator[None]:
    """The same application on Python's own server, in a child: there at once."""

    def answer() -> None:
        from config.wsgi import application

        with make_server("127.0.0.1", port, application, ThreadedServer, Quiet) as server:
            server.serve_forever()

    connections.close_all()
    process = multiprocessing.get_context("fork").Process(target=child, args=(answer,), daemon=True)
    process.start()
    try:
        _wait_for(port, process.is_alive)
        yield
    finally:
        process.kill()
        process.join()


@contextlib.contextmanager
def granian(port: int) -> Iterator[None]:
    """The web server as `manage.py run` starts it; ready to answer."""
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--blocking-threads", str(WEB_THREADS)]
    command += ["--no-ws", "--log-level", "critical", "config.wsgi:application"]
    process = subprocess.Popen(command, cwd=PROJECT, start_new_session=True)
    try:
        _wait_for(port, lambda: process.poll() is None)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(port: int, is_alive: Callable[[], bool]) -> None:
    until = time.monotonic() + READY_SECONDS
    while is_alive() and time.monotonic() < until:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/livez")
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            time.sleep(0.05)
        finally:
            connection.close()
    raise RuntimeError("the web server did not start")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
