"""Pausing, ending and repeating a dispatch.

Each of these locks the dispatch's open batches before it writes, in the order of their ids. The
engine locks the same rows for every intent and reads the dispatch afterwards, so that no intent
commits after one of these has been committed.
"""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from messengers import breaker
from messengers.doorbell import ring_after_commit
from messengers.models import Dispatch
from messengers.sql import ids, numbers, rows, run
from privacy.durable import durably

LOCK_OPEN = """
    SELECT id FROM messengers_batch
     WHERE dispatch_id = %s AND status <> 'done' ORDER BY id FOR UPDATE"""
MOVE = """
    UPDATE messengers_dispatch
       SET status = %s, status_why = %s,
           finished_at = CASE WHEN %s THEN clock_timestamp() END
     WHERE id = %s AND status = ANY(%s)"""
HOLD = """
    UPDATE messengers_batch SET status = 'held' WHERE dispatch_id = %s AND status = 'waiting'"""
RELEASE = """
    UPDATE messengers_batch SET status = 'waiting', due_at = least(due_at, clock_timestamp())
     WHERE dispatch_id = %s AND status = 'held'"""
# Whatever is on the wire keeps its own fate; the worker marks what its answers leave over.
END_ROWS = """
    UPDATE messengers_delivery d SET status = %s, changed_at = clock_timestamp()
      FROM messengers_batch b
     WHERE d.dispatch_id = %s AND b.id = d.batch_id AND b.dispatch_id = d.dispatch_id
       AND b.status <> 'done' AND d.status = 'queued' AND d.position <> ALL(b.on_wire)"""
END_BATCHES = """
    UPDATE messengers_batch SET status = 'done'
     WHERE dispatch_id = %s AND status IN ('waiting', 'held') RETURNING id"""
# What became of the deliveries of some batches, one row for each batch: counts by status, by cause
# and by minute, and when the first of those that still wait may go. Those that are alike are put
# together first: a batch has hundreds of deliveries, and hardly ever more than three kinds.
COUNTED = """
    SELECT batch_id, jsonb_object_agg(status, n) FILTER (WHERE kind = 3) AS counts,
           coalesce(jsonb_object_agg(status || '|' || cause, n)
                        FILTER (WHERE kind = 1 AND cause <> ''), '{}') AS causes,
           coalesce(jsonb_object_agg(minute || '|' || status, n)
                        FILTER (WHERE kind = 2 AND minute IS NOT NULL), '{}') AS minutes,
           min(next_at) AS next_at
      FROM (SELECT batch_id, status, cause, minute, sum(n)::bigint AS n, min(next_at) AS next_at,
                   grouping(cause, minute) AS kind
              FROM (SELECT d.batch_id, d.status, d.cause, count(*) AS n,
                           (60 * floor(date_part('epoch', d.changed_at) / 60))::bigint AS minute,
                           min(coalesce(d.next_at, '-infinity'))
                               FILTER (WHERE d.status = 'queued') AS next_at
                      FROM unnest(%(dispatches)s::uuid[], %(batches)s::bigint[])
                           AS ours (dispatch, batch)
                      JOIN messengers_delivery d
                        ON d.dispatch_id = ours.dispatch AND d.batch_id = ours.batch
                       AND d.dispatch_id BETWEEN %(first)s AND %(last)s
                     GROUP BY d.batch_id, d.status, d.cause, minute) AS alike
             GROUP BY GROUPING SETS ((batch_id, status), (batch_id, status, cause),
                                     (batch_id, status, minute))) AS by_kind
     GROUP BY batch_id"""
# Once for each batch when it closes, so that no page ever has to read the rows for it.
RECOUNT = f"""
    UPDATE messengers_batch b
       SET counts = found.counts, causes = found.causes, minutes = found.minutes
      FROM ({COUNTED}) AS found
     WHERE found.batch_id = b.id"""

# A person who cannot be reached, or said no, is not asked again by "retry what failed".
FINAL_CAUSES = ["permanent_recipient", "opted_out"]
LOCK_FAILED = """
    SELECT id FROM messengers_batch
     WHERE id IN (SELECT batch_id FROM messengers_delivery
                   WHERE dispatch_id = %s AND status = 'failed' AND cause <> ALL(%s))
     ORDER BY id FOR UPDATE"""
REQUEUE_FAILED = """
    UPDATE messengers_delivery
       SET status = 'queued', cause = '', attempts = 0, next_at = NULL,
           changed_at = clock_timestamp()
     WHERE dispatch_id = %s AND batch_id = ANY(%s) AND status = 'failed' AND cause <> ALL(%s)"""
REOPEN = """
    UPDATE messengers_batch b
       SET status = CASE d.status WHEN 'paused' THEN 'held' ELSE 'waiting' END,
           due_at = clock_timestamp(), losses = 0
      FROM messengers_dispatch d
     WHERE d.id = b.dispatch_id AND b.id = ANY(%s) AND b.status = 'done'"""
FINISH = """
    UPDATE messengers_dispatch d SET status = 'finished', finished_at = clock_timestamp()
     WHERE d.id = ANY(%s::uuid[]) AND d.status = 'running'
       AND NOT EXISTS (SELECT 1 FROM messengers_batch b
                        WHERE b.dispatch_id = d.id AND b.status <> 'done')"""


@transaction.atomic
def pause(dispatch_id: UUID, reason: str = "") -> bool:
    """Hold what has not left yet; whether it was running. `reason` is a short token."""
    rows(LOCK_OPEN, [dispatch_id])
    if not _move(dispatch_id, Dispatch.Status.PAUSED, reason):
        return False
    run(HOLD, [dispatch_id])
    return True


@transaction.atomic
def resume(dispatch_id: UUID) -> bool:
    """Go on with a paused dispatch; whether it was paused. An open breaker lets a few try."""
    rows(LOCK_OPEN, [dispatch_id])
    # A finished one is not resumed: it has nothing left, and `retry_failed` gives it something.
    if not _move(dispatch_id, Dispatch.Status.RUNNING, "", only_from=[Dispatch.Status.PAUSED]):
        return False
    run(RELEASE, [dispatch_id])
    breaker.try_now(breaker.channels_behind(dispatch_id))
    ring_after_commit()
    return True


def cancel(dispatch_id: UUID) -> bool:
    """Stop for good: what waits becomes `cancelled`. Whether there was something to stop."""
    return _end(dispatch_id, Dispatch.Status.CANCELLED)


def expire(dispatch_id: UUID) -> bool:
    """Its time is over: what waits becomes `expired`."""
    return _end(dispatch_id, Dispatch.Status.EXPIRED)


@transaction.atomic
def retry_failed(dispatch_id: UUID) -> int:
    """Queue again what was refused, except people who cannot be reached or said no; how many."""
    batches = [row[0] for row in rows(LOCK_FAILED, [dispatch_id, FINAL_CAUSES])]
    status = rows("SELECT status FROM messengers_dispatch WHERE id = %s FOR UPDATE", [dispatch_id])
    ended = {Dispatch.Status.CANCELLED, Dispatch.Status.EXPIRED}
    if not batches or not status or status[0][0] in ended:
        return 0
    number = run(REQUEUE_FAILED, [dispatch_id, batches, FINAL_CAUSES])
    reopen(dispatch_id, batches)
    return number


def reopen(dispatch_id: UUID, batch_ids: list[int]) -> None:
    """Let finished batches be worked on again, and their dispatch with them; they are locked."""
    _move(dispatch_id, Dispatch.Status.RUNNING, "", only_from=[Dispatch.Status.FINISHED])
    run(REOPEN, [batch_ids])
    recount(dict.fromkeys(batch_ids, dispatch_id))
    ring_after_commit()


def finish(dispatch_ids: Collection[UUID]) -> int:
    """Mark those of which nothing waits or is on the wire. To be called after a commit, not in it:
    of two workers that end the two last batches, the later one then sees both.
    """
    return run(FINISH, [ids(dispatch_ids)], prepare=True)


def recount(batches: Mapping[int, UUID]) -> None:
    """Derive the counts of batches anew: their ids with their dispatches.

    They are locked, and not being worked on.
    """
    if named := places(batches):
        run(RECOUNT, named, prepare=True)


def places(batches: Mapping[int, UUID]) -> dict[str, Any]:
    """What a statement is told of batches, to find their deliveries; empty where there are none."""
    if not batches:
        return {}
    return {
        "batches": numbers(batches),
        "dispatches": ids(batches.values()),
        "first": min(batches.values()),
        "last": max(batches.values()),
    }


@transaction.atomic
def _end(dispatch_id: UUID, to: Dispatch.Status) -> bool:
    rows(LOCK_OPEN, [dispatch_id])
    if not _move(dispatch_id, to, ""):
        return False
    run(END_ROWS, [to, dispatch_id])
    recount({row[0]: dispatch_id for row in rows(END_BATCHES, [dispatch_id])})
    return True


def _move(
    dispatch_id: UUID,
    to: Dispatch.Status,
    why: str,
    only_from: Collection[Dispatch.Status] | None = None,
) -> bool:
    """Advance the dispatch if the table of transitions leads there; the old status is the lock."""
    durably()
    origins = [old for old, nexts in Dispatch.TRANSITIONS.items() if to in nexts]
    if only_from is not None:
        origins = [old for old in origins if old in only_from]
    is_end = to in (Dispatch.Status.CANCELLED, Dispatch.Status.EXPIRED)
    return run(MOVE, [to, why, is_end, dispatch_id, [str(old) for old in origins]]) > 0


def reconcile() -> int:
    """After a restore: hold every broadcast that still runs, because nobody here knows how far it
    really came; how many. What was on the wire is put in doubt by the sweeper.
    """
    running = Dispatch.objects.filter(
        status=Dispatch.Status.RUNNING, kind=Dispatch.Kind.BROADCAST
    ).values_list("id", flat=True)
    return sum(pause(dispatch, "restored") for dispatch in list(running))
