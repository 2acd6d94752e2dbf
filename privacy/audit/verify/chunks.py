"""Checking one aligned piece of a log: 65,536 places, on its own, by whichever process is free."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.types.string import ByteaBinaryLoader

from privacy.audit import tree
from privacy.audit.logs import SOURCES, Source
from privacy.audit.nodes import TILE
from privacy.audit.note import Note, Verifier
from privacy.audit.verify.entries import COLUMNS, Reader, expressions_of
from privacy.models import Log

CHUNK_LEVEL = 16
CHUNK = 1 << CHUNK_LEVEL
NAMED_AT_MOST = 20  # findings of one piece that are told; all are counted

# A thousand places in one row of arrays: a row for each would cost more than checking it.
TOGETHER = 1024
PLACED = """
COPY (SELECT {arrays} FROM (
        SELECT l.idx, l.leaf, l.entry_id FROM privacy_leaf l
        WHERE l.log = {log} AND l.idx >= {start} AND l.idx < {end} ORDER BY l.idx) l
    LEFT JOIN {table} e ON e.id = l.entry_id
    GROUP BY l.idx / {together} ORDER BY l.idx / {together})
TO STDOUT (FORMAT BINARY)
"""
PLACE = ("l.idx", "l.leaf", "l.entry_id::text")
# Texts and times stay the bytes that they are: they are compared with bytes.
AS_BYTES = ("text", "varchar", "timestamptz")
TILES = (
    "SELECT pos, hash FROM privacy_node"
    " WHERE log = %s AND level = 8 AND pos >= %s AND pos < %s ORDER BY pos"
)
CHECKPOINTS = (
    "SELECT id, size, root, note FROM privacy_checkpoint"
    " WHERE log = %s AND size > %s AND size <= %s ORDER BY size, id"
)
# The join goes entry by entry in the order of the places; other plans would read the whole table.
# A piece is sorted in memory: spilled to the disk, ten million entries take twice the time.
PLANNED = {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "work_mem": "'128MB'",
}
PLAN = "; ".join(f"SET {name} = {value}" for name, value in PLANNED.items())
PLAN_BACK = "; ".join(f"RESET {name}" for name in PLANNED)


class Piece(NamedTuple):
    """What is to be checked, and by which keys."""

    log: int
    start: int
    end: int
    keys: tuple[str, ...]


class Claim(NamedTuple):
    """A checkpoint in this piece: its root, and the subtrees of the piece in front of its size."""

    id: str
    size: int
    root: bytes
    parts: list[tuple[int, bytes]]


@dataclass
class Checked:
    """What was found in a piece. `whole` is its hash, if it is complete."""

    piece: Piece
    count: int = 0
    pruned: int = 0
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    more: int = 0  # changed ones that are not named
    whole: bytes = b""
    parts: list[tuple[int, bytes]] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def is_changed(self, text: str) -> None:
        if len(self.changed) < NAMED_AT_MOST:
            self.changed.append(text)
        else:
            self.more += 1


def check_piece(cursor: psycopg.Cursor[Any], piece: Piece) -> Checked:
    """Read the piece once: bytes, hashes, columns, stored subtrees, checkpoints' signatures."""
    source, done = SOURCES[Log(piece.log)], Checked(piece)
    leaves = _check_rows(cursor, source, done)
    done.count = len(leaves)
    levels = [leaves]
    while len(levels[-1]) > 1:
        levels.append(tree.next_level(levels[-1]))
    _check_tiles(cursor, done, levels[8] if len(levels) > 8 else [])
    if len(leaves) == CHUNK:
        done.whole = levels[CHUNK_LEVEL][0]
    done.parts = parts_of(levels, len(leaves))
    _read_claims(cursor, done, levels)
    return done


def _check_rows(cursor: psycopg.Cursor[Any], source: Source, done: Checked) -> list[bytes]:
    """The hashes in the order of their places."""
    piece, wrong_with = done.piece, Reader(source).wrong
    leaves: list[bytes] = []
    expected = piece.start
    for index, leaf, entry_id, *row in _rows(cursor, source, piece):
        if index != expected:
            done.missing.append(f"{source.path} {expected}: the places up to {index} are gone")
        elif len(leaves) == index - piece.start:  # behind a gap there is no tree
            leaves.append(leaf)
        expected = index + 1
        if row[0] is None:
            done.missing.append(f"{source.path} {index}: entry {entry_id.decode()} is gone")
            continue
        wrong = wrong_with(*row)
        if not wrong and row[1] != leaf:
            wrong = "another hash than at its place"
        if wrong:
            done.is_changed(f"{source.path} {index}: {entry_id.decode()}: {wrong}")
        elif not row[2]:
            done.pruned += 1
    return leaves


def _rows(cursor: psycopg.Cursor[Any], source: Source, piece: Piece) -> Iterator[Any]:
    """Place, hash, entry's id and the columns that a `Reader` wants, in the order of the places."""
    columns = (*PLACE, *expressions_of(source))
    statement = sql.SQL(PLACED).format(
        arrays=sql.SQL(", ".join(f"array_agg({column})" for column in columns)),
        table=sql.Identifier(source.table),
        log=piece.log,
        start=piece.start,
        end=piece.end,
        together=TOGETHER,
    )
    types = ["int8[]", "bytea[]", "text[]", "text[]", "bytea[]", "bytea[]", "timestamptz[]"]
    for name in AS_BYTES:
        cursor.adapters.register_loader(name, ByteaBinaryLoader)
    cursor.execute(PLAN)
    with cursor.copy(statement) as copy:
        copy.set_types(types + ["text[]"] * len(COLUMNS[source.log]))
        for arrays in copy.rows():
            yield from zip(*arrays, strict=True)
    cursor.execute(PLAN_BACK)


def _check_tiles(cursor: psycopg.Cursor[Any], done: Checked, made: Sequence[bytes]) -> None:
    """The stored hashes of each 256 leaves; a wrong one says where leaves were changed to fit."""
    piece = done.piece
    first = piece.start // TILE
    cursor.execute(TILES, [piece.log, first, -(-piece.end // TILE)])
    stored = {int(pos): bytes(whole) for pos, whole in cursor.fetchall()}
    name = SOURCES[Log(piece.log)].path
    for number, whole in enumerate(made):
        if stored.get(first + number) != whole:
            start = (first + number) * TILE
            done.is_changed(f"{name} {start} to {start + TILE - 1}: other hashes than when placed")


def parts_of(levels: Sequence[Sequence[bytes]], count: int) -> list[tuple[int, bytes]]:
    """The complete subtrees of the first `count` leaves of a piece, from left to right."""
    return [(level, levels[level][pos]) for level, pos in tree.peaks(0, count)]


def _read_claims(
    cursor: psycopg.Cursor[Any], done: Checked, levels: Sequence[Sequence[bytes]]
) -> None:
    piece = done.piece
    keys = [Verifier.parse(key) for key in piece.keys]
    name = SOURCES[Log(piece.log)].path
    cursor.execute(CHECKPOINTS, [piece.log, piece.start, piece.end])
    for ident, size, root, note in cursor.fetchall():
        if keys and not _is_signed(note, name, size, bytes(root), keys):
            done.is_changed(f"{name}: the checkpoint of {size} entries has no valid signature")
        if size - piece.start <= len(levels[0]):
            parts = parts_of(levels, size - piece.start)
            done.claims.append(Claim(str(ident), size, bytes(root), parts))


def _is_signed(note: str, name: str, size: int, root: bytes, keys: list[Verifier]) -> bool:
    """Whether a believed key signed just this size and root for this log."""
    from privacy.audit.note import Head

    try:
        read = Note.parse(note)
        head = Head.parse(read.text)
    except ValueError:
        return False
    fits = (head.size, head.root) == (size, root) and head.origin.endswith(f"/{name}")
    return fits and any(read.signed_by(key) for key in keys)
