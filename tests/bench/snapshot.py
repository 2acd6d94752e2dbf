"""The snapshot of a broadcast beside the bare insert of the same rows.

    python -m tests.bench.snapshot --recipients 1000000

Bare is one `INSERT … SELECT` into a table with the same columns, keys and indexes, without batches
and without the check that nobody comes twice.
"""

import time
from uuid import UUID

from django.db import connections, transaction

from tests.bench.report import Report, finish, guarded, options
from tests.bench.rig import Cost, Meter
from tests.bench.world import make_channel, make_rows, take_snapshot, world
from tests.clusters import TemporaryClusters

PART = "snapshot"
GOAL = 2.0  # times the bare insert
EVERYBODY = "SELECT address, id, %s::uuid FROM messengers_gate WHERE is_open"
HOME = """
    SELECT coalesce(
        (SELECT inhrelid::regclass::text FROM pg_inherits
          WHERE inhparent = 'messengers_delivery'::regclass
            AND inhrelid = (SELECT tableoid FROM messengers_delivery LIMIT 1)),
        'messengers_delivery')"""
FILL = """
    INSERT INTO bench_bare (dispatch_id, batch_id, position, address, gate, status, cause, attempts)
    SELECT %s, nth / 256, nth %% 256, address, id, 'queued', '', 0
      FROM (SELECT address, id, row_number() OVER (ORDER BY address) - 1 AS nth
              FROM messengers_gate WHERE is_open) AS numbered"""


def ours(channel: UUID) -> float:
    """Seconds of the real one, its commit included."""
    began = time.monotonic()
    take_snapshot(EVERYBODY, [channel])
    return time.monotonic() - began


def bare(dispatch: UUID) -> float:
    with connections["default"].cursor() as cursor:
        cursor.execute(HOME)
        home = cursor.fetchone()[0]
        cursor.execute("DROP TABLE IF EXISTS bench_bare")
        cursor.execute(f"CREATE TABLE bench_bare (LIKE {home} INCLUDING ALL)")
        began = time.monotonic()
        with transaction.atomic():
            cursor.execute(FILL, [dispatch])
        seconds = time.monotonic() - began
        cursor.execute("DROP TABLE bench_bare")
    return seconds


def play(clusters: TemporaryClusters, report: Report, *, recipients: int) -> None:
    """Both, one after the other, on people that exist as rows alone."""
    channel = make_channel("http://127.0.0.1:9")
    make_rows(channel, recipients)
    report.heading(f"Snapshot of {recipients:,} recipients")
    cost = Cost(recipients)
    with Meter(clusters).measured(cost):
        cost.seconds = ours(channel)
    seconds = bare(UUID(int=0))
    report.say(PART, "start_dispatch", cost.seconds, "s", f"{cost.micros(cost.seconds):.1f} µs/row")
    report.say(PART, "bare INSERT … SELECT", seconds, "s", f"{cost.micros(seconds):.1f} µs/row")
    report.say(PART, "write-ahead log", cost.wal_bytes / recipients, "bytes/row")
    report.say(PART, "database", cost.data_bytes / recipients, "bytes/row")
    report.goal(PART, "snapshot / bare insert", cost.seconds / seconds, GOAL, most=True)


def main() -> int:
    chosen = options(__doc__ or "", recipients=1_000_000)
    report = Report()
    with world(durable=not chosen.unsafe) as clusters:
        play(clusters, report, recipients=chosen.recipients)
    return finish(report, chosen.json)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
