"""Taking batches: the next due ones of a channel, with everything needed to send them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import orjson

from messengers.addresses import TABLE
from messengers.attempts import seal_attempts
from messengers.engine.open_batches import OpenBatch, Recipient, Values
from messengers.outbox.start import values_place
from messengers.sql import Row, engine_transaction, ids, numbers, rows
from privacy.vault import KeyRing, SealBroken

MAX_CLAIM = 16  # batches at a time: replies are batches of one

DUE_CHANNELS = """
    SELECT id FROM messengers_channel c
     WHERE status = 'active'
       AND (paused_until IS NULL OR paused_until <= statement_timestamp())
       AND EXISTS (SELECT 1 FROM messengers_batch b
                    WHERE b.channel_id = c.id AND b.status = 'waiting'
                      AND b.due_at <= statement_timestamp())"""
NEXT = """
    SELECT id, size FROM messengers_batch
     WHERE channel_id = %s AND status = 'waiting' AND priority >= %s::int
       AND due_at <= statement_timestamp()
     ORDER BY priority DESC, due_at, id LIMIT %s::int FOR UPDATE SKIP LOCKED"""
TAKE = """
    UPDATE messengers_batch
       SET status = 'working', token = nextval('messengers_fence'), on_wire = '{}',
           lease_until = clock_timestamp() + make_interval(secs => %s::float8)
     WHERE id = ANY(%s::bigint[])
 RETURNING id, dispatch_id, channel_id, priority, token"""
# Dispatches are ordered by time, so a range of them names their months: plans that are made once
# open no others. Ids come as their bytes: three UUIDs take longer to make than all the rest. The
# gates are of interest here only where there is a footer that some of them demand.
RECIPIENTS = """
    SELECT d.batch_id, d.position, d.id, uuid_send(d.gate), d.attempts, d.values_sealed,
           uuid_send(a.id), uuid_send(a.subject), a.sealed, a.profile_sealed,
           coalesce(g.needs_footer, false)
      FROM unnest(%(batches)s::bigint[], %(dispatches)s::uuid[]) AS ours (batch, dispatch)
      JOIN messengers_delivery d ON d.dispatch_id = ours.dispatch AND d.batch_id = ours.batch
       AND d.dispatch_id BETWEEN %(first)s AND %(last)s
      LEFT JOIN messengers_address a ON a.id = d.address
      LEFT JOIN messengers_gate g ON %(has_footer)s AND g.id = d.gate
     WHERE d.status = 'queued'
       AND (d.next_at IS NULL OR d.next_at <= clock_timestamp())
     ORDER BY d.batch_id, d.position"""


def due_channels() -> list[UUID]:
    """Channels that may send and have something to send."""
    return [row[0] for row in rows(DUE_CHANNELS, prepare=True)]


def claim(channel: UUID, *, want: int, min_priority: int, lease_seconds: float) -> list[OpenBatch]:
    """Lease the next due batches with about `want` positions, at least one batch if any is due.

    A crash from here on costs one lease and nothing else: nothing is on the wire.
    """
    # Durable, or a crashed server might forget this and give the same token to somebody else.
    with engine_transaction(pipelined=True):
        chosen = _chosen(rows(NEXT, [channel, min_priority, MAX_CLAIM], prepare=True), want)
        found = rows(TAKE, [lease_seconds, numbers(chosen)], prepare=True) if chosen else []
    return sorted((OpenBatch(*row) for row in found), key=lambda one: (-one.priority, one.id))


def _chosen(found: list[Row], want: int) -> list[int]:
    chosen: list[int] = []
    size = 0
    for batch, batch_size in found:
        if chosen and size + batch_size > want:
            break
        chosen.append(batch)
        size += batch_size
    return chosen


@dataclass(frozen=True, slots=True)
class Common:
    """What is the same for everybody of a dispatch; it never changes."""

    values: Mapping[str, str] = field(default_factory=dict)
    has_footer: bool = True  # its content has one, for those whose gates demand it


def load(batches: list[OpenBatch], common: Mapping[UUID, Common]) -> None:
    """Read and open the people of these batches. `common` is what is known of each dispatch.

    Raises `VaultError` if no keys can be had; then nothing was loaded and the batches have to be
    given back. One key that does not open is that person's alone.
    """
    dispatches = {batch.dispatch: common.get(batch.dispatch, Common()) for batch in batches}
    has_footer = any(known.has_footer for known in dispatches.values())
    found = _recipients(batches, has_footer=has_footer) if batches else []
    ring = KeyRing.of((row[7] for row in found if row[7] is not None), skip_broken=True)
    by_batch: dict[int, list[Row]] = defaultdict(list)
    for row in found:
        by_batch[row[0]].append(row)
    for batch in batches:
        theirs = by_batch[batch.id]
        opener = _Opener(ring, batch.dispatch, dispatches[batch.dispatch].values)
        attempts = seal_attempts([row[2] for row in theirs], batch.token)
        batch.ready.extend(map(opener.recipient, theirs, attempts))


def _recipients(batches: list[OpenBatch], *, has_footer: bool) -> list[Row]:
    dispatches = [batch.dispatch for batch in batches]
    ours = {
        "batches": numbers(batch.id for batch in batches),
        "dispatches": ids(dispatches),
        "first": min(dispatches),
        "last": max(dispatches),
        "has_footer": has_footer,
    }
    with engine_transaction(pipelined=True):
        return rows(RECIPIENTS, ours, prepare=True, binary=True)


class _Opener:
    """Makes recipients of one dispatch's rows."""

    def __init__(self, ring: KeyRing, dispatch: UUID, common: Mapping[str, str]) -> None:
        self.ring = ring
        self.dispatch = dispatch
        self.common = common
        self.open_address = ring.opener(TABLE, "sealed")
        self.open_profile = ring.opener(TABLE, "profile_sealed")

    def recipient(self, row: Row, attempt: str) -> Recipient:
        _, position, delivery, gate, attempts, values, address, subject, sealed, profile, foot = row
        recipient = Recipient(
            position, delivery, gate, attempts, needs_footer=foot, attempt=attempt
        )
        if address is None or not self.ring.has(subject):
            is_broken = address is not None and subject in self.ring.broken
            recipient.problem = "unreadable" if is_broken else "erased"
            return recipient
        try:
            recipient.address = self.open_address(subject, address, sealed).decode()
            given = Values(self.common, gate)
            if profile is not None:
                given.update(orjson.loads(self.open_profile(subject, address, profile)))
            if values is not None:
                place = values_place(self.dispatch)
                opened = self.ring.open(UUID(bytes=subject), place, values)
                given.update(orjson.loads(opened))
        except (SealBroken, ValueError):
            recipient.problem = "unreadable"
            return recipient
        recipient.values = given
        return recipient
