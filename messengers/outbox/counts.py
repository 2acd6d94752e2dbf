"""How far a dispatch is. Every number is derived from the deliveries; they sum to the snapshot."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from messengers.models import Delivery
from messengers.sql import rows

# A batch at rest keeps its exact counts; one that is being worked on is counted on the spot.
# One statement, so that all of it is seen at the same moment.
BY_BATCH = """
    SELECT b.id, c.key AS status, c.value::int AS n
      FROM messengers_batch b, jsonb_each_text(b.counts) c
     WHERE b.dispatch_id = %(dispatch)s AND b.status <> 'working'
     UNION ALL
    SELECT b.id, CASE WHEN d.position = ANY(b.on_wire) THEN 'sending' ELSE d.status END,
           count(*)::int
      FROM messengers_batch b
      JOIN messengers_delivery d ON d.dispatch_id = %(dispatch)s AND d.batch_id = b.id
     WHERE b.dispatch_id = %(dispatch)s AND b.status = 'working'
     GROUP BY 1, 2"""
IN_TOTAL = f"SELECT status, sum(n)::int FROM ({BY_BATCH}) AS by_batch GROUP BY status"
HEADS = """
    SELECT id, number, channel_id, size, status FROM messengers_batch
     WHERE dispatch_id = %s ORDER BY number"""
# What every batch at rest has counted of itself, and of the others their rows.
CAUSES = """
    SELECT split_part(key, '|', 1), split_part(key, '|', 2), sum(n)::int
      FROM (SELECT c.key, c.value::int AS n FROM messengers_batch b, jsonb_each_text(b.causes) c
             WHERE b.dispatch_id = %(dispatch)s AND b.status <> 'working'
             UNION ALL
            SELECT d.status || '|' || d.cause, 1
              FROM messengers_batch b
              JOIN messengers_delivery d ON d.dispatch_id = %(dispatch)s AND d.batch_id = b.id
             WHERE b.dispatch_id = %(dispatch)s AND b.status = 'working' AND d.cause <> '') AS found
     GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"""
OVER_TIME = """
    SELECT to_timestamp(second - second %% %(step)s), status, sum(n)::int
      FROM (SELECT split_part(m.key, '|', 1)::bigint AS second, split_part(m.key, '|', 2) AS status,
                   m.value::int AS n
              FROM messengers_batch b, jsonb_each_text(b.minutes) m
             WHERE b.dispatch_id = %(dispatch)s AND b.status <> 'working'
             UNION ALL
            SELECT date_part('epoch', d.changed_at)::bigint, d.status, 1
              FROM messengers_batch b
              JOIN messengers_delivery d ON d.dispatch_id = %(dispatch)s AND d.batch_id = b.id
             WHERE b.dispatch_id = %(dispatch)s AND b.status = 'working'
               AND d.changed_at IS NOT NULL) AS found
     GROUP BY 1, 2 ORDER BY 1, 2"""


@dataclass(frozen=True, slots=True)
class BatchView:
    """One batch as a page shows it; `counts` sum to `size`."""

    number: int
    channel_id: UUID
    size: int
    status: str
    counts: dict[str, int]


def counts(dispatch_id: UUID) -> dict[str, int]:
    """Every state with its number, nought included; the numbers sum to the dispatch's size."""
    found: dict[str, int] = {row[0]: row[1] for row in rows(IN_TOTAL, _named(dispatch_id))}
    return {str(status): found.get(str(status), 0) for status in Delivery.Status}


def batches(dispatch_id: UUID) -> list[BatchView]:
    by_batch: dict[int, dict[str, int]] = {}
    for batch, status, number in rows(BY_BATCH, _named(dispatch_id)):
        by_batch.setdefault(batch, {})[status] = number
    return [
        BatchView(number, channel, size, status, by_batch.get(batch, {}))
        for batch, number, channel, size, status in rows(HEADS, [dispatch_id])
    ]


def causes(dispatch_id: UUID) -> list[tuple[str, str, int]]:
    """Why deliveries failed, were not sent or are in doubt: (status, cause, number)."""
    found = rows(CAUSES, _named(dispatch_id))
    return [(status, cause, number) for status, cause, number in found]


def results_over_time(dispatch_id: UUID, step_seconds: int = 60) -> list[tuple[datetime, str, int]]:
    """When deliveries came into the state they are in now: (start of the step, status, number).

    A step is some whole minutes.
    """
    params = {"step": step_seconds, "dispatch": dispatch_id}
    return [(at, status, number) for at, status, number in rows(OVER_TIME, params)]


def _named(dispatch_id: UUID) -> dict[str, UUID]:
    return {"dispatch": dispatch_id}
