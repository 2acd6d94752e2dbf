"""The order in which things were committed, as PostgreSQL's own write-ahead log has it.

No clock and no code of ours decides what came first: the server decodes its log (`pgoutput`, the
plugin of its own replication) and hands out whole transactions in the order of their commits.
https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

SLOT = "history"
WATCH = (
    "CREATE PUBLICATION changes FOR TABLE messengers_gate (id, is_open),"
    " messengers_batch (id, dispatch_id, on_wire), messengers_dispatch (id, status)",
    "CREATE PUBLICATION recipients FOR TABLE"
    " messengers_delivery (dispatch_id, id, batch_id, position, gate)"
    " WITH (publish = 'insert', publish_via_partition_root = true)",
    f"SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')",
)
FORGET = (
    f"SELECT pg_drop_replication_slot('{SLOT}')",
    "DROP PUBLICATION changes, recipients",
)
READ = f"""
    SELECT data FROM pg_logical_slot_get_binary_changes('{SLOT}', NULL, NULL,
        'proto_version', '1', 'publication_names', 'changes,recipients')"""

Values = dict[str, str | None]


@dataclass(slots=True)
class Commit:
    """One transaction: its place in the order, and (table, row as it then was)."""

    number: int
    changes: list[tuple[str, Values]] = field(default_factory=list)


@contextmanager
def watched(superuser: psycopg.Connection) -> Iterator[None]:
    """Remember what is committed from now on; what was committed before is not told."""
    for statement in WATCH:
        superuser.execute(statement)
    try:
        yield
    finally:
        for statement in FORGET:
            superuser.execute(statement)


def commits(superuser: psycopg.Connection) -> Iterator[Commit]:
    """All transactions since `watched` that changed one of its tables, in the order of commits."""
    tables: dict[int, tuple[str, list[str]]] = {}
    current = Commit(0)
    number = 0
    for (data,) in superuser.execute(READ):
        match data[:1]:
            case b"B":
                number += 1
                current = Commit(number)
            case b"R":
                oid, name, columns = _relation(data)
                tables[oid] = (name, columns)
            case b"I" | b"U":
                name, columns = tables[struct.unpack_from("!I", data, 1)[0]]
                current.changes.append((name, dict(zip(columns, _row(data), strict=True))))
            case b"C" if current.changes:
                yield current


def _relation(data: bytes) -> tuple[int, str, list[str]]:
    """Message R: oid, schema, name, replica identity, then flags, name, type, modifier each."""
    oid = struct.unpack_from("!I", data, 1)[0]
    _schema, at = _text(data, 5)
    name, at = _text(data, at)
    (number,) = struct.unpack_from("!H", data, at + 1)
    at += 3
    columns = []
    for _ in range(number):
        column, at = _text(data, at + 1)
        columns.append(column)
        at += 8
    return oid, name, columns


def _row(data: bytes) -> list[str | None]:
    """The new row of an insert or update; the old one, where it is told, is passed over."""
    at = 5
    if data[at : at + 1] in (b"K", b"O"):
        _old, at = _tuple(data, at + 1)
    row, _end = _tuple(data, at + 1)
    return row


def _tuple(data: bytes, at: int) -> tuple[list[str | None], int]:
    (number,) = struct.unpack_from("!H", data, at)
    at += 2
    values: list[str | None] = []
    for _ in range(number):
        kind = data[at : at + 1]
        at += 1
        if kind == b"t":
            (size,) = struct.unpack_from("!I", data, at)
            values.append(data[at + 4 : at + 4 + size].decode())
            at += 4 + size
        else:  # null, or a large value that did not change
            values.append(None)
    return values, at


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1
