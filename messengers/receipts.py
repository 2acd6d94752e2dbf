"""Receipts: reduced at the door, merged in groups, any order, any number of times.

A message brings up to three of them, so they and not the sending decide how large an installation
may be. The hook only appends (delivery or hash, status, time, cause); merging writes many at once.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from messengers.attempts import open_attempt
from messengers.contract import Reason, ReceiptEvent
from messengers.engine.ledger import provider_ref
from messengers.engine.outcomes import token
from messengers.gates import close_gates
from messengers.models import Gate
from messengers.outbox.control import recount
from messengers.sql import rows, run

# Rank only rises: a late "delivered" never takes back a "read", and wins over "undelivered".
RANK = {"in_doubt": 0, "accepted": 1, "undelivered": 2, "delivered": 3, "read": 4}
GROUP = 500
# One that nobody waits for (yet) is tried again later and later, and given up after 7 days.
FIRST_WAIT = 5.0  # seconds
LONGEST_WAIT = 6 * 3600.0
KEEP = "7 days"

ADD = """
    INSERT INTO messengers_parkedreceipt
           (channel, delivery, provider_ref, status, cause, at, next_at, tries)
    SELECT %s, r.delivery, r.ref, r.status, r.cause, clock_timestamp(), clock_timestamp(), 0
      FROM unnest(%s::bigint[], %s::bytea[], %s::text[], %s::text[])
           AS r (delivery, ref, status, cause)"""
TAKE = """
    SELECT id, channel, delivery, provider_ref, status, cause
      FROM messengers_parkedreceipt WHERE next_at <= clock_timestamp()
     ORDER BY next_at LIMIT %s FOR UPDATE SKIP LOCKED"""
# The channel has to be the delivery's own: nobody else's provider may speak about it.
BY_DELIVERY = """
    SELECT d.id, d.batch_id, b.channel_id, d.gate, d.status FROM messengers_delivery d
      JOIN messengers_batch b ON b.id = d.batch_id WHERE d.id = ANY(%s)"""
BY_REF = """
    SELECT d.id, d.batch_id, b.channel_id, d.gate, d.status, d.provider_ref
      FROM messengers_delivery d
      JOIN messengers_batch b ON b.id = d.batch_id WHERE d.provider_ref = ANY(%s)"""
LOCK_BATCHES = "SELECT id FROM messengers_batch WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
RANKED = "array_position(ARRAY['in_doubt', 'accepted', 'undelivered', 'delivered', 'read'], {})"
MERGE = f"""
    UPDATE messengers_delivery d
       SET status = r.status, cause = r.cause, changed_at = clock_timestamp()
      FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS r (id, status, cause)
     WHERE d.id = r.id AND {RANKED.format("r.status::text")} > {RANKED.format("d.status::text")}"""
FORGET = "DELETE FROM messengers_parkedreceipt WHERE id = ANY(%s)"
LATER = """
    UPDATE messengers_parkedreceipt
       SET tries = tries + 1, next_at = clock_timestamp()
             + make_interval(secs => least(%s, %s * power(2, tries)))
     WHERE id = ANY(%s)"""
GIVE_UP = f"DELETE FROM messengers_parkedreceipt WHERE at < clock_timestamp() - interval '{KEEP}'"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One parked receipt."""

    id: int
    channel: UUID
    delivery: int | None
    ref: bytes | None
    status: str
    cause: str


@dataclass(frozen=True, slots=True)
class Target:
    """The delivery that a receipt is about."""

    delivery: int
    batch: int
    channel: UUID
    gate: UUID | None
    status: str


def park(channel_id: UUID, events: Collection[ReceiptEvent]) -> int:
    """Take receipts in, reduced to what is needed; how many. In the caller's transaction."""
    kept = [reduced for event in events if (reduced := _reduced(channel_id, event))]
    if not kept:
        return 0
    return run(ADD, [channel_id, *(list(column) for column in zip(*kept, strict=True))])


def merge_receipts() -> int:
    """Merge what is due, group by group; how many found their delivery."""
    number = 0
    while True:
        taken, merged = _merge_group()
        number += merged
        if taken < GROUP:
            return number


def give_up() -> int:
    """Forget receipts that nobody waited for within 7 days; how many."""
    return run(GIVE_UP)


def _reduced(
    channel_id: UUID, event: ReceiptEvent
) -> tuple[int | None, bytes | None, str, str] | None:
    """What we keep of a receipt; None for one that names nothing of ours."""
    attempt = open_attempt(event.attempt) if event.attempt else None
    ref = provider_ref(channel_id, event.provider_id) if event.provider_id else None
    if attempt is None and ref is None:
        return None
    cause = ""
    if event.status == "undelivered":
        cause = str(event.reason or token(event.code or "unknown"))
    return (attempt.delivery if attempt else None, ref, event.status, cause)


@transaction.atomic
def _merge_group() -> tuple[int, int]:
    receipts = [Receipt(*row) for row in rows(TAKE, [GROUP])]
    if not receipts:
        return 0, 0
    targets = _targets(receipts)
    batches = sorted({target.batch for target in targets.values()})
    # Locked before their rows are read for good: a worker may be recording the answer just now.
    rows(LOCK_BATCHES, [batches])
    targets = _targets(receipts)
    usable = {r.id: t for r in receipts if (t := targets.get(r.id)) and t.status in RANK}
    best = _best(receipts, usable)
    run(MERGE, [list(best), [r.status for r in best.values()], [r.cause for r in best.values()]])
    recount(batches)
    _close_bounced(best.values(), usable)
    run(FORGET, [[r.id for r in receipts if r.id in usable]])
    run(LATER, [LONGEST_WAIT, FIRST_WAIT, [r.id for r in receipts if r.id not in usable]])
    return len(receipts), len(usable)


def _targets(receipts: Iterable[Receipt]) -> dict[int, Target]:
    """Receipt id -> its delivery: by our own attempt if the provider echoed it, else by hash."""
    receipts = list(receipts)
    by_id = rows(BY_DELIVERY, [[r.delivery for r in receipts if r.delivery is not None]])
    by_ref = rows(BY_REF, [[r.ref for r in receipts if r.delivery is None]])
    ids = {row[0]: Target(*row) for row in by_id}
    refs = {bytes(row[5]): Target(*row[:5]) for row in by_ref}
    found: dict[int, Target] = {}
    for receipt in receipts:
        target = (
            ids.get(receipt.delivery) if receipt.delivery else refs.get(bytes(receipt.ref or b""))
        )
        if target and target.channel == receipt.channel:
            found[receipt.id] = target
    return found


def _best(receipts: Iterable[Receipt], usable: dict[int, Target]) -> dict[int, Receipt]:
    """Delivery -> the receipt of the highest rank among several."""
    best: dict[int, Receipt] = {}
    for receipt in receipts:
        target = usable.get(receipt.id)
        if target is None:
            continue
        known = best.get(target.delivery)
        if known is None or RANK[receipt.status] > RANK[known.status]:
            best[target.delivery] = receipt
    return best


def _close_bounced(receipts: Iterable[Receipt], usable: dict[int, Target]) -> None:
    """An address that turned out not to exist is not written to again."""
    gates = {
        usable[receipt.id].gate
        for receipt in receipts
        if receipt.status == "undelivered" and receipt.cause == Reason.PERMANENT_RECIPIENT
    } - {None}
    if gates:
        close_gates(
            gate_ids=[gate for gate in gates if gate is not None], reason=Gate.Reason.HARD_BOUNCE
        )
