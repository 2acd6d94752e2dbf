"""What only the whole log can tell: roots, the end, entries that have no place."""

from typing import Any

from django.db import connections
from psycopg import sql

from privacy.audit import tree
from privacy.audit.keys import log_keys
from privacy.audit.logs import SOURCES
from privacy.audit.nodes import TILE_LEVELS, StoredTree, read_row
from privacy.audit.sequencer import watermark
from privacy.audit.verify.chunks import CHUNK, CHUNK_LEVEL, Checked, Claim
from privacy.audit.verify.entries import Reader, columns_of
from privacy.audit.verify.pieces import check_all, cut
from privacy.audit.verify.result import Progress, VerifyResult
from privacy.models import Checkpoint, Log, Rebase

LOOSE = """
COPY (SELECT {columns} FROM {table} e
    WHERE (e.xid, e.id) > ({xid}::text::xid8, {last}::uuid)
        AND NOT EXISTS (SELECT 1 FROM privacy_leaf l WHERE l.log = {log} AND l.entry_id = e.id))
TO STDOUT (FORMAT BINARY)
"""
BEHIND = "SELECT count(*) FROM {table} e WHERE (e.xid, e.id) <= (%s::text::xid8, %s::uuid)"
# Rows whose turn has come and gone. After a rebase, old rows may bear numbers of the future.
SMUGGLED = """
SELECT e.id FROM {table} e
WHERE ((e.xid, e.id) <= (%s::text::xid8, %s::uuid) OR e.at < %s)
    AND NOT EXISTS (SELECT 1 FROM privacy_leaf l WHERE l.log = %s AND l.entry_id = e.id)
ORDER BY e.id LIMIT 1000
"""


class Reading:
    """One log being read: `frontier` is the tree over what has been read."""

    def __init__(self, log: Log, result: VerifyResult, progress: Progress, size: int) -> None:
        self.log, self.result, self.progress, self.size = log, result, progress, size
        self.source = SOURCES[log]
        self.name = self.source.path
        self.stored = StoredTree(log)
        self.frontier = tree.Frontier()
        self.wholes: list[bytes] = []
        self.misfit = False  # a checkpoint has not fitted: all later ones do not either
        self.missing_before = result.missing

    def read(self, since: int, processes: int | None) -> None:
        keys = tuple(str(key) for key in log_keys(self.log))
        if not keys and Checkpoint.objects.filter(log=self.log).exists():
            self.result.warnings.append(f"{self.name}: no key is known to check signatures with")
        pieces = cut(self.log, since, self.size, keys)
        if pieces and pieces[0].start:
            self._begin_at(pieces[0].start)
        for done in check_all(pieces, processes):
            self._take(done)
        self._check_upper_levels(pieces[0].start if pieces else 0)
        self._check_end()
        self._check_loose()
        self._check_smuggled()

    def _begin_at(self, start: int) -> None:
        """Believe the stored subtrees before `start`, if a signed checkpoint behind them fits."""
        parts = tree.peaks(0, start)
        self.frontier = tree.Frontier(start, [self.stored(level, pos) for level, pos in parts])

    def _take(self, done: Checked) -> None:
        result = self.result
        result.entries += done.count
        result.placed += done.count
        result.pruned += done.pruned
        for text in done.changed:
            result.is_changed(text)
        result.changed += done.more
        for text in done.missing:
            result.is_missing(text)
        for claim in done.claims:
            self._check_claim(claim)
        if done.whole and self.frontier.size % CHUNK == 0:
            self.frontier.append_subtree(CHUNK_LEVEL, done.whole)
            self.wholes.append(done.whole)
        else:
            for level, whole in done.parts:
                self.frontier.append_subtree(level, whole)
        self.progress(done.count)

    def _check_claim(self, claim: Claim) -> None:
        self.result.checkpoints += 1
        if self.misfit:
            return
        front = tree.Frontier(self.frontier.size, self.frontier.hashes)
        for level, whole in claim.parts:
            front.append_subtree(level, whole)
        if (front.size, front.root()) != (claim.size, claim.root):
            self.misfit = True
            self.result.is_changed(
                f"{self.name}: the first {claim.size} entries are not those that were signed"
                f" (checkpoint {claim.id}); the ones before it were"
            )

    def _check_upper_levels(self, start: int) -> None:
        """The stored hashes over 65,536 leaves and more."""
        level, first, row = CHUNK_LEVEL, start >> CHUNK_LEVEL, self.wholes
        while row:
            stored = read_row(self.log, level, first, first + len(row))
            for number, whole in enumerate(row):
                if number >= len(stored) or stored[number] != whole:
                    self.result.is_changed(
                        f"{self.name}: the stored tree is wrong over the places from"
                        f" {(first + number) << level} on (level {level})"
                    )
            if first:
                return
            step = 1 << TILE_LEVELS
            row = [tree.fold(row[at : at + step]) for at in range(0, len(row) - step + 1, step)]
            level += TILE_LEVELS

    def _check_end(self) -> None:
        """Has the end been cut off? The largest checkpoint knows."""
        last = Checkpoint.objects.filter(log=self.log).order_by("-size").first()
        if last and last.size > self.size:
            self.result.is_missing(
                f"{self.name}: {last.size - self.size} entries from place {self.size} on are gone;"
                f" {last.size} were signed (checkpoint {last.pk})"
            )

    def _check_loose(self) -> None:
        """Entries that still wait for their place."""
        xid, last = watermark(self.source, self.size)
        wrong_with, count = Reader(self.source).wrong, 0
        statement = sql.SQL(LOOSE).format(
            columns=sql.SQL(columns_of(self.source)),
            table=sql.Identifier(self.source.table),
            xid=xid,
            last=str(last),
            log=int(self.log),
        )
        with connections["default"].cursor() as cursor, cursor.copy(statement) as copy:
            for row in copy.rows():
                count += 1
                if wrong := wrong_with(*row):
                    self.result.is_changed(f"{row[0].decode()}: {wrong}")
        self.result.entries += count
        self.progress(count)

    def _check_smuggled(self) -> None:
        """Entries whose turn is over but that have no place came in behind the writers' back."""
        xid, last = watermark(self.source, self.size)
        rebased = Rebase.objects.filter(log=self.log).order_by("-id").first()
        if not rebased:
            behind = self._one(BEHIND, [xid, last])
            if behind[0][0] <= self.size:
                return
        before = rebased.at if rebased else None
        for (ident,) in self._one(SMUGGLED, [xid, last, before, int(self.log)]):
            self.result.is_changed(f"{ident}: has no place: it was added afterwards")

    def _one(self, statement: str, params: list[Any]) -> list[tuple[Any, ...]]:
        with connections["default"].cursor() as cursor:
            cursor.execute(statement.format(table=self.source.table), params)
            return list(cursor.fetchall())

    def root_at(self, size: int) -> bytes:
        return tree.root_at(size, self.stored)
