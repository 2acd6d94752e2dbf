"""A log's tree as it lies in the database: leaves, and each 256th level of subtrees above them.

Only subtrees of 256, 65,536 … leaves are stored, as C2SP tlog-tiles cuts a tree into tiles. What
lies between is hashed from at most 256 neighbours when somebody asks.
"""

from collections.abc import Sequence
from uuid import UUID

from django.db import connections

from privacy.audit import tree
from privacy.models import Log

TILE_LEVELS = 8
TILE = 1 << TILE_LEVELS


class StoredTree:
    """`Subtree` of `privacy.audit.tree` over the database; remembers the tiles it has read."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.tiles: dict[tuple[int, int], list[bytes]] = {}

    def __call__(self, level: int, pos: int) -> bytes:
        tile_level, within = divmod(level, TILE_LEVELS)
        first = pos << within
        tile = self._tile(tile_level, first // TILE)
        part = tile[first % TILE : first % TILE + (1 << within)]
        if len(part) != 1 << within:
            raise LookupError(f"{self.log.label}: the subtree {level}/{pos} is not complete.")
        return tree.fold(part)

    def _tile(self, tile_level: int, number: int) -> list[bytes]:
        known = self.tiles.get((tile_level, number))
        if known is None:
            known = self.tiles[tile_level, number] = read_row(
                self.log, tile_level * TILE_LEVELS, number * TILE, (number + 1) * TILE
            )
        return known


def size_of(log: Log) -> int:
    """How many entries have their place."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT max(idx) + 1 FROM privacy_leaf WHERE log = %s", [int(log)])
        return int(cursor.fetchone()[0] or 0)


def root_of(log: Log, size: int) -> bytes:
    return tree.root_at(size, StoredTree(log))


def place_of(log: Log, entry_id: UUID) -> tuple[int, bytes] | None:
    """Index and hash of an entry; None while it waits for its place."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT idx, leaf FROM privacy_leaf WHERE log = %s AND entry_id = %s",
            [int(log), entry_id],
        )
        row = cursor.fetchone()
    return (int(row[0]), bytes(row[1])) if row else None


def read_row(log: Log, level: int, start: int, end: int) -> list[bytes]:
    """The stored hashes of one level, in order; as many as there are without a gap."""
    if level == 0:
        sql = (
            "SELECT idx, leaf FROM privacy_leaf"
            " WHERE log = %s AND idx >= %s AND idx < %s ORDER BY idx"
        )
        params: list[int] = [int(log), start, end]
    else:
        sql = (
            "SELECT pos, hash FROM privacy_node"
            " WHERE log = %s AND pos >= %s AND pos < %s AND level = %s ORDER BY pos"
        )
        params = [int(log), start, end, level]
    with connections["default"].cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    return [bytes(row[1]) for number, row in enumerate(rows) if row[0] == start + number]


def complete_tiles(
    log: Log, old_size: int, leaves: Sequence[bytes]
) -> list[tuple[int, int, bytes]]:
    """The stored subtrees that `leaves`, appended to a tree of `old_size`, complete.

    As (level, pos, hash), lower levels first.
    """
    made: list[tuple[int, int, bytes]] = []
    level, start, new = 0, old_size, list(leaves)
    while new:
        first = start // TILE
        row = read_row(log, level, first * TILE, start) + new
        level += TILE_LEVELS
        new = [tree.fold(row[at : at + TILE]) for at in range(0, len(row) - TILE + 1, TILE)]
        made += [(level, first + number, whole) for number, whole in enumerate(new)]
        start = first
    return made
