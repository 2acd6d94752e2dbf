"""People as random numbers, each with two keys: `ops` for daily work, `evidence` for proof."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from django.db import connections
from django.utils import timezone

from privacy.ids import uuid7
from privacy.vault import store
from privacy.vault.envelope import Where
from privacy.vault.errors import VaultError
from privacy.vault.keyring import CLASSES, KeyRing, subject_key_place, wrap_new_key
from privacy.vault.wrapping import under_current

ROWS_PER_STATEMENT = 2_000
# A key without a row is young while its transaction runs; after this it has been left behind.
ORPHAN_AGE = timedelta(days=1)
# More orphans than this are no crash but a wrong DATABASE_URL: then no key may be destroyed.
ORPHANS_ALWAYS_CREDIBLE = 1_000
ORPHANS_CREDIBLE_PERCENT = 5

ADD_KEYS = """
    INSERT INTO keystore_subjectkey (subject, klass, epoch, wrapped, created_at)
    SELECT subject, klass, %s, wrapped, %s
      FROM unnest(%s::uuid[], %s::text[], %s::bytea[]) AS new (subject, klass, wrapped)
     WHERE %s = (SELECT max(number) FROM keystore_keyepoch)
    ON CONFLICT DO NOTHING"""
ADD_SUBJECTS = """
    INSERT INTO privacy_datasubject (id, status, created_at)
    SELECT id, 'active', %s FROM unnest(%s::uuid[]) AS new (id)"""
NEXT_KEYS = """
    SELECT DISTINCT subject FROM keystore_subjectkey
     WHERE created_at < %s AND subject > %s ORDER BY subject LIMIT %s"""
KNOWN_SUBJECTS = "SELECT id FROM privacy_datasubject WHERE id = ANY(%s)"


class TooManyOrphans(VaultError):
    """So many keys have no person that this must be the wrong database."""


def new_subject() -> UUID:
    """One new person: keys committed first, then the row in the caller's transaction."""
    return new_subjects(1)[0]


def new_subjects(count: int) -> list[UUID]:
    """`count` new people. If the caller's transaction fails, their keys stay behind as orphans."""
    subjects = [uuid7() for _ in range(count)]
    now = timezone.now()
    for some in _chunks(subjects):
        _add_keys(some, now)
    for some in _chunks(subjects):
        with connections["default"].cursor() as cursor:
            cursor.execute(ADD_SUBJECTS, [now, some])
    return subjects


def seal(subject: UUID, klass: str, where: Where, plaintext: bytes) -> bytes:
    """Seal one value; for many people at once use a `KeyRing`."""
    return KeyRing.load([subject], klass).seal(subject, where, plaintext)


def open_sealed(subject: UUID, klass: str, where: Where, sealed: bytes) -> bytes:
    """Open one value; raises `KeyDestroyed`, `SealBroken` or `KeystoreDown`."""
    return KeyRing.load([subject], klass).open(subject, where, sealed)


def shred(subject: UUID, klass: str) -> bool:
    """Destroy one key of a person, and with it all that it sealed. Whether there was one."""
    if klass not in CLASSES:
        raise ValueError(f"a key class is one of {', '.join(CLASSES)}.")
    sql = "DELETE FROM keystore_subjectkey WHERE subject = %s AND klass = %s"
    return store.write(sql, [subject, klass]) > 0


def shred_all(subject: UUID) -> int:
    """Destroy every key of a person; how many there were. May run twice."""
    return store.write("DELETE FROM keystore_subjectkey WHERE subject = %s", [subject])


def shred_orphans(now: datetime) -> int:
    """Destroy the keys of people who never came to be; how many keys.

    Raises `TooManyOrphans`, and destroys nothing, if this looks like the wrong database.
    """
    total = orphans = 0
    found: list[UUID] = []
    for some in _key_pages(now - ORPHAN_AGE):
        missing = set(some) - _known(some)
        total, orphans = total + len(some), orphans + len(missing)
        found.extend(missing)
    credible = max(ORPHANS_ALWAYS_CREDIBLE, total * ORPHANS_CREDIBLE_PERCENT // 100)
    if orphans and (orphans > credible or orphans == total):
        raise TooManyOrphans(
            f"{orphans} of {total} keys belong to nobody: do DATABASE_URL and KEYSTORE_URL belong"
            " together? No key was destroyed."
        )
    return sum(
        store.write("DELETE FROM keystore_subjectkey WHERE subject = ANY(%s)", [some])
        for some in _chunks(found)
    )


def _add_keys(subjects: list[UUID], now: datetime) -> None:
    pairs = [(subject, klass) for subject in subjects for klass in CLASSES]
    owners, classes = [subject for subject, _ in pairs], [klass for _, klass in pairs]

    def add(epoch: int) -> int:
        wrapped = [wrap_new_key(one.bytes, subject_key_place(one, k), epoch) for one, k in pairs]
        return store.write(ADD_KEYS, [epoch, now, owners, classes, wrapped, epoch])

    under_current(add)


def _key_pages(before: datetime) -> Iterator[list[UUID]]:
    last = UUID(int=0)
    while page := [row[0] for row in store.read(NEXT_KEYS, [before, last, ROWS_PER_STATEMENT])]:
        yield page
        last = page[-1]


def _known(subjects: list[UUID]) -> set[UUID]:
    with connections["default"].cursor() as cursor:
        cursor.execute(KNOWN_SUBJECTS, [subjects])
        return {row[0] for row in cursor.fetchall()}


def _chunks(items: list[UUID]) -> Iterator[list[UUID]]:
    rest = iter(items)
    while some := list(islice(rest, ROWS_PER_STATEMENT)):
        yield some
