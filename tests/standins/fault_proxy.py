"""A line with faults: relays TCP or a Unix socket, and breaks as it is told.

    python -m tests.standins.fault_proxy --to 127.0.0.1:6379 [--listen 127.0.0.1:0] [--control PATH]

Addresses are HOST:PORT or unix:PATH. The first line printed is where it listens; then it takes
commands, one a line, from standard input and from the control socket, and answers each by `ok`,
`ok NUMBER` or `no: why`. It ends with its standard input.

    cut          every connection ends, new ones are refused
    stall        nothing passes any more, and nobody is told; new ones are taken and hear nothing
    reset        every connection is torn down by RST; new ones pass
    slow MS      every byte comes so much later, both ways
    rate BYTES   so many bytes a second at most, for each connection and way; 0: no limit
    limit BYTES  a connection is torn down after so many bytes, both ways together; 0: never
    slice BYTES  bytes come in pieces of so many at most, each in a packet of its own
    mend         all is well again; what was stalled goes on
    count        how many connections there are
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

CHUNK = 64 * 1024
QUEUE = 256  # pieces on their way, each way: what a slow line holds
SLICE_PAUSE = 0.001  # seconds between two slices, so that they are not put together again
PACES = 20  # pieces into which a second of a limited rate is cut
NO_LINGER = struct.pack("ii", 1, 0)
READY_SECONDS = 20.0


# --- The line ---


class Line:
    """All connections through one listener, and what is wrong with them."""

    def __init__(self, to: str, listen: str) -> None:
        self.to, self.listen = to, listen
        self.server: asyncio.Server | None = None
        self.reserved: socket.socket | None = None
        self.connections: dict[Connection, asyncio.Task[None]] = {}
        self.flows = asyncio.Event()
        self.flows.set()
        self.healthy()

    def healthy(self) -> None:
        self.latency = self.rate = 0.0
        self.limit = self.slice = 0

    async def open(self) -> str:
        """Take connections; the address where. The same one again after `cut`."""
        if self.server:
            return self.listen
        if self.listen.startswith("unix:"):
            path = self.listen.removeprefix("unix:")
            self.server = await asyncio.start_unix_server(self.taken, path)
        else:
            host, port = split(self.listen)
            if self.reserved is None:
                self.reserved = reserve(host, port)
                self.listen = f"{host}:{self.reserved.getsockname()[1]}"
            self.server = await asyncio.start_server(
                self.taken, *split(self.listen), reuse_port=True, backlog=1024
            )
        return self.listen

    async def taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, writer)
        self.connections[connection] = asyncio.current_task()  # type: ignore[assignment]
        try:
            await self.flows.wait()
            await connection.relay(reader)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            connection.end()
            self.connections.pop(connection, None)

    def drop(self, *, by_reset: bool) -> int:
        """End every connection at once; how many there were."""
        found = list(self.connections.items())
        self.connections.clear()
        for connection, task in found:
            connection.end(by_reset=by_reset)
            task.cancel()
        return len(found)

    # --- Commands ---

    async def obey(self, line: str) -> str:
        """Do what one line says; the answer to it."""
        word, *numbers = line.split()
        command = getattr(self, f"do_{word}", None)
        if command is None:
            return f"no: {word!r} is not known"
        try:
            given = [int(number) for number in numbers]
            done = await command(*given)
        except (TypeError, ValueError, OSError) as error:
            return f"no: {error}"
        return "ok" if done is None else f"ok {done}"

    async def do_cut(self) -> int:
        if self.server:
            self.server.close()
            self.server = None
        if self.listen.startswith("unix:"):
            Path(self.listen.removeprefix("unix:")).unlink(missing_ok=True)
        return self.drop(by_reset=False)

    async def do_reset(self) -> int:
        return self.drop(by_reset=True)

    async def do_stall(self) -> None:
        self.flows.clear()

    async def do_slow(self, milliseconds: int) -> None:
        self.latency = milliseconds / 1000

    async def do_rate(self, bytes_per_second: int) -> None:
        self.rate = float(bytes_per_second)

    async def do_limit(self, number: int) -> None:
        self.limit = number

    async def do_slice(self, number: int) -> None:
        self.slice = number

    async def do_mend(self) -> None:
        self.healthy()
        self.flows.set()
        await self.open()

    async def do_count(self) -> int:
        return len(self.connections)


class Connection:
    """One connection of a client and ours to the server, with both ways between them."""

    def __init__(self, line: Line, client: asyncio.StreamWriter) -> None:
        self.line = line
        self.ends = [client]
        self.passed = 0

    async def relay(self, client: asyncio.StreamReader) -> None:
        if self.line.to.startswith("unix:"):
            path = self.line.to.removeprefix("unix:")
            reader, writer = await asyncio.open_unix_connection(path)
        else:
            reader, writer = await asyncio.open_connection(*split(self.line.to))
        self.ends.append(writer)
        for end in self.ends:
            if end.get_extra_info("socket").family != socket.AF_UNIX:
                end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.TaskGroup() as ways:
            ways.create_task(self.way(client, writer))
            ways.create_task(self.way(reader, self.ends[0]))

    async def way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bytes from one end to the other; what is on its way stands in a queue with its time."""
        moving: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUE)
        taking = asyncio.create_task(self.take(reader, moving))
        try:
            while True:
                due, data = await moving.get()
                if (wait := due - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                await self.line.flows.wait()
                if not data:
                    writer.write_eof()
                    return
                await self.hand_over(writer, data)
        except (OSError, RuntimeError):
            self.end()
        finally:
            taking.cancel()

    async def take(
        self, reader: asyncio.StreamReader, moving: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        data = b"."
        while data:
            size = max(1, int(self.line.rate / PACES)) if self.line.rate else CHUNK
            try:
                data = await reader.read(size)
            except OSError:
                data = b""
            await moving.put((time.monotonic() + self.line.latency, data))

    async def hand_over(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        line = self.line
        if line.limit and self.passed + len(data) > line.limit:
            data = data[: max(0, line.limit - self.passed)]
            writer.write(data)
            await asyncio.sleep(0.01)  # a reset overtakes what was not read yet
            self.end(by_reset=True)
            return
        self.passed += len(data)
        rest = data
        while rest:  # by what it is told at the moment: it may be mended between two slices
            size = line.slice or len(rest)
            piece, rest = rest[:size], rest[size:]
            writer.write(piece)
            await writer.drain()
            if line.slice:
                await asyncio.sleep(SLICE_PAUSE)
        if line.rate:
            await asyncio.sleep(len(data) / line.rate)

    def end(self, *, by_reset: bool = False) -> None:
        for writer in self.ends:
            if by_reset:
                with contextlib.suppress(OSError):
                    writer.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER
                    )
            writer.transport.abort()


def split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def reserve(host: str, port: int) -> socket.socket:
    """Hold a port without listening: while the line is cut, nobody else may get it."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind((host, port))
    return held


# --- The process ---


async def listen_to(line: Line, reader: asyncio.StreamReader, writer: object) -> None:
    """Commands, one a line, until the stream ends."""
    while said := await reader.readline():
        if not said.strip():
            continue
        answer = await line.obey(said.decode())
        if isinstance(writer, asyncio.StreamWriter):
            writer.write(answer.encode() + b"\n")
        else:
            print(answer, flush=True)


async def forever(to: str, listen: str, control: str) -> None:
    line = Line(to, listen)
    print(await line.open(), flush=True)
    if control:
        await asyncio.start_unix_server(functools.partial(listen_to, line), control)
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    await listen_to(line, commands, None)
    line.drop(by_reset=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", required=True)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--control", default="", help="a Unix socket that takes commands, too")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(forever(options.to, options.listen, options.control))


# --- Driving it ---


class FaultProxy:
    """The proxy in a process of its own.

    with FaultProxy("127.0.0.1:6379") as line:
        line.slow(200)
    """

    def __init__(
        self,
        to: str,
        listen: str = "127.0.0.1:0",
        control: str = "",
        prefix: Sequence[str] = (),
    ) -> None:
        """`prefix`: what the command begins with, for instance `ip netns exec NAME`."""
        self.to, self.wanted, self.control, self.prefix = to, listen, control, prefix
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            [
                *(*self.prefix, sys.executable, "-m", __name__, "--to", self.to),
                *("--listen", self.wanted, "--control", self.control),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self.process.stdout
        self.address = self.process.stdout.readline().strip()
        if not self.address:
            raise RuntimeError(f"no proxy to {self.to}")
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    @property
    def port(self) -> int:
        return split(self.address)[1]

    def tell(self, command: str) -> int:
        """Give one command; the number it answers with, or 0. Raises `ValueError` if refused."""
        with self.lock:
            assert self.process.stdin
            assert self.process.stdout
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip()
        if not answer.startswith("ok"):
            raise ValueError(answer or "the proxy is gone")
        return int(answer.removeprefix("ok") or 0)

    def cut(self) -> int:
        return self.tell("cut")

    def mend(self) -> int:
        return self.tell("mend")

    def reset(self) -> int:
        return self.tell("reset")

    def stall(self) -> int:
        return self.tell("stall")

    def slow(self, milliseconds: int) -> int:
        return self.tell(f"slow {milliseconds}")

    def rate(self, bytes_per_second: int) -> int:
        return self.tell(f"rate {bytes_per_second}")

    def limit(self, number: int) -> int:
        return self.tell(f"limit {number}")

    def slice(self, number: int) -> int:
        return self.tell(f"slice {number}")

    def count(self) -> int:
        return self.tell("count")


if __name__ == "__main__":
    main()
