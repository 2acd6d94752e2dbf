"""Hooks as a provider sends them: prepared requests, a web server as in production, and a client.

The requests are made before anything is measured and sent by `load.c`, each at its moment.
"""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from messengers.signature import sign
from tests.bench.rig import TICK
from tests.bench.sink import built, workshop
from tests.bench.world import HOOK_SECRET, phone
from tests.standins.brokers import Redis, missing

RECORD = struct.Struct("<IQ")
START_SECONDS = 30.0
PROCESSES = 2  # of the web server: one for each core
Request = tuple[float, bytes]  # seconds after the start, the bytes


def post(channel: UUID, ref: str, events: list[dict[str, Any]], after: float) -> Request:
    """One signed hook, as if signed at its moment."""
    body = orjson.dumps({"events": events})
    at = int(time.time() + after)
    head = (
        f"POST /hooks/{channel}/ HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"webhook-id: {ref}\r\nwebhook-timestamp: {at}\r\n"
        f"webhook-signature: {sign(HOOK_SECRET, ref, at, body)}\r\n\r\n"
    )
    return after, head.encode() + body


def texts(channel: UUID, number: int, people: int, *, rate: float = 0.0) -> Iterator[Request]:
    """What people write, one event in each hook; `rate` a second, or as fast as they are taken."""
    at, run = datetime.now(UTC).isoformat(), os.urandom(4).hex()
    for index in range(number):
        ref = f"{run}{index:08d}"
        words = f"Danke, das wusste ich nicht. Wie ist es mit Linie {index % 90}?"
        event = {"id": ref, "type": "text", "at": at, "from": phone(index % people), "text": words}
        yield post(channel, ref, [event], index / rate if rate else 0.0)


def receipts(
    channel: UUID, attempts: list[str], status: str, size: int, *, rate: float, after: float
) -> Iterator[Request]:
    """One receipt for each attempt, `size` in a hook, `rate` receipts a second from `after` on."""
    at, run = datetime.now(UTC).isoformat(), os.urandom(4).hex()
    for first in range(0, len(attempts), size):
        some = attempts[first : first + size]
        events = [
            {
                "id": f"{run}{first + index}",
                "type": "receipt",
                "at": at,
                "message": f"sink-{first + index}",
                "attempt": attempt,
                "status": status,
            }
            for index, attempt in enumerate(some)
        ]
        ready = after + (first + len(some)) / rate if rate else after
        yield post(channel, f"{run}{first}", events, ready)


def write(requests: Iterable[Request], name: str) -> Path:
    """The file that `load.c` reads."""
    path = workshop() / name
    with path.open("wb") as file:
        for after, request in sorted(requests, key=lambda one: one[0]):
            file.write(RECORD.pack(len(request), int(after * 1e6)) + request)
    return path


class Load:
    """Requests on their way to a server; `result` waits for the last answer."""

    def __init__(self, port: int, path: Path, connections: int) -> None:
        command = [str(built("load.c")), str(port), str(path), str(connections)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def result(self) -> dict[str, float]:
        """Counts, seconds and latencies. Raises `RuntimeError` if not every answer was a yes."""
        said, _ = self._process.communicate(timeout=600)
        found: dict[str, float] = json.loads(said)
        if found["bad"] or found["broken"] or not found["ok"]:
            raise RuntimeError(f"The web server did not take every hook: {found}.")
        return found

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class Server:
    """granian with `target`, as docs/operating.md starts it, with `threads` threads a process."""

    def __init__(self, target: str, port: int, threads: int, broker: str) -> None:
        from config.embedded.plan import PROJECT

        command = [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"),
            *("--port", str(port), "--workers", str(PROCESSES)),
            *("--blocking-threads", str(threads), "--no-ws"),
            *("--log-level", "warning", "--working-dir", str(PROJECT), target),
        ]
        self.port = port
        env = os.environ | {"CELERY_BROKER_URL": broker}
        self._process = subprocess.Popen(command, env=env, start_new_session=True)

    def wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            line = HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                line.request("GET", "/livez", headers={"Host": "127.0.0.1:8000"})
                line.getresponse()
                return
            except (OSError, HTTPException):
                time.sleep(0.1)
            finally:
                line.close()
        raise RuntimeError("The web server of the bench did not start.")

    def cpu_seconds(self) -> float:
        """Of all its processes up to now."""
        return sum(_cpu_in_session(self._process.pid))

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def serving(target: str, port: int, threads: int) -> Iterator[Server]:
    with doorbell() as broker:
        server = Server(target, port, threads, broker)
        try:
            server.wait()
            yield server
        finally:
            server.stop()


@contextmanager
def doorbell() -> Iterator[str]:
    """The address of a Redis of our own; without one the bells ring in the server's memory."""
    if missing(Redis.name):
        yield "memory://"
        return
    with Redis() as broker:
        yield broker.url


def _cpu_in_session(leader: int) -> Iterator[float]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            yield (int(fields[11]) + int(fields[12])) / TICK
