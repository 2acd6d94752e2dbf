"""Putting right what crashes left behind, by the database's clock. Any number may run at once."""

from messengers.engine import ledger
from messengers.outbox.control import expire, finish, places
from messengers.sql import Row, engine_transaction, rows, run

MAX_LOSSES = 8  # leases lost without a single commit: what kills its workers is in this batch
AT_A_TIME = 100  # batches in one transaction
LONGEST_LEASE = 300.0  # seconds; no channel's call may take longer
# The whole difference between "perhaps sent" and "sent twice" is the word `in_doubt` here.
LOST_ON_WIRE = "in_doubt"

LOCK_EXPIRED = """
    SELECT id, dispatch_id, losses FROM messengers_batch
     WHERE status = 'working' AND lease_until < clock_timestamp()
     ORDER BY id LIMIT %s::int FOR UPDATE SKIP LOCKED"""
# A lease ends within seconds. One that lies far ahead was written before the database's clock was
# set back: it ends as if it had just been written, so that those alive can still renew it.
FAR_AHEAD = """
    UPDATE messengers_batch SET lease_until = clock_timestamp() + make_interval(secs => %s::float8)
     WHERE status = 'working'
       AND lease_until > clock_timestamp() + make_interval(secs => 2 * %s::float8)"""
DOUBT = """
    UPDATE messengers_delivery d
       SET status = %(lost)s, cause = 'worker_lost', attempts = attempts + 1, next_at = NULL,
           changed_at = clock_timestamp(), values_sealed = NULL
      FROM messengers_batch b
     WHERE b.id = ANY(%(batches)s::bigint[]) AND d.dispatch_id BETWEEN %(first)s AND %(last)s
       AND d.dispatch_id = b.dispatch_id AND d.batch_id = b.id
       AND d.position = ANY(b.on_wire) AND d.status = 'queued'"""
POISON = """
    UPDATE messengers_delivery SET status = 'failed', cause = 'poison',
           changed_at = clock_timestamp()
     WHERE dispatch_id BETWEEN %(first)s AND %(last)s AND dispatch_id = ANY(%(dispatches)s::uuid[])
       AND batch_id = ANY(%(batches)s::bigint[]) AND status = 'queued'"""
EXPIRED = """
    SELECT id FROM messengers_dispatch
     WHERE status IN ('running', 'paused') AND expires_at <= clock_timestamp()
     ORDER BY expires_at LIMIT 200"""
FINISHED = """
    SELECT id FROM messengers_dispatch d
     WHERE d.status = 'running'
       AND NOT EXISTS (SELECT 1 FROM messengers_batch b
                        WHERE b.dispatch_id = d.id AND b.status <> 'done')"""


def sweep() -> dict[str, int]:
    """One round; how many of each there were. Running it twice finds nothing the second time."""
    found = {"leases": sweep_leases()}
    expired = [row[0] for row in rows(EXPIRED)]
    found["expired"] = sum(expire(dispatch) for dispatch in expired)
    finished = [row[0] for row in rows(FINISHED)]
    found["finished"] = finish(finished) if finished else 0
    return found


def sweep_leases() -> int:
    """Give back batches whose worker has not been heard of until its lease ended.

    Exactly the positions on the wire become `in_doubt`: nobody can know whether they arrived. All
    others were never sent and wait again.
    """
    number = 0
    with engine_transaction():
        run(FAR_AHEAD, [LONGEST_LEASE, LONGEST_LEASE], prepare=True)
    while found := _sweep_some():
        number += found
    return number


def _sweep_some() -> int:
    with engine_transaction():
        expired = rows(LOCK_EXPIRED, [AT_A_TIME], prepare=True)
        if expired:
            _give_up(expired)
    return len(expired)


def _give_up(expired: list[Row]) -> None:
    batches = {batch: dispatch for batch, dispatch, _ in expired}
    run(DOUBT, places(batches) | {"lost": LOST_ON_WIRE}, prepare=True)
    if poisonous := {batch: batches[batch] for batch, _, n in expired if n + 1 >= MAX_LOSSES}:
        run(POISON, places(poisonous), prepare=True)
    ledger.close(batches, is_lost=True)
