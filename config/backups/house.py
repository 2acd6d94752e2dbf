"""The databases, whether the house runs or not; and a lock that keeps it from starting."""

import fcntl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

from django.conf import settings
from django.db import DatabaseError, connections

from config.backups.errors import BackupError
from config.embedded.cluster import Cluster, stop
from config.embedded.home import CLUSTERS, Home, HouseError

OTHERS = """SELECT count(*) FROM pg_stat_activity
     WHERE datname = current_database() AND usename IS NOT NULL AND pid <> pg_backend_pid()"""


@contextmanager
def databases(say: Callable[[str], None], *, stopped: bool) -> Iterator[None]:
    """Both databases answer inside. An embedded house that is stopped gets them for that time.

    `stopped`: raise `BackupError` if the house runs, and keep it from starting.
    """
    with ExitStack() as stack:
        if settings.EMBEDDED and (stopped or not _answer()):
            stack.enter_context(_embedded(say))
        if stopped:
            refuse_running()
        yield


def refuse_running() -> None:
    """Raise `BackupError` while anybody else is connected to one of the databases."""
    for alias in connections:
        connections[alias].close()
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute(OTHERS)
                others = cursor.fetchone()[0]
        except DatabaseError:
            raise BackupError(
                f"The database {alias} does not answer: start its server first."
            ) from None
        if others:
            raise BackupError(
                f"{others} other connections use the database {alias}: stop web, workers and beat"
                " on every host first, then restore."
            )


def _answer() -> bool:
    try:
        for alias in connections:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


@contextmanager
def _embedded(say: Callable[[str], None]) -> Iterator[None]:
    servers: list[subprocess.Popen[bytes]] = []
    lock = _lock()
    try:
        home = Home.decide(settings.JAWORT_VAR)
        (settings.JAWORT_VAR / "log").mkdir(mode=0o700, exist_ok=True)
        say("Starting the embedded databases for this …")
        for name in CLUSTERS:
            log = settings.JAWORT_VAR / "log" / f"postgresql-{name}.log"
            cluster = Cluster.at(home, name, log)
            cluster.make()
            cluster.configure()
            servers.append(cluster.start())
            cluster.wait_ready(servers[-1])
            cluster.furnish()
        _reach(home)
        yield
    except HouseError as error:
        raise BackupError(str(error)) from None
    finally:
        connections.close_all()
        for server in servers:
            stop(server)
        lock.close()


def _reach(home: Home) -> None:
    """A home that was only just decided is not where the settings thought."""
    for alias, name in (("default", "data"), ("keystore", "keystore")):
        host = str(home.socket_folder(name))
        settings.OWNER_DATABASES[alias]["HOST"] = host
        connections[alias].settings_dict["HOST"] = host


def _lock() -> IO[str]:
    settings.JAWORT_VAR.mkdir(mode=0o711, parents=True, exist_ok=True)
    lock = (settings.JAWORT_VAR / "run.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise BackupError(f"Jawort runs on {settings.JAWORT_VAR}: stop it first.") from None
    return lock
