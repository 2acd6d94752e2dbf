"""Two PostgreSQL clusters that may be killed: single backends, and the whole server.

A guardian process clears up behind the one that asked for them, however that one ends. What was
migrated once is kept on a shelf, so that most runs begin with a copy.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Self

from config.embedded.cluster import UNSAFE_AND_FAST, Cluster
from config.embedded.home import APP, CLUSTERS, OWNER, Home
from tests.clusters import PROJECT, in_memory

# The history needs the moment of each commit; everything else is as in other tests, and asks for
# less safety than production does: with synchronous commits off, a crash forgets what is not asked
# to be remembered.
SETTINGS = {**UNSAFE_AND_FAST, "track_commit_timestamp": "on", "max_connections": "120"}
PR_SET_PDEATHSIG = 1
FILES = "jawort-files://localhost"  # a broker that needs no server


class Databases:
    """Both clusters in a folder of their own; a context manager. `is_new`: not from the shelf."""

    def __init__(self, settings: Mapping[str, str] = SETTINGS, *, on_disk: bool = False) -> None:
        self.place = None if on_disk else in_memory()
        self.settings = settings
        self.servers: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="jawort-chaos-", dir=self.place))
        self.folder.chmod(0o711)
        self.home = Home.decide(self.folder)
        self._guard()
        self.is_new = not self._from_shelf()
        for name in CLUSTERS:
            self.cluster(name).make()
            self.start(name)
        if self.is_new:
            self._furnish()
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self.hold)
        for server in self.servers.values():
            server.wait()
        os.waitpid(self.guardian, 0)

    def cluster(self, name: str) -> Cluster:
        return Cluster.at(self.home, name, self.folder / f"{name}.log", self.settings)

    def start(self, name: str) -> None:
        """Start a server, after a crash too, and wait until it takes connections."""
        cluster = self.cluster(name)
        cluster.configure()
        self.servers[name] = cluster.start()
        cluster.wait_ready(self.servers[name])

    def stop(self, name: str) -> None:
        """An ordinary shutdown: committed is on disk, connections are cut."""
        self.servers[name].send_signal(signal.SIGINT)
        self.servers[name].wait()

    def kill(self, name: str = "data") -> None:
        """kill -9 the postmaster; its children notice and go. Nothing answers until `start`."""
        self.servers[name].kill()
        self.servers[name].wait()

    def urls(self, *, as_owner: bool = False) -> dict[str, str]:
        """The variables that name both databases."""
        home = self.home
        return {
            "DATABASE_URL": home.url("data", owner=as_owner),
            "KEYSTORE_URL": home.url("keystore", owner=as_owner),
            "DATABASE_OWNER_URL": home.url("data", owner=True),
            "KEYSTORE_OWNER_URL": home.url("keystore", owner=True),
        }

    def keep(self) -> None:
        """Put the migrated clusters on the shelf for the next run; whole, or not at all."""
        unfinished = Path(tempfile.mkdtemp(dir=shelf()))
        unfinished.chmod(0o711)
        for name in CLUSTERS:
            self.stop(name)
            subprocess.run(["cp", "-a", self.home.cluster(name), unfinished / name], check=True)
            self.start(name)
        try:
            os.rename(unfinished, shelf() / _digest())
        except OSError:  # another run was first
            shutil.rmtree(unfinished, ignore_errors=True)
        for old in sorted(shelf().iterdir(), key=lambda kept: kept.stat().st_mtime)[:-2]:
            shutil.rmtree(old, ignore_errors=True)

    def _from_shelf(self) -> bool:
        kept = shelf() / _digest()
        if not kept.exists():
            return False
        try:
            os.utime(kept)
            for name in CLUSTERS:
                subprocess.run(["cp", "-a", kept / name, self.home.cluster(name)], check=True)
        except (OSError, subprocess.CalledProcessError):  # cleared away meanwhile
            for name in CLUSTERS:
                shutil.rmtree(self.home.cluster(name), ignore_errors=True)
            return False
        return True

    def _furnish(self) -> None:
        for name in CLUSTERS:
            cluster = self.cluster(name)
            cluster.furnish()
            with cluster.connect() as connection:
                connection.execute(f"GRANT {APP} TO {OWNER}")

    def _guard(self) -> None:
        """Fork whoever stops the servers when we are gone, killed or not."""
        held, self.hold = os.pipe()
        self.guardian = os.fork()
        if self.guardian:
            os.close(held)
            return
        os.close(self.hold)
        os.setsid()
        with suppress(BaseException):
            os.read(held, 1)  # nobody writes: this ends when nobody can
            for name in CLUSTERS:
                with suppress(Exception):
                    self.cluster(name).clear_stale_lock()
            for leftover in {self.folder, self.home.folder, self.home.sockets}:
                shutil.rmtree(leftover, ignore_errors=True)
        os._exit(0)


def shelf() -> Path:
    folder = Path(tempfile.gettempdir()) / f"jawort-chaos-store-{os.geteuid()}"
    folder.mkdir(mode=0o711, exist_ok=True)
    return folder


def _digest() -> str:
    """Changes with whatever decides how a migrated cluster looks."""
    sources = [
        *PROJECT.glob("*/migrations/*.py"),
        *PROJECT.glob("*/*/migrations/*.py"),
        *(PROJECT / "privacy" / "audit" / name for name in ("insert_only.py", "prune.py")),
        *(PROJECT / name for name in ("config/databases.py", "config/settings.py")),
        PROJECT / "requirements.txt",
        Path(__file__),
    ]
    digest = sha256()
    for source in sorted(sources):
        digest.update(str(source).encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@contextmanager
def house(broker: str = FILES, settings: Mapping[str, str] = SETTINGS) -> Iterator[Databases]:
    """Migrated databases, and Django set up on them, in this very process."""
    with Databases(settings) as databases, tempfile.TemporaryDirectory() as var:
        os.environ.update(environment(databases, var, CELERY_BROKER_URL=broker))
        import django

        django.setup()
        if databases.is_new:
            _migrate()
            databases.keep()
        yield databases


def environment(databases: Databases, var: str, **more: str) -> dict[str, str]:
    """What every process of this house is told."""
    return {
        **databases.urls(),
        "JAWORT_ORIGIN": "http://127.0.0.1:8000",
        "JAWORT_SMTP_URL": "smtp://127.0.0.1:1025",
        "JAWORT_VAR": var,
        "CELERY_BROKER_URL": FILES,
        "JAWORT_LOG_LEVEL": "CRITICAL",
        "DJANGO_SETTINGS_MODULE": "config.settings_test",
        **more,
    }


def _migrate() -> None:
    from django.db import connections

    from config.databases import as_owner, grant, migrate

    with as_owner():
        for alias in connections:
            migrate(alias)
            grant(connections[alias], APP)
    connections.close_all()


def die_with_parent() -> None:
    """A child of ours must not outlive us and hold on to the databases."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until(is_so: Callable[[], bool], seconds: float, step: float = 0.05) -> bool:
    """Ask again and again; whether it became true."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(step)
    return True
