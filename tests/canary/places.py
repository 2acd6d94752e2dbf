"""The places where a canary could come to light. Each can be read, and each can be planted in."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import connections, transaction

from config.embedded.cluster import Cluster
from tests.clusters import cluster_in

NAMES = {"default": "data", "keystore": "keystore"}
Content = Iterator[tuple[str, bytes]]
# The simulator's phones and the demo's letterbox stand for other people's devices.
NOT_OURS = frozenset({"simulator", "mailbox"})


@dataclass(frozen=True)
class Place:
    """Where to look, and how somebody careless would leave a value there."""

    name: str
    read: Callable[[], Content]
    plant: Callable[[str], object]


class Database:
    """One of the two databases of this test run, with its files and its log."""

    def __init__(self, folder: Path, alias: str, since: float) -> None:
        self.alias, self.since = alias, since
        self.cluster: Cluster = cluster_in(folder, NAMES[alias])
        self.log = folder / f"{NAMES[alias]}.log"
        self.name = str(connections[alias].settings_dict["NAME"])

    def places(self) -> list[Place]:
        named = [
            ("dump", self.dump, self.plant_row),
            ("table files", self.table_files, self.plant_row),
            ("write-ahead log", self.wal, self.plant_row),
            ("server log", self.server_log, self.plant_error),
        ]
        return [Place(f"{self.alias}: {name}", read, plant) for name, read, plant in named]

    def dump(self) -> Content:
        command = [
            self.cluster.program("pg_dump"),
            *("--host", str(self.cluster.sockets), "--username", "postgres", self.name),
        ]
        done = subprocess.run(
            command, cwd="/", check=True, capture_output=True, **self.cluster.user.run_options()
        )
        yield "the dump", done.stdout

    def table_files(self) -> Content:
        """This database's own files, after everything was written to them."""
        self.checkpoint()
        with self.cluster.connect(self.name) as connection:
            oid = connection.execute(
                "SELECT oid FROM pg_database WHERE datname = current_database()"
            ).fetchone()
        assert oid
        yield from _files(self.cluster.data / "base" / str(oid[0]))

    def wal(self) -> Content:
        """What was written since the test began; other workers write there, too."""
        self.checkpoint()
        for file in sorted((self.cluster.data / "pg_wal").iterdir()):
            if file.is_file() and file.stat().st_mtime >= self.since:
                yield str(file), file.read_bytes()

    def server_log(self) -> Content:
        yield str(self.log), self.log.read_bytes()

    def checkpoint(self) -> None:
        with self.cluster.connect() as connection:
            connection.execute("CHECKPOINT")

    def plant_row(self, value: str) -> None:
        with connections[self.alias].cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS canary_nest (egg text)")
            cursor.execute("INSERT INTO canary_nest VALUES (%s)", [value])

    def remove_nest(self) -> None:
        with connections[self.alias].cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS canary_nest")

    def plant_error(self, value: str) -> None:
        """A careless statement: PostgreSQL quotes what it cannot read as a number."""
        with self.cluster.connect(self.name) as connection:
            try:
                connection.execute("SELECT %s::text::int", [value])
            except psycopg.DataError:
                return
        raise AssertionError("this statement should have failed")


def broker_folder() -> Path:
    return Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["folder"]))


def addresses(name: str, urls: list[str], plant: Callable[[str], object]) -> Place:
    """Addresses that were written down while the person lived through everything."""
    return Place(name, lambda: iter([("urls", "\n".join(urls).encode())]), plant)


def other_places(log: Path) -> list[Place]:
    """Broker, cache, files and our own log."""
    return [
        Place("broker", lambda: _files(broker_folder()), plant_task),
        Place("run-time folder", run_time_files, plant_file),
        Place("application log", lambda: iter([(str(log), log.read_bytes())]), plant_log),
        Place("cache table", cache_rows, lambda value: cache.set("canary", {"egg": value})),
    ]


def plant_task(value: str) -> None:
    current_app.send_task("canary.task", args=[value])


def plant_log(value: str) -> None:
    import logging

    logging.getLogger("jawort.canary").warning(f"somebody wrote {value} into the message")


def plant_file(value: str) -> None:
    (Path(settings.JAWORT_VAR) / "egg.txt").write_text(value)


def run_time_files() -> Content:
    for folder in (settings.JAWORT_VAR, settings.JAWORT_EXPORT_DIR, settings.JAWORT_MEDIA_DIR):
        yield from _files(Path(folder))


def cache_rows() -> Content:
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute("SELECT cache_key || ' ' || value FROM cache")
        yield "the table", "\n".join(row[0] for row in cursor.fetchall()).encode()


def _files(folder: Path) -> Content:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        for name in names:
            try:
                yield str(Path(root) / name), (Path(root) / name).read_bytes()
            except FileNotFoundError:
                continue  # PostgreSQL removes files of its own at any time
