"""The trial batch: a few people of each channel get a broadcast first, the others wait for it.

The rest is held in batches of its own, in the very transaction of the snapshot, so that no worker
ever sees it waiting. A dispatch whose rest is held runs; nothing here pauses it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from messengers.doorbell import ring_after_commit
from messengers.outbox.control import LOCK_OPEN, RELEASE, recount
from messengers.sql import rows, run
from privacy.durable import durably

# The first batch of each channel, and how many people the channel has in all.
FIRSTS = """
    SELECT DISTINCT ON (channel_id) id, number, size, sum(size) OVER (PARTITION BY channel_id)
      FROM messengers_batch WHERE dispatch_id = %s ORDER BY channel_id, number"""
CUT = """
    WITH old AS (
        SELECT b.*, (SELECT max(number) FROM messengers_batch n
                      WHERE n.dispatch_id = b.dispatch_id) AS last
          FROM messengers_batch b WHERE b.id = %(batch)s FOR UPDATE OF b
    ), made AS (
        INSERT INTO messengers_batch
               (dispatch_id, channel_id, number, size, priority, status, due_at, token, on_wire,
                counts, losses)
        SELECT dispatch_id, channel_id, last + 1, size - %(keep)s, priority, status, due_at, 0,
               '{}', '{}', 0
          FROM old RETURNING id
    ), moved AS (
        UPDATE messengers_delivery d
           SET batch_id = made.id, position = d.position - %(keep)s
          FROM made
         WHERE d.dispatch_id = %(dispatch)s AND d.batch_id = %(batch)s
           AND d.position >= %(keep)s
    ), cut AS (
        UPDATE messengers_batch SET size = %(keep)s WHERE id = %(batch)s
    )
    SELECT id FROM made"""
HOLD_REST = """
    UPDATE messengers_batch SET status = 'held'
     WHERE dispatch_id = %s AND number > %s AND status = 'waiting'"""
FOUND = """
    SELECT CASE WHEN d.status = 'queued' THEN 'open' ELSE d.status END, count(*)::int
      FROM messengers_delivery d JOIN messengers_batch b ON b.id = d.batch_id
     WHERE d.dispatch_id = %(dispatch)s AND b.dispatch_id = %(dispatch)s
       AND b.number <= %(batches)s GROUP BY 1"""
GATES = """
    SELECT d.gate FROM messengers_delivery d JOIN messengers_batch b ON b.id = d.batch_id
     WHERE d.dispatch_id = %(dispatch)s AND b.dispatch_id = %(dispatch)s
       AND b.number <= %(batches)s AND d.gate IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a trial batch so far."""

    people: int
    open: int  # wait, or are on the wire
    failures: int
    doubts: int


def set_aside(dispatch_id: UUID, size: int) -> int:
    """Let about `size` people go first, at least one of each channel; the rest is held.

    To be called in the transaction of the snapshot. How many batches go first: those with the
    lowest numbers. 0, and nothing is held, if there would be no rest.
    """
    firsts = rows(FIRSTS, [dispatch_id])
    total = sum(int(people) for *_, people in firsts)
    if not firsts or total <= size or size < 1:
        return 0
    for batch, _number, in_it, people in firsts:
        keep = max(1, round(size * int(people) / total))
        if keep < in_it:
            given = {"batch": batch, "keep": keep, "dispatch": dispatch_id}
            recount(dict.fromkeys([batch, rows(CUT, given)[0][0]], dispatch_id))
    batches = max(int(number) for _, number, *_ in firsts)
    hold_rest(dispatch_id, batches)
    return batches


def hold_rest(dispatch_id: UUID, batches: int) -> None:
    """Hold whatever is not in the first `batches`, for instance after a pause in between."""
    run(HOLD_REST, [dispatch_id, batches])


def release_rest(dispatch_id: UUID) -> None:
    """The trial went well: everybody else may go. In the caller's transaction."""
    durably()
    rows(LOCK_OPEN, [dispatch_id])
    run(RELEASE, [dispatch_id])
    ring_after_commit()


def trial(dispatch_id: UUID, batches: int) -> Trial:
    """How the trial stands."""
    found: dict[str, int] = dict(rows(FOUND, _named(dispatch_id, batches)))
    return Trial(
        people=sum(found.values()),
        open=found.get("open", 0),
        failures=found.get("failed", 0) + found.get("undelivered", 0),
        doubts=found.get("in_doubt", 0),
    )


def trial_gates(dispatch_id: UUID, batches: int) -> Sequence[UUID]:
    """The subscriptions that went first."""
    return [row[0] for row in rows(GATES, _named(dispatch_id, batches))]


def _named(dispatch_id: UUID, batches: int) -> dict[str, object]:
    return {"dispatch": dispatch_id, "batches": batches}
