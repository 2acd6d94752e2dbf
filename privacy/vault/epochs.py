"""Key epochs: begin a new one, wrap every key anew under it, retire and destroy the old one.

Runs beside everything else: a row is replaced only if it still is what was read, so a key that was
destroyed meanwhile stays destroyed, and two rotations at once do each other no harm. Killed at any
moment, the next run goes on with the rows that are left.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from privacy.access import Actor
from privacy.audit import record
from privacy.vault import inbox, keyfile, resealing, store, system, wrapping
from privacy.vault.envelope import Where
from privacy.vault.errors import EpochInUse, SealBroken
from privacy.vault.keyring import subject_key_place, unwrapped_bytes, wrap_key

log = structlog.get_logger("jawort.keys")

ROWS_PER_STATEMENT = 1_000
Progress = Callable[[int], object]
Stop = Callable[[], bool]

RETIRE = """UPDATE keystore_keyepoch SET retired_at = %s
     WHERE number = %s AND retired_at IS NULL"""
LEFT_BEHIND = """SELECT number FROM keystore_keyepoch WHERE retired_at IS NULL
       AND number < (SELECT max(number) FROM keystore_keyepoch) ORDER BY number"""
DUE = """SELECT number FROM keystore_keyepoch
     WHERE retired_at <= %s AND destroyed_at IS NULL ORDER BY number"""
DESTROYED = "UPDATE keystore_keyepoch SET destroyed_at = %s WHERE number = %s"
DEAD = "SELECT number FROM keystore_keyepoch WHERE destroyed_at IS NOT NULL"
SYSTEM_KEY_IS_OLDER = """SELECT max(s.number) FROM keystore_systemkey s
    HAVING max(s.created_at) < (SELECT max(created_at) FROM keystore_keyepoch)"""
SUCCEEDED = """FROM keystore_systemkey old WHERE EXISTS
    (SELECT FROM keystore_systemkey next
      WHERE next.number > old.number AND next.created_at <= %s)"""


@dataclass(frozen=True)
class Table:
    """A table of wrapped keys: its primary key, what else to read, and what a row is bound to."""

    name: str
    key: str
    type: str
    first: Any
    columns: str
    bound: Callable[..., tuple[bytes, Where]]

    def count(self, where: str, epoch: int) -> int:
        sql = f"SELECT count(*) FROM {self.name} WHERE epoch {where} %s"
        return int(store.read(sql, [epoch])[0][0])

    def page(self, last: Any, epoch: int) -> list[tuple[Any, ...]]:
        sql = f"""SELECT {self.key}, wrapped, {self.columns} FROM {self.name}
             WHERE {self.key} > %s AND epoch < %s ORDER BY {self.key} LIMIT %s"""
        return store.read(sql, [last, epoch, ROWS_PER_STATEMENT])

    def replace(self, epoch: int, fresh: list[tuple[Any, bytes, bytes]]) -> int:
        """Of (key, old, new): those that still are what was read."""
        sql = f"""UPDATE {self.name} AS one SET wrapped = fresh.new, epoch = %s
              FROM unnest(%s::{self.type}[], %s::bytea[], %s::bytea[]) AS fresh (key, old, new)
             WHERE one.{self.key} = fresh.key AND one.wrapped = fresh.old"""
        return store.write(sql, [epoch, *(list(part) for part in zip(*fresh, strict=True))])


TABLES = (
    Table(
        "keystore_subjectkey",
        *("id", "bigint", 0, "subject, klass"),
        lambda _id, subject, klass: (subject.bytes, subject_key_place(subject, klass)),
    ),
    Table(
        "keystore_inboxkey",
        *("day", "date", date.min, "epoch"),
        lambda day, _epoch: (inbox.owner_of(day), inbox.place_of(day)),
    ),
    Table(
        "keystore_systemkey",
        *("number", "smallint", 0, "epoch"),
        lambda number, _epoch: (b"", system.place_of(number)),
    ),
)


def current_epoch() -> int:
    """The number of the epoch that wraps new keys."""
    return wrapping.refresh()


def new_epoch(actor: Actor) -> int:
    """Begin an epoch; its line is on the disk before anybody uses it. Raises `NoEpochs`.

    Other processes notice it by themselves; other hosts need the file (docs/keys.md).
    """
    wrapping.refresh()
    with wrapping.one_at_a_time() as cursor:
        number = wrapping.refresh() + 1
        keyfile.add(number)
        cursor.execute(wrapping.BEGIN, [number, timezone.now(), wrapping.proof_of(number)])
    wrapping.forget()
    _note("keys.epoch_begun", actor, number)
    return number


def prepare_epoch() -> int:
    """Write the line of the next epoch without using it yet, so that it can be copied to hosts."""
    number = wrapping.refresh() + 1
    keyfile.add(number)
    return number


def rewrap(progress: Progress | None = None, stop: Stop | None = None) -> int:
    """Wrap every key anew that is not under the newest epoch, and seal the house's secrets anew.

    Returns how many rows it changed. `progress` is told each step, `stop` asked between steps.
    What does not open under its own epoch stays as it is and is counted by `rows_on_old_keys`.
    """
    tell, is_over = progress or _ignore, stop or _never
    epoch = wrapping.refresh()
    done = sum(_rewrap(table, epoch, tell, is_over) for table in TABLES)
    if is_over():
        return done
    number = system.newest_system_key()
    if store.read(SYSTEM_KEY_IS_OLDER, []):
        system.add_system_key(after=number)
        number = system.newest_system_key()
    return done + resealing.reseal(number, tell, is_over)


def keys_on_old_epochs() -> int:
    """How many keys are not wrapped under the newest epoch."""
    epoch = wrapping.refresh()
    return sum(table.count("<", epoch) for table in TABLES)


def rows_on_old_keys() -> int:
    """Keys under an old epoch, and secrets of the house under an old key. 0 after a rotation."""
    return keys_on_old_epochs() + resealing.outdated(system.newest_system_key())


def retire(epoch: int) -> None:
    """No key is wrapped under `epoch` any more; its line goes when its term is over.

    Raises `EpochInUse`, also for the newest epoch. May run twice.
    """
    if epoch >= wrapping.refresh() or any(table.count("=", epoch) for table in TABLES):
        raise EpochInUse(
            f"keys are still wrapped under epoch {epoch}: run `manage.py rotate_keys`."
        )
    if store.write(RETIRE, [timezone.now(), epoch]):
        _note("keys.epoch_retired", Actor.system("rotate_keys"), epoch)


def retire_left_behind() -> list[int]:
    """Retire every epoch that nothing uses any more; which ones."""
    retired = []
    for (number,) in store.read(LEFT_BEHIND, []):
        try:
            retire(number)
            retired.append(number)
        except EpochInUse:
            log.warning("epoch_in_use", epoch=number)
    return retired


def destroy_due(now: datetime) -> list[int]:
    """Destroy the lines of epochs whose term is over, and old keys of the house; which epochs.

    The term is that of the keystore's copies: a copy of today must open as long as it is kept. May
    run twice. The first epoch of an old installation has no line: its keys came from the root.
    """
    term = timedelta(days=settings.JAWORT_KEYSTORE_BACKUP_DAYS)
    destroyed = []
    for (number,) in store.read(DUE, [now - term]):
        if wrapping.is_derived(number) or any(table.count("=", number) for table in TABLES):
            continue
        keyfile.remove(number)
        store.write(DESTROYED, [now, number])
        _note("keys.epoch_destroyed", Actor.system("rotate_keys"), number)
        destroyed.append(number)
    for number in {row[0] for row in store.read(DEAD, [])} & keyfile.halves().keys():
        keyfile.remove(number)  # on a further host that has a file of its own
    if destroyed:
        wrapping.forget()
    _destroy_system_keys(now)
    return destroyed


def _destroy_system_keys(now: datetime) -> None:
    """Keys of the house that sealed nothing in any copy of the data that is still kept."""
    before = now - timedelta(days=settings.JAWORT_DATA_BACKUP_DAYS)
    is_due = store.read(f"SELECT 1 {SUCCEEDED} LIMIT 1", [before])
    if is_due and resealing.outdated(system.newest_system_key()) == 0:
        store.write(f"DELETE {SUCCEEDED}", [before])


def _rewrap(table: Table, epoch: int, tell: Progress, is_over: Stop) -> int:
    last, done = table.first, 0
    while not is_over() and (rows := table.page(last, epoch)):
        last = rows[-1][0]
        if fresh := list(filter(None, map(partial(_fresh, table, epoch), rows))):
            done += table.replace(epoch, fresh)
        tell(len(rows))
    return done


def _fresh(table: Table, epoch: int, row: tuple[Any, ...]) -> tuple[Any, bytes, bytes] | None:
    """The key of a row with what it was wrapped as and what it is to be."""
    key, wrapped, *rest = row
    owner, place = table.bound(key, *rest)
    try:
        bare = unwrapped_bytes(owner, place, bytes(wrapped))
    except SealBroken:
        log.error("key_does_not_open", table=table.name)
        return None
    return key, bytes(wrapped), wrap_key(bare, owner, place, epoch)


@transaction.atomic
def _note(action: str, actor: Actor, number: int) -> None:
    record(action, actor=actor, obj="keys", ref="", facts={"epoch": number})


def _ignore(_rows: int) -> None:
    return


def _never() -> bool:
    return False
