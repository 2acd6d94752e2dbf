"""Who was erased, as random numbers, in the database that an older copy of the data cannot undo."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from privacy.vault import store
from privacy.vault.subjects import shred, shred_all

PAGE = 2_000
ADD = """INSERT INTO keystore_tombstone AS known (subject, erased_at, evidence, suppressed)
    VALUES (%s, %s, %s, %s::jsonb)
    ON CONFLICT (subject) DO UPDATE SET evidence = known.evidence OR excluded.evidence,
       suppressed = CASE WHEN excluded.suppressed = '[]' THEN known.suppressed
                         ELSE excluded.suppressed END"""
NEXT = """SELECT subject, erased_at, evidence, suppressed FROM keystore_tombstone
    WHERE subject > %s ORDER BY subject LIMIT %s"""
COUNT = "SELECT count(*) FROM keystore_tombstone"


class Stone(NamedTuple):
    """`suppressed`: what the erasure put on the suppression list, as (kind, fingerprint)."""

    subject: UUID
    erased_at: datetime
    evidence: bool
    suppressed: list[tuple[str, bytes]]


def tombstone(
    subject: UUID,
    at: datetime,
    *,
    evidence: bool = False,
    suppressed: Iterable[tuple[str, bytes]] = (),
) -> None:
    """Remember that `subject` was erased; committed at once. May run twice.

    `evidence`: the key of the proof was destroyed as well, not only that of daily work.
    """
    prints = [[kind, fingerprint.hex()] for kind, fingerprint in suppressed]
    store.write(ADD, [subject, at, evidence, json.dumps(prints)])


def tombstones() -> Iterator[Stone]:
    """Everybody who was erased."""
    last = UUID(int=0)
    while page := store.read(NEXT, [last, PAGE]):
        for subject, at, evidence, prints in page:
            yield Stone(subject, at, evidence, _prints(prints))
        last = page[-1][0]


def count_tombstones() -> int:
    return int(store.read(COUNT, [])[0][0])


def shred_again(subject: UUID, *, evidence: bool) -> int:
    """Destroy what an older keystore has brought back of somebody erased; how many keys."""
    return shred_all(subject) if evidence else int(shred(subject, "ops"))


def _prints(stored: Any) -> list[tuple[str, bytes]]:
    rows = json.loads(stored) if isinstance(stored, str) else stored
    return [(kind, bytes.fromhex(fingerprint)) for kind, fingerprint in rows]
