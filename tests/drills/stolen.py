"""What a thief would have: files, dumps, logs; and an old dump beside the keys of today."""

import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.db import connections
from psycopg import sql

from messengers.models import Address
from privacy.requests.erasure import again
from privacy.vault import KeyRing, SealBroken, Where
from tests.canary.places import Database, Place, other_places
from tests.clusters import PROJECT
from tests.drills.net import Net

RESTORED = "drill_restored"
# In the write-ahead log one may lie over the edge of two pages, whose header cuts it in two.
EGGS = {"write-ahead log": 3}


@dataclass(frozen=True)
class Look:
    """One place: how much was read, what of the people was in it, whether the egg was found."""

    place: str
    size: int
    hits: tuple[str, ...]
    seconds: float


def places_of(databases: Iterable[Database], log: Path) -> list[Place]:
    return [place for one in databases for place in one.places()] + other_places(log)


def look_everywhere(places: list[Place], net: Net) -> list[Look]:
    """Look for the people; then lay an egg, and see that the same net catches it in that place."""
    return [_look(number, place, net) for number, place in enumerate(places)]


def _look(number: int, place: Place, net: Net) -> Look:
    begun, read = time.monotonic(), net.bytes
    hits = net.found_in(place.read())
    seconds, size = time.monotonic() - begun, net.bytes - read
    eggs = EGGS.get(place.name.rpartition(": ")[2], 1)
    assert any(_is_caught(place, number) for _ in range(eggs)), f"the net over {place.name} is torn"
    return Look(place.name, size, tuple(hits), seconds)


def _is_caught(place: Place, number: int) -> bool:
    egg = f"kuckuck{time.time_ns():020}{number}"
    place.plant(egg)
    return bool(Net({"egg": egg}).found_in(place.read()))


class RestoredCopy:
    """A dump of the data, made now and restored into a database beside it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.cluster, self.source = database.cluster, database.name
        with self.cluster.connect() as server:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(RESTORED)))
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(RESTORED)))
        dumped = self._run("pg_dump", "--format=custom", self.source).stdout
        self._run("pg_restore", "--exit-on-error", "--dbname", RESTORED, given=dumped)

    def readable(self, subjects: Sequence[UUID]) -> int:
        """How many of these people can be read in the copy with today's keys."""
        ring = KeyRing.load(subjects, "ops")
        with self._instead():
            rows = list(Address.objects.filter(subject__in=subjects))
        assert len({row.subject for row in rows}) == len(subjects)
        return sum(_opens(ring, row) for row in rows)

    def erase_again(self, subjects: Sequence[UUID]) -> dict[str, int]:
        """Replay the erasures on the copy; what was deleted."""
        counts: Counter[str] = Counter()
        with self._instead():
            for subject in subjects:
                counts.update(again(subject))
            assert not Address.objects.filter(subject__in=subjects).exists()
        return dict(counts)

    def drop(self) -> None:
        with self.cluster.connect() as server:
            name = sql.Identifier(RESTORED)
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    @contextmanager
    def _instead(self) -> Iterator[None]:
        """Inside, the restored copy is the database of the house."""
        connection = connections["default"]
        connection.close()
        connection.settings_dict["NAME"] = RESTORED
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"] = self.source

    def _run(self, program: str, *words: str, given: bytes = b"") -> subprocess.CompletedProcess:
        server = ("--host", str(self.cluster.sockets), "--username", "postgres")
        return subprocess.run(
            [self.cluster.program(program), *server, *words],
            cwd="/", check=True, capture_output=True, input=given,
            **self.cluster.user.run_options(),
        )  # fmt: skip


def _opens(ring: KeyRing, row: Address) -> bool:
    """Whether the key is there; a key that does not open would be another fault."""
    if not ring.has(row.subject):
        return False
    place = Where("messengers_address", "sealed", row.pk)
    try:
        return bool(ring.open(row.subject, place, bytes(row.sealed)))
    except SealBroken:
        raise AssertionError(f"a sealed value of the copy is broken, see {PROJECT}") from None
