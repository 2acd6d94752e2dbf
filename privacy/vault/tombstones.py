"""Who was erased, as random numbers, in the database that an older copy of the data cannot undo."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from privacy.vault import store
from privacy.vault.subjects import shred, shred_all

PAGE = 2_000
ADD = """INSERT INTO keystore_tombstone AS known (subject, erased_at, evidence) VALUES (%s, %s, %s)
    ON CONFLICT (subject) DO UPDATE SET evidence = known.evidence OR excluded.evidence"""
NEXT = """SELECT subject, evidence FROM keystore_tombstone WHERE subject > %s
    ORDER BY subject LIMIT %s"""
COUNT = "SELECT count(*) FROM keystore_tombstone"


def tombstone(subject: UUID, at: datetime, *, evidence: bool = False) -> None:
    """Remember that `subject` was erased; committed at once. May run twice.

    `evidence`: the key of the proof was destroyed as well, not only that of daily work.
    """
    store.write(ADD, [subject, at, evidence])


def tombstones() -> Iterator[tuple[UUID, bool]]:
    """Everybody who was erased, and whether their proof went too."""
    last = UUID(int=0)
    while page := store.read(NEXT, [last, PAGE]):
        yield from page
        last = page[-1][0]


def count_tombstones() -> int:
    return int(store.read(COUNT, [])[0][0])


def shred_again(subject: UUID, evidence: bool) -> int:
    """Destroy what an older keystore has brought back of somebody erased; how many keys."""
    return shred_all(subject) if evidence else int(shred(subject, "ops"))
