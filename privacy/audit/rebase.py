"""Going on after a dump was restored into another cluster, where transactions count anew.

Entries that came with the dump get their places first, then a row says from which transaction on
the new ones count. Nothing is changed or lost; what the dump did not hold, the signer and the
witnesses still know, and refuse a smaller tree.
"""

from django.db import connections, transaction
from django.utils import timezone

from privacy.audit.logs import SOURCES, Source
from privacy.audit.nodes import size_of
from privacy.audit.sequencer import BATCH, LOCK, append_rows, is_from_another_cluster
from privacy.ids import uuid7
from privacy.models import Log

LEFT_OVER = """
SELECT e.id, e.leaf FROM {table} e
WHERE NOT EXISTS (SELECT 1 FROM privacy_leaf l WHERE l.log = %s AND l.entry_id = e.id)
ORDER BY e.xid, e.id LIMIT %s
"""
GOES_ON = """
INSERT INTO privacy_rebase (id, log, size, at, from_xid)
VALUES (%s, %s, %s, %s, pg_snapshot_xmin(pg_current_snapshot()))
"""


def rebase() -> dict[Log, int]:
    """Give places to whatever came with the dump, and count transactions anew; by log, how many.

    Logs whose transactions are this cluster's own are left alone, so it may run twice.
    """
    return {log: _one(SOURCES[log]) for log in Log if is_from_another_cluster(SOURCES[log])}


@transaction.atomic(using="default")
def _one(source: Source) -> int:
    """Nobody writes meanwhile: the lock waits for who is writing, and makes the others wait."""
    log = int(source.log)
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK + log])
        # INSERT is enough of a right for this lock, and its own kind excludes only other writers.
        cursor.execute(f"LOCK TABLE {source.table} IN SHARE ROW EXCLUSIVE MODE")
        total = 0
        while True:
            cursor.execute(LEFT_OVER.format(table=source.table), [log, BATCH])
            rows = list(cursor.fetchall())
            append_rows(source.log, size_of(source.log), rows)
            total += len(rows)
            if len(rows) < BATCH:
                break
        cursor.execute(GOES_ON, [uuid7(), log, size_of(source.log), timezone.now()])
    return total
