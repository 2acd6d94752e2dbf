"""Filling the outbox: a reply to one person, or a snapshot of many, in the caller's transaction."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction
from django.utils import timezone

from messengers.contract import Content
from messengers.doorbell import ring_after_commit
from messengers.errors import FooterMissing
from messengers.models import MAX_BATCH, Address, Batch, Delivery, Dispatch, Gate
from messengers.sql import rows, run
from privacy.vault import Where, seal

REPLY_PRIORITY = 10
# An answer that could not leave for a day answers nothing any more.
REPLY_LIFE = timedelta(days=1)

# One statement makes batches and deliveries. Parts of all channels alternate, so that a slow
# channel does not wait behind a fast one; the order of addresses makes the same rows each time.
SNAPSHOT = """
WITH given (address_id, gate_id, channel_id) AS MATERIALIZED ({recipients}),
chosen AS (
    SELECT DISTINCT ON (address_id) address_id, gate_id, channel_id
      FROM given ORDER BY address_id, gate_id
),
placed AS MATERIALIZED (
    SELECT address_id, gate_id, channel_id, nth / {size} AS part, nth %% {size} AS position
      FROM (SELECT *, row_number() OVER (PARTITION BY channel_id ORDER BY address_id) - 1 AS nth
              FROM chosen) AS numbered
),
parts AS MATERIALIZED (
    SELECT channel_id, part, count(*) AS size,
           row_number() OVER (ORDER BY part, channel_id) AS number
      FROM placed GROUP BY channel_id, part
),
made AS (
    INSERT INTO messengers_batch
           (dispatch_id, channel_id, number, size, priority, status, due_at, token, on_wire,
            counts, losses)
    SELECT dispatch.id, channel_id, number, parts.size, dispatch.priority,
           CASE dispatch.status WHEN 'paused' THEN 'held' ELSE 'waiting' END,
           clock_timestamp(), 0, '{{}}', jsonb_build_object('queued', parts.size), 0
      FROM parts, messengers_dispatch AS dispatch WHERE dispatch.id = %s
 RETURNING id, dispatch_id, number
)
INSERT INTO messengers_delivery
       (dispatch_id, batch_id, position, address, gate, status, cause, attempts)
SELECT made.dispatch_id, made.id, placed.position, placed.address_id, placed.gate_id,
       'queued', '', 0
  FROM placed JOIN parts USING (channel_id, part) JOIN made USING (number)
"""

# A million recipients are sorted three times: with PostgreSQL's usual 4 MB each time on disk.
ROOM_TO_SORT = """
    SELECT set_config('work_mem', '64MB', true)
     WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('64MB')"""
OWED_A_FOOTER = """
    SELECT count(*) FROM messengers_gate g JOIN messengers_delivery d ON d.gate = g.id
     WHERE g.needs_footer AND d.dispatch_id = %s"""


def reply(
    *,
    address: Address,
    content: Content,
    values: Mapping[str, str] | None = None,
    kind: Dispatch.Kind = Dispatch.Kind.REPLY,
    gate_id: UUID | None = None,
    expires_at: datetime | None = None,
) -> Dispatch:
    """Send something to one person, ahead of every broadcast.

    `content` is stored in clear, so whatever is personal belongs into `values`, which are sealed
    under the person's key. With `gate_id` it is not sent once that gate is closed. Works in the
    caller's transaction, or in one of its own, and rings after the commit.
    """
    with transaction.atomic():
        dispatch = Dispatch(
            kind=kind,
            priority=REPLY_PRIORITY,
            size=1,
            expires_at=expires_at or timezone.now() + REPLY_LIFE,
            **_frozen(content),
        )
        dispatch.save(force_insert=True)
        _add_one(dispatch, address, gate_id, _sealed(address.subject, dispatch.id, values))
        ring_after_commit()
    return dispatch


def start_dispatch(*, dispatch: Dispatch, recipients_sql: str, params: list[Any]) -> int:
    """Take the snapshot: deliveries and batches for everybody whom `recipients_sql` selects.

    It selects (address_id, gate_id, channel_id); an address that comes twice counts once. Returns
    the number of recipients and stores it as the dispatch's size. Needs the caller's transaction,
    in which `dispatch` was saved: all rows are there after its commit, or none. Nothing is sent
    before. `dispatch.values` may hold placeholder values that are the same for everyone, such as
    {"newsletter": "Stadtanzeiger"}. Raises `FooterMissing` if somebody among them has to be told
    how to object and the content has no footer.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("start_dispatch needs the transaction in which its caller decides.")
    statement = SNAPSHOT.format(recipients=recipients_sql, size=MAX_BATCH)
    rows(ROOM_TO_SORT)
    dispatch.size = run(statement, [*params, dispatch.id])
    dispatch.save(update_fields=["size"])
    if not dispatch.content.get("footer") and owed_a_footer(dispatch.id):
        raise FooterMissing("Some of these people must be told how to object (section 7(3) UWG).")
    ring_after_commit()
    return dispatch.size


def owed_a_footer(dispatch_id: UUID) -> int:
    """How many of a dispatch's recipients must be told how to object."""
    if not Gate.objects.filter(needs_footer=True).exists():
        return 0
    return int(rows(OWED_A_FOOTER, [dispatch_id])[0][0])


def content_hash(content: Content) -> str:
    """SHA-256 over the canonical JSON: what was frozen can be compared."""
    return sha256(orjson.dumps(content.to_json(), option=orjson.OPT_SORT_KEYS)).hexdigest()


def values_place(dispatch_id: UUID) -> Where:
    """Where sealed values of a reply open: a reply has one delivery, named by its dispatch."""
    return Where("messengers_delivery", "values_sealed", dispatch_id)


def _frozen(content: Content) -> dict[str, Any]:
    return {"content": content.to_json(), "content_sha256": content_hash(content)}


def _sealed(subject: UUID, dispatch_id: UUID, values: Mapping[str, str] | None) -> bytes | None:
    if not values:
        return None
    return seal(subject, "ops", values_place(dispatch_id), orjson.dumps(dict(values)))


def _add_one(
    dispatch: Dispatch, address: Address, gate_id: UUID | None, values_sealed: bytes | None
) -> None:
    now = rows("SELECT clock_timestamp()")[0][0]
    batch = Batch.objects.create(
        dispatch=dispatch,
        channel_id=address.channel_id,
        number=1,
        size=1,
        priority=dispatch.priority,
        due_at=now,
        counts={Delivery.Status.QUEUED: 1},
    )
    Delivery.objects.create(
        dispatch=dispatch,
        batch=batch,
        position=0,
        address=address.id,
        gate=gate_id,
        values_sealed=values_sealed,
    )
