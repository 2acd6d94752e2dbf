"""Giving each entry its place in its log: afterwards, in order, without a gap.

Writers only insert. One leader numbers what can no longer change: every row whose transaction is
older than the oldest that still runs (`xid < pg_snapshot_xmin(pg_current_snapshot())`). A rollback
leaves no gap: numbers are given to committed rows alone, and nothing older can appear later.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections, transaction

from privacy.audit.errors import NeedsRebase
from privacy.audit.logs import SOURCES, Source
from privacy.audit.nodes import complete_tiles, size_of
from privacy.durable import durably
from privacy.models import Log

# One transaction numbers so many entries, so that none of them is long.
BATCH = 20_000
# Any number that no other advisory lock of ours uses; the log's number is added.
LOCK = 0x6C656467_6572_00

PENDING = """
SELECT e.id, e.leaf FROM {table} e
WHERE (e.xid, e.id) > (%s::text::xid8, %s::uuid)
    AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
    AND NOT EXISTS (SELECT 1 FROM privacy_leaf l WHERE l.log = %s AND l.entry_id = e.id)
ORDER BY e.xid, e.id LIMIT %s
"""
LAST = """
SELECT e.xid::text, e.id FROM privacy_leaf l JOIN {table} e ON e.id = l.entry_id
WHERE l.log = %s AND l.idx = %s
"""
REBASED = "SELECT from_xid::text, size FROM privacy_rebase WHERE log = %s ORDER BY id DESC LIMIT 1"
# A transaction that this cluster has not yet begun wrote the last numbered entry, or any entry.
IS_FROM_ANOTHER_CLUSTER = """
SELECT %s::text::xid8 >= pg_snapshot_xmax(pg_current_snapshot()) OR (
    NOT EXISTS (SELECT 1 FROM privacy_rebase WHERE log = %s) AND EXISTS (
        SELECT 1 FROM {table}
        WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())
            AND xid IS DISTINCT FROM pg_current_xact_id_if_assigned()))
"""
LAG = """
SELECT count(*), min(at) FROM {table} e
WHERE (e.xid, e.id) > (%s::text::xid8, %s::uuid)
    AND NOT EXISTS (SELECT 1 FROM privacy_leaf l WHERE l.log = %s AND l.entry_id = e.id)
"""
NOTHING = ("0", UUID(int=0))


def sequence(now: datetime | None = None, *, batch: int = BATCH) -> dict[Log, int]:
    """Give places to all entries that are ready; how many, by log. Harmless to run twice at once.

    `now` is not needed: the database's own transactions are the clock.
    """
    return {log: _sequence_one(SOURCES[log], batch) for log in Log}


def _sequence_one(source: Source, batch: int) -> int:
    total = 0
    while appended := _append(source, batch):
        total += appended
        if appended < batch:
            break
    return total


def _append(source: Source, batch: int) -> int:
    """One transaction: the next entries, their places, the subtrees they complete."""
    with transaction.atomic(using="default"):
        if not _is_leader(source.log):
            return 0
        size = size_of(source.log)
        rows = _pending(source, size, batch)
        if rows:
            durably()  # whoever signs this size must never see fewer entries afterwards
        append_rows(source.log, size, rows)
        return len(rows)


def append_rows(log: Log, size: int, rows: Sequence[tuple[UUID, bytes]]) -> None:
    """Write the leaves from `size` on, and whatever subtrees they complete, by COPY."""
    if not rows:
        return
    leaves = [
        (int(log), size + number, entry_id, bytes(leaf))
        for number, (entry_id, leaf) in enumerate(rows)
    ]
    nodes = complete_tiles(log, size, [leaf for *_, leaf in leaves])
    _copy("privacy_leaf (log, idx, entry_id, leaf)", "int2 int8 uuid bytea", leaves)
    _copy(
        "privacy_node (log, level, pos, hash)",
        "int2 int2 int8 bytea",
        [(int(log), *node) for node in nodes],
    )


def _copy(target: str, types: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    sql = f"COPY {target} FROM STDIN (FORMAT BINARY)"
    with connections["default"].cursor() as cursor, cursor.copy(sql) as copy:
        copy.set_types(types.split())
        for row in rows:
            copy.write_row(row)


def _is_leader(log: Log) -> bool:
    """Whether this transaction may append; the lock ends with it."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK + int(log)])
        return bool(cursor.fetchone()[0])


def _pending(source: Source, size: int, batch: int) -> list[tuple[UUID, bytes]]:
    xid, last = watermark(source, size)
    rows = _rows(PENDING.format(table=source.table), [xid, last, int(source.log), batch])
    if not rows and is_from_another_cluster(source):
        raise NeedsRebase(
            f"{source.log.label}: entries were written by transactions of another cluster."
            " Run manage.py audit_rebase once after restoring a dump."
        )
    return rows


def watermark(source: Source, size: int) -> tuple[str, UUID]:
    """Transaction and id of the last entry that has its place: everything up to it has one."""
    rebased = _rows(REBASED, [int(source.log)])
    if rebased and size <= rebased[0][1]:
        return rebased[0][0], UUID(int=0)
    found = _rows(LAST.format(table=source.table), [int(source.log), size - 1]) if size else []
    return found[0] if found else NOTHING


def is_from_another_cluster(source: Source) -> bool:
    """Whether the rows came out of a dump, so that their transactions' numbers mean nothing here.

    Numbers below ours are no trouble: they stand in the past, where they belong.
    """
    xid, _ = watermark(source, size_of(source.log))
    sql = IS_FROM_ANOTHER_CLUSTER.format(table=source.table)
    return bool(_rows(sql, [xid, int(source.log)])[0][0])


def lag(log: Log) -> tuple[int, datetime | None]:
    """How many entries wait for their place, and since when the oldest does."""
    source = SOURCES[log]
    xid, last = watermark(source, size_of(log))
    waiting, oldest = _rows(LAG.format(table=source.table), [xid, last, int(log)])[0]
    return waiting, oldest


def _rows(sql: str, params: list[Any]) -> list[Any]:
    with connections["default"].cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())
