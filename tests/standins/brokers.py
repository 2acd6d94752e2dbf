"""Private brokers, as production uses them: Redis (or Valkey) and RabbitMQ from the system.

    with Redis() as broker:
        broker.url   # redis://127.0.0.1:40001/0

Each listens on loopback only, keeps its files in a folder of its own and is ended with it. Which
are installed says `missing()`: on Debian `apt-get install redis-server rabbitmq-server`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, Any, ClassVar, Self

START_SECONDS = 90.0  # an Erlang machine on a busy day
STEP_SECONDS = 0.05
REDIS = ("redis-server", "valkey-server")
RABBIT_HOMES = ("/usr/lib/rabbitmq/bin", "/usr/local/sbin", "/opt/rabbitmq/sbin")
# What docs/operating.md asks for: a doorbell must not be thrown away for want of memory.
REDIS_SETTINGS = {"save": "", "maxmemory": "64mb", "maxmemory-policy": "noeviction"}
ONE_CORE = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
NOBODY = 65534


class Broker:
    """A server in a process of its own; a context manager that may be stopped and started again."""

    name: ClassVar[str]

    def __init__(self, place: Path | None = None) -> None:
        self.place = place  # where its folder is made
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix=f"jawort-{self.name}-", dir=self.place))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop(kill=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return self.url_at("127.0.0.1", self.port)

    def url_at(self, host: str, port: int) -> str:
        """Its address as Celery wants it, perhaps by way of a proxy."""
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def answers(self) -> bool:
        raise NotImplementedError

    def log(self) -> IO[bytes]:
        return (self.folder / "log").open("ab")

    def start(self) -> None:
        """Start it and wait until it answers. Raises `RuntimeError` with the end of its log."""
        with self.log() as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.name}: {(self.folder / 'log').read_text()[-500:]}")
            time.sleep(STEP_SECONDS)

    def stop(self, *, kill: bool = False) -> None:
        """End it in order, or by kill -9; what it kept in memory is gone."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL if kill else signal.SIGTERM)
        self.process.wait(START_SECONDS)
        self.process = None

    def wipe(self) -> None:
        """Forget every message, as if nobody had ever rung."""
        raise NotImplementedError


class Redis(Broker):
    """Without append-only file and snapshots: a restart begins empty."""

    name = "redis"

    def url_at(self, host: str, port: int) -> str:
        return f"redis://{host}:{port}/0"

    def command(self) -> list[str]:
        program = shutil.which(REDIS[0]) or shutil.which(REDIS[1])
        assert program
        settings = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder)}
        settings |= {"appendonly": "no"} | REDIS_SETTINGS
        return [program, *(part for k, v in settings.items() for part in (f"--{k}", v))]

    def say(self, *words: str) -> bytes:
        """One command in Redis's own protocol; the first line of its answer."""
        said = f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words)
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
            line.sendall(said.encode())
            return line.makefile("rb").readline().strip()

    def answers(self) -> bool:
        try:
            return self.say("PING") == b"+PONG"
        except OSError:
            return False

    def wipe(self) -> None:
        assert self.say("FLUSHALL") == b"+OK"


class Rabbit(Broker):
    """One node with an address book (epmd) of its own; what is durable survives a restart."""

    name = "rabbitmq"

    def __init__(self, place: Path | None = None) -> None:
        super().__init__(place)
        self.epmd_port, self.dist_port = free_port(), free_port()
        self.node = f"jawort-{secrets.token_hex(4)}@localhost"
        self.epmd: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.epmd = subprocess.Popen(
            ["epmd", "-address", "127.0.0.1", "-port", str(self.epmd_port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if self.epmd:
            self.epmd.kill()
            self.epmd.wait()

    def url_at(self, host: str, port: int) -> str:
        return f"amqp://guest:guest@{host}:{port}//"

    def command(self) -> list[str]:
        return [str(rabbit_program("rabbitmq-server"))]

    def environment(self) -> dict[str, str]:
        """Nothing of the system's own broker: files, names and ports are all ours."""
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text("log.console = false\n")
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ONE_CORE,
        }

    def answers(self) -> bool:
        try:
            with self.channel():
                return True
        except Exception:
            return False

    @contextlib.contextmanager
    def channel(self) -> Any:
        """A channel of py-amqp."""
        import amqp

        address = f"127.0.0.1:{self.port}"
        with amqp.Connection(address, connect_timeout=2, confirm_publish=True) as connection:
            yield connection.channel()

    def wipe(self) -> None:
        for queue in ("celery", "send"):
            with contextlib.suppress(Exception), self.channel() as channel:
                channel.queue_purge(queue)


BROKERS: dict[str, type[Broker]] = {"redis": Redis, "rabbitmq": Rabbit}


def missing(name: str) -> str:
    """Why this broker cannot be started here; "" if it can."""
    if name == "redis":
        found = any(shutil.which(program) for program in REDIS)
    else:
        found = bool(rabbit_program("rabbitmq-server") and shutil.which("epmd"))
    return "" if found else f"{name} is not installed"


def rabbit_program(name: str) -> Path | None:
    """The script itself: what Debian puts into the path wants to become another user."""
    for home in RABBIT_HOMES:
        if (program := Path(home) / name).exists():
            return program
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob(f"*/sbin/{name}"))
    return found[-1] if found else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
