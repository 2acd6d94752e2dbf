"""Taking batches: the next due ones of a channel, with everything needed to send them."""

from collections import defaultdict
from uuid import UUID

import orjson
from django.db import transaction

from messengers.addresses import TABLE
from messengers.engine.open_batches import OpenBatch, Recipient, Values
from messengers.outbox.start import values_place
from messengers.sql import Row, durably, rows
from privacy.vault import KeyRing, SealBroken, Where

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
     WHERE channel_id = %s AND status = 'waiting' AND priority >= %s
       AND due_at <= statement_timestamp()
     ORDER BY priority DESC, due_at, id LIMIT %s FOR UPDATE SKIP LOCKED"""
TAKE = """
    UPDATE messengers_batch
       SET status = 'working', token = nextval('messengers_fence'), on_wire = '{}',
           lease_until = clock_timestamp() + make_interval(secs => %s)
     WHERE id = ANY(%s)
 RETURNING id, dispatch_id, channel_id, priority, token"""
RECIPIENTS = """
    SELECT d.batch_id, d.position, d.id, d.gate, d.attempts, d.values_sealed,
           a.id, a.subject, a.sealed, a.profile_sealed, coalesce(g.needs_footer, false)
      FROM unnest(%(batches)s::bigint[], %(dispatches)s::uuid[]) AS ours (batch, dispatch)
      JOIN messengers_delivery d ON d.dispatch_id = ours.dispatch AND d.batch_id = ours.batch
      LEFT JOIN messengers_address a ON a.id = d.address
      LEFT JOIN messengers_gate g ON g.id = d.gate
     WHERE d.dispatch_id = ANY(%(dispatches)s::uuid[]) AND d.status = 'queued'
       AND (d.next_at IS NULL OR d.next_at <= clock_timestamp())
     ORDER BY d.batch_id, d.position"""


def due_channels() -> list[UUID]:
    """Channels that may send and have something to send."""
    return [row[0] for row in rows(DUE_CHANNELS)]


@transaction.atomic
def claim(channel: UUID, *, want: int, min_priority: int, lease_seconds: float) -> list[OpenBatch]:
    """Lease the next due batches with about `want` positions, at least one batch if any is due.

    A crash from here on costs one lease and nothing else: nothing is on the wire.
    """
    # Or a crashed server might forget this and give the same token to somebody else.
    durably()
    chosen: list[int] = []
    size = 0
    for batch, batch_size in rows(NEXT, [channel, min_priority, MAX_CLAIM]):
        if chosen and size + batch_size > want:
            break
        chosen.append(batch)
        size += batch_size
    if not chosen:
        return []
    taken = [OpenBatch(*row) for row in rows(TAKE, [lease_seconds, chosen])]
    return sorted(taken, key=lambda batch: (-batch.priority, batch.id))


def load(batches: list[OpenBatch], common: dict[UUID, dict[str, str]]) -> None:
    """Read and open the people of these batches. `common` holds values of each dispatch.

    Raises `KeystoreDown`; then nothing was loaded and the batches have to be given back.
    """
    ours = {
        "batches": [batch.id for batch in batches],
        "dispatches": [batch.dispatch for batch in batches],
    }
    found = rows(RECIPIENTS, ours)
    ring = KeyRing.load({row[7] for row in found if row[7] is not None})
    by_batch: dict[int, list[Row]] = defaultdict(list)
    for row in found:
        by_batch[row[0]].append(row)
    for batch in batches:
        values = common.get(batch.dispatch, {})
        batch.ready.extend(
            _recipient(row, ring, batch.dispatch, values) for row in by_batch[batch.id]
        )


def _recipient(row: Row, ring: KeyRing, dispatch: UUID, common: dict[str, str]) -> Recipient:
    _, position, delivery, gate, attempts, values, address, subject, sealed, profile, footer = row
    recipient = Recipient(position, delivery, gate, attempts, needs_footer=footer)
    if address is None or not ring.has(subject):
        recipient.problem = "erased"
        return recipient
    try:
        recipient.address = ring.open(subject, Where(TABLE, "sealed", address), sealed).decode()
        given = dict(common)
        if profile is not None:
            opened = ring.open(subject, Where(TABLE, "profile_sealed", address), profile)
            given.update(orjson.loads(opened))
        if values is not None:
            given.update(orjson.loads(ring.open(subject, values_place(dispatch), values)))
    except (SealBroken, ValueError):
        recipient.problem = "unreadable"
        return recipient
    recipient.values = Values(given, gate)
    return recipient
