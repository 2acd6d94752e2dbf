"""A provider on loopback that speaks the simulator's API and keeps a log of what it accepted.

It stands outside Jawort: it shares no code with the simulator. What it accepted is one line per
message in an append-only file, written before the answer, so that a test can compare what really
arrived with what Jawort believes. Faults are drawn from a seed.

    python -m tests.standins.http_provider --log accepted.jsonl --drop-after 0.01 --seed 7
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

TOKEN = "standin-token-0123456789"
NUMBER_UNKNOWN, NUMBER_BLOCKED = "0404", "0403"  # how such numbers end


@dataclass
class Faults:
    """Shares (0 to 1) of the requests that go wrong, and how."""

    drop_before: float = 0.0  # the line breaks before anything was accepted
    drop_after: float = 0.0  # accepted, then the line breaks instead of the answer
    throttle: float = 0.0  # 429 with Retry-After
    server_error: float = 0.0  # a bare 500, nothing accepted
    unavailable: float = 0.0  # 503 in the API's own words, nothing accepted
    garbage: float = 0.0  # accepted, but the answer cannot be read
    slow: float = 0.0  # accepted, the answer comes after `delay`
    delay: float = 1.0  # seconds
    latency: float = 0.0  # seconds for each answer
    seed: int = 0

    def draw(self, rng: random.Random) -> str:
        """The fault of one request, "" for none."""
        point = rng.random()
        for name in RATES:
            point -= getattr(self, name)
            if point < 0:
                return name
        return ""


RATES = (
    "drop_before",
    "drop_after",
    "throttle",
    "server_error",
    "unavailable",
    "garbage",
    "slow",
)


class Provider:
    """State of the stand-in: log file, faults, counters."""

    def __init__(self, log: Path | None = None, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.rng = random.Random(self.faults.seed)
        self.accepted: list[dict[str, object]] = []
        self.requests = 0
        self.bodies: list[bytes] = []
        self.keep_bodies = log is None
        self.number = 0
        self.connections: set[asyncio.Transport] = set()
        self.log = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600) if log else -1

    def accept(self, message: dict[str, object]) -> str:
        """Write the message down for good and give it an id."""
        self.number += 1
        provider_id = f"standin-{os.getpid()}-{self.number}"
        entry = {"id": provider_id, "to": message.get("to"), "attempt": message.get("attempt")}
        if self.log >= 0:
            entry |= {"at": time.time(), "fields": sorted(message)}
            os.write(self.log, json.dumps(entry).encode() + b"\n")
        else:
            self.accepted.append(entry | {"text": message.get("text"), "wire": message})
        return provider_id

    def message(self, message: object) -> dict[str, object]:
        """The answer to one message: its id, or an error of the API."""
        if not isinstance(message, dict) or not message.get("to") or "text" not in message:
            return error("bad_message")
        if str(message["to"]).endswith(NUMBER_UNKNOWN):
            return error("unknown_recipient")
        if str(message["to"]).endswith(NUMBER_BLOCKED):
            return error("blocked")
        return {"id": self.accept(message)}


def error(code: str) -> dict[str, object]:
    return {"error": {"code": code, "message": f"stand-in: {code}"}}


STATUS = {
    "bad_message": 400,
    "bad_token": 401,
    "blocked": 403,
    "unknown_recipient": 404,
    "too_many": 429,
    "unavailable": 503,
}


class Connection(asyncio.Protocol):
    """One keep-alive connection: reads requests by hand, because it has to be fast."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.provider.connections.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.transport:
            self.provider.connections.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode("latin-1")
            length = header(head, "content-length") or "0"
            total = end + 4 + int(length)
            if len(self.buffer) < total:
                return
            body, self.buffer = self.buffer[end + 4 : total], self.buffer[total:]
            self.handle(head, body)

    def handle(self, head: str, body: bytes) -> None:
        provider = self.provider
        provider.requests += 1
        if provider.keep_bodies:
            provider.bodies.append(body)
        fault = provider.faults.draw(provider.rng)
        if fault == "drop_before":
            self.close()
        elif fault == "throttle":
            self.reply(429, error("too_many"), "retry-after: 2\r\n")
        elif fault == "server_error":
            self.write(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n")
        elif fault == "unavailable":
            self.reply(503, error("unavailable"))
        elif header(head, "authorization") != f"Bearer {TOKEN}":
            self.reply(401, error("bad_token"))
        else:
            self.accepting(head.split(" ", 2)[1], body, fault)

    def accepting(self, path: str, body: bytes, fault: str) -> None:
        """What happens once the request itself is in order."""
        if path.endswith("/api/media"):
            self.reply(201, {"id": f"media-{len(body)}"})
            return
        try:
            data = json.loads(body)
        except ValueError:
            self.reply(400, error("bad_message"))
            return
        if path.endswith("/api/messages/bulk"):
            status = 200
            answer: dict[str, object] = {
                "results": [self.provider.message(item) for item in data.get("messages", [])]
            }
        else:
            answer = self.provider.message(data)
            status = 201 if "id" in answer else STATUS[answer["error"]["code"]]  # type: ignore[index]
        if fault == "drop_after":
            self.close()
        elif fault == "garbage":
            self.write(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n<html></html")
        else:
            delay = self.provider.faults.latency
            self.later(
                delay + (self.provider.faults.delay if fault == "slow" else 0), status, answer
            )

    def later(self, delay: float, status: int, answer: dict[str, object]) -> None:
        if delay:
            asyncio.get_running_loop().call_later(delay, self.reply, status, answer)
        else:
            self.reply(status, answer)

    def reply(self, status: int, body: dict[str, object], headers: str = "") -> None:
        data = json.dumps(body).encode()
        head = (
            f"HTTP/1.1 {status} .\r\ncontent-type: application/json\r\n"
            f"{headers}content-length: {len(data)}\r\n\r\n"
        )
        self.write(head.encode() + data)

    def write(self, data: bytes) -> None:
        if self.transport and not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        if self.transport:
            self.transport.abort()


def header(head: str, name: str) -> str:
    for line in head.split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip()
    return ""


async def serve(provider: Provider, port: int = 0) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Connection(provider), "127.0.0.1", port, backlog=1024)


@contextlib.contextmanager
def running(provider: Provider) -> Iterator[str]:
    """The stand-in in a thread of this process; gives its base address."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(serve(provider))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(provider, server), loop).result(timeout=5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=5)
        loop.close()


async def _end(provider: Provider, server: asyncio.Server) -> None:
    """Close the listener and every connection, and let the loop see them go."""
    server.close()
    for transport in list(provider.connections):
        transport.abort()
    await asyncio.sleep(0)


async def forever(provider: Provider, port: int) -> None:
    server = await serve(provider, port)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    """Run as a process of its own; the first line printed is the base address."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    for option in fields(Faults):
        kind = int if option.name == "seed" else float
        name = "--" + option.name.replace("_", "-")
        parser.add_argument(name, type=kind, default=option.default)
    options = parser.parse_args()
    faults = Faults(**{option.name: getattr(options, option.name) for option in fields(Faults)})
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(forever(Provider(options.log, faults), options.port))


if __name__ == "__main__":
    main()
