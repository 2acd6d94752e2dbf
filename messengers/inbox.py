"""The one way in: what a provider tells us, verified, stored once, answered after the commit.

A withdrawal takes effect inside the very transaction that stores it, so that the 200 which the
provider gets means: nothing more will be sent. Texts are handled afterwards, one transaction each.
What the body says never stands in a log or an exception of ours.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from importlib import import_module
from types import ModuleType
from uuid import UUID

import orjson
import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from messengers.addresses import reveal
from messengers.attempts import open_attempt
from messengers.channels import adapter_of
from messengers.contract import (
    BadPayload,
    HookReply,
    OptOutEvent,
    PersonEvent,
    TextEvent,
)
from messengers.doorbell import HANDLE_INBOX, ring_after_commit
from messengers.models import Address, Channel, Delivery, InboundEvent
from messengers.receipts import Reduced, reduced, store
from messengers.sql import rows
from privacy.access import Actor
from privacy.audit import record
from privacy.durable import durably
from privacy.vault import KeystoreDown, VaultError, Where, keyed_hash, open_inbox, seal_inbox

log = structlog.get_logger("jawort.inbox")

OK, REFUSED, UNREADABLE, TRY_AGAIN = 200, 403, 400, 503
MAX_ATTEMPTS = 5
LOCK_HANDLER = "SELECT pg_advisory_xact_lock(hashtext('messengers.inbox'))"
# One at a time and in their order: a YES must not overtake the START it answers.
NEXT = """
    SELECT id FROM messengers_inboundevent
     WHERE status = 'waiting' AND id > %s ORDER BY id LIMIT 1 FOR UPDATE"""
ADD = """
    INSERT INTO messengers_inboundevent
           (channel_id, ref, kind, status, received_at, day, sealed, is_withdrawal, attempts)
    VALUES (%s, %s, %s, %s, %s, %s, %s, false, 0)
    ON CONFLICT DO NOTHING RETURNING id"""

Person = PersonEvent


def accept(channel: Channel, headers: Mapping[str, str], body: bytes) -> int:
    """Take one hook call in; the HTTP status to answer with. 200 only when all of it is stored."""
    adapter = adapter_of(channel)
    if not adapter.verify(headers, body):
        return REFUSED
    try:
        persons, receipts = adapter.read_hook(headers, body)
    except BadPayload:
        log.warning("hook_unreadable", channel=str(channel.id))
        return UNREADABLE
    try:
        return store_alone(channel, persons, reduced(channel.id, receipts))
    except (OperationalError, InterfaceError) as error:
        log.warning("hook_without_database", error=type(error).__name__)
        connection.close()
        return TRY_AGAIN


def may_withdraw(channel: Channel, event: Person) -> bool:
    """Whether this might end something, so that it must not wait for others. Writes nothing."""
    return isinstance(event, OptOutEvent) or bool(_inbound().may_withdraw(channel, event))


def handshake(channel: Channel, method: str, query: Mapping[str, str]) -> HookReply | None:
    """The answer to a provider that asks whether this hook is ours."""
    return adapter_of(channel).handshake(method, query)


def store_alone(channel: Channel, persons: Sequence[Person], receipts: Sequence[Reduced]) -> int:
    """Store what one call brought and apply its withdrawals, in one transaction; the status."""
    with transaction.atomic():
        durably()
        is_sealed, fresh = _add(channel, persons)
        withdrawn = _withdraw(channel, [event for _, event in fresh])
        _mark(fresh, withdrawn)
        if store(channel.id, receipts) or fresh:
            ring_after_commit(HANDLE_INBOX)
    # Without the key store nothing but the withdrawals can be kept: the provider repeats the rest.
    return OK if is_sealed else TRY_AGAIN


Fresh = list[tuple[int, Person]]


def _add(channel: Channel, events: Sequence[Person]) -> tuple[bool, Fresh]:
    """One row for each event that is new: (whether all could be sealed, [(row id, event)])."""
    now = timezone.now()
    fresh: Fresh = []
    is_sealed = True
    for event in events:
        ref = ref_of(channel.id, event)
        is_text = isinstance(event, TextEvent)
        try:
            sealed = seal_event(channel.id, ref, event, now)
        except KeystoreDown:
            is_sealed = False
            fresh.append((0, _with_sender(event)))
            continue
        kind = InboundEvent.Kind.TEXT if is_text else InboundEvent.Kind.OPT_OUT
        row = rows(ADD, [channel.id, ref, kind, "waiting", now, now.date(), sealed])
        if row:
            fresh.append((row[0][0], _with_sender(event)))
    return is_sealed, fresh


def _with_sender(event: Person) -> Person:
    """Whom our attempt went to, if it is named; a mail's own sender may be an alias or forged."""
    if isinstance(event, OptOutEvent) and event.attempt:
        attempt = open_attempt(event.attempt)
        sender = sender_of(attempt.delivery) if attempt else ""
        return replace(event, sender=sender or event.sender)
    return event


def sender_of(delivery_id: int) -> str:
    """The identifier of the person a delivery went to; "" when it is gone."""
    delivery = Delivery.objects.filter(id=delivery_id).first()
    address = Address.objects.filter(id=delivery.address).first() if delivery else None
    try:
        return reveal(address) if address else ""
    except VaultError:
        return ""


def _withdraw(channel: Channel, events: Sequence[Person]) -> set[str]:
    """Let withdrawals take effect now. One that fails must not take the others with it."""
    try:
        with transaction.atomic():
            return set(_inbound().withdraw_now(channel, list(events)) or ()) if events else set()
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        log_broken("withdrawal_broke", error)
    withdrawn: set[str] = set()
    for event in events:
        try:
            with transaction.atomic():
                withdrawn |= set(_inbound().withdraw_now(channel, [event]) or ())
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            # It stays in the inbox and is tried again; after the last try somebody sees it.
            log_broken("withdrawal_broke", error)
    return withdrawn


def _mark(fresh: Fresh, withdrawn: set[str]) -> None:
    ids = [row for row, event in fresh if row and event.ref in withdrawn]
    InboundEvent.objects.filter(id__in=ids).update(is_withdrawal=True)


# --- Afterwards ---


def handle_pending() -> int:
    """Handle what waits, each event in a transaction of its own; how many were handled.

    An event that fails is tried again in later rounds, and is `failed` after the fifth time: then
    it is shown to an administrator and stops nobody.
    """
    return handle_some(0, math.inf)[0]


def handle_some(after: int, seconds: float) -> tuple[int, int]:
    """What waits beyond the event `after`, for about so long: (how many, the last event or 0).

    0 says that nothing is left: an event that failed is not tried again in the same round.
    """
    number, ends = 0, time.monotonic() + seconds
    while True:
        after, is_handled = _handle_next(after)
        number += is_handled
        if not after or time.monotonic() >= ends:
            return number, after


def _handle_next(after: int) -> tuple[int, bool]:
    """Handle the first waiting event beyond `after`: (its id or 0, whether it was handled)."""
    event_id = 0
    try:
        with transaction.atomic():
            rows(LOCK_HANDLER)
            found = rows(NEXT, [after])
            if not found:
                return 0, False
            event_id = found[0][0]
            event = InboundEvent.objects.select_related("channel").get(id=event_id)
            _handle(event)
            event.status, event.sealed = InboundEvent.Status.HANDLED, None
            event.save(update_fields=["status", "sealed"])
        return event_id, True
    except (OperationalError, InterfaceError, KeystoreDown):
        raise
    except Exception as error:
        log_broken("event_broke", error)
        _count_failure(event_id)
        return event_id, False


def _handle(event: InboundEvent) -> None:
    opened = open_event(event)
    if isinstance(opened, TextEvent) or not event.is_withdrawal:
        _inbound().handle(event, opened)


def _count_failure(event_id: int) -> None:
    with transaction.atomic():
        event = InboundEvent.objects.select_for_update().get(id=event_id)
        event.attempts += 1
        if event.attempts >= MAX_ATTEMPTS:
            event.status = InboundEvent.Status.FAILED
        event.save(update_fields=["attempts", "status"])


@transaction.atomic
def try_again(event_ids: Sequence[int], *, actor: Actor) -> int:
    """Let failed events be handled once more, after what broke them was mended; how many."""
    failed = InboundEvent.objects.filter(id__in=event_ids, status=InboundEvent.Status.FAILED)
    number = failed.update(status=InboundEvent.Status.WAITING, attempts=0)
    if number:
        record("inbox.retried", actor=actor, obj="inbox", ref="", facts={"events": number})
        ring_after_commit(HANDLE_INBOX)
    return number


# --- Sealing ---


def ref_of(channel_id: UUID, event: Person) -> bytes:
    """What tells an event from all others, and says nothing about it."""
    return keyed_hash("event", f"{channel_id}|{event.ref}")


def seal_event(
    channel_id: UUID,
    ref: bytes,
    event: Person,
    at: datetime,
    sealer: Callable[[Where, bytes], bytes] | None = None,
) -> bytes:
    """What was said, under the key of the day; `sealer` has that key in hand."""
    values = {name: getattr(event, name) for name in event.__slots__}
    data = orjson.dumps({"type": type(event).__name__, **values})
    if sealer is not None:
        return sealer(_where(channel_id, ref), data)
    return seal_inbox(_where(channel_id, ref), data, at.date())


def open_event(event: InboundEvent) -> Person:
    """What was said. Raises `KeyDestroyed` when its term is over."""
    if event.sealed is None:
        return _from_refusal(event)
    sealed = open_inbox(_where(event.channel_id, bytes(event.ref)), bytes(event.sealed))
    data = orjson.loads(sealed)
    kind = {"TextEvent": TextEvent, "OptOutEvent": OptOutEvent}[data.pop("type")]
    data["at"] = datetime.fromisoformat(data["at"])
    opened: Person = kind(**data)
    return _with_sender(opened)


def _from_refusal(event: InboundEvent) -> OptOutEvent:
    """The provider refused a message because the person blocked us: a withdrawal, too."""
    sender = sender_of(event.delivery) if event.delivery is not None else ""
    return OptOutEvent(ref=f"refusal-{event.id}", at=event.received_at, sender=sender)


def _where(channel_id: UUID, ref: bytes) -> Where:
    return Where("messengers_inboundevent", "sealed", f"{channel_id}|{ref.hex()}")


def _inbound() -> ModuleType:
    """The routing above us, named in the settings because we may not import upwards."""
    return _imported(settings.INBOUND)


_imported = cache(import_module)


def log_broken(event: str, error: Exception) -> None:
    """The kind of an error and where it arose; never its text, which may quote a person."""
    where, trace = "", error.__traceback__
    while trace:
        where, trace = f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}", trace.tb_next
    log.error(event, error=type(error).__name__, where=where)
