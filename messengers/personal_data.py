"""What this room keeps about people: where they can be reached, and what was sent to them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from messengers.addresses import digest_of, profile_of, reveal, set_profile
from messengers.channels import adapter_of
from messengers.contract import BadAddress
from messengers.gates import close_gates
from messengers.inbox import open_event
from messengers.models import Address, AddressIndex, Channel, Delivery, Dispatch, Gate, InboundEvent
from messengers.outbox.control import recount
from messengers.outbox.start import values_place
from messengers.records import canonical as canonical
from messengers.records import offers as offers
from messengers.records import people_of as people_of
from messengers.sql import rows, run
from privacy.inventory import NOT_PERSONAL, AppData, Classified, Erase, Field, Klass
from privacy.vault import VaultError, open_sealed

_REACH = Field(Klass.IDENTIFIER, _("Reaching the person on this messenger"), "active_subscription")
_SEALED = Field(
    Klass.IDENTIFIER,
    _("Reaching the person on this messenger"),
    "active_subscription",
    sealed=True,
)
_NAMES = Field(
    Klass.PROFILE, _("Addressing the person by name"), "active_subscription", sealed=True
)
_GATE = Field(Klass.CONSENT, _("Sending only to people who want it"), "active_subscription")
_WHO = Field(Klass.REFERENCE, _("Knowing who was written to"), "delivery_record", erase=Erase.CLEAR)
_FATE = Field(
    Klass.DELIVERY, _("Knowing what became of a message"), "delivery_record", erase=Erase.KEEP
)
_RECEIPT = Field(
    Klass.DELIVERY, _("Matching receipts with messages"), "delivery_record", export=False
)
_INBOX = Field(Klass.REFERENCE, _("Taking each event once"), "inbox_body", export=False)
_BODY = Field(Klass.CONTENT, _("Answering what the person wrote"), "inbox_body", sealed=True)


def _nothing(model: str, names: str) -> dict[str, Classified]:
    return {f"{model}.{name}": NOT_PERSONAL for name in names.split()}


def _all(model: str, field: Field, names: str) -> dict[str, Classified]:
    return {f"{model}.{name}": field for name in names.split()}


DATA = AppData(
    app="messengers",
    fields={
        **_nothing("Channel", "id kind name status settings secrets_sealed rate_per_second"),
        **_nothing("Channel", "reply_reserve theoretical_arrival_at paused_until paused_why"),
        **_nothing("Channel", "on_doubt on_doubt_since breaker breaker_until breaker_opens"),
        **_nothing("Channel", "probes_left doubts_in_a_row doubt_times"),
        **_nothing("Channel", "setbacks provider_name provider_country transfer_basis created_at"),
        **_all("Address", _REACH, "id channel subject created_at"),
        "Address.sealed": _SEALED,
        "Address.profile_sealed": _NAMES,
        **_all("AddressIndex", _REACH, "id channel digest address"),
        **_all("Gate", _GATE, "id address subject is_open reason needs_footer changed_at"),
        **_all("InboundEvent", _INBOX, "id channel ref kind status received_at day"),
        **_all("InboundEvent", _INBOX, "is_withdrawal delivery attempts"),
        "InboundEvent.sealed": _BODY,
        **_nothing("Dispatch", "id kind status status_why priority content content_sha256"),
        **_nothing("Dispatch", "newsletter prepared values size created_at expires_at finished_at"),
        **_nothing("Batch", "id dispatch channel number size priority status due_at token"),
        **_nothing("Batch", "lease_until on_wire counts causes minutes losses"),
        **_all("Delivery", _WHO, "address gate"),
        **_all("Delivery", _FATE, "id dispatch batch position status cause attempts next_at"),
        **_all("Delivery", _FATE, "changed_at"),
        "Delivery.provider_ref": Field(
            Klass.IDENTIFIER,
            _("Matching receipts with messages"),
            "delivery_record",
            export=False,
            erase=Erase.CLEAR,
        ),
        "Delivery.values_sealed": Field(
            Klass.CONTENT,
            _("Filling in a reply until it is sent"),
            "delivery_record",
            sealed=True,
            erase=Erase.CLEAR,
        ),
        **_all("ReceiptGroup", _RECEIPT, "id channel at next_at tries size deliveries refs ranks"),
        **_all("ReceiptGroup", _RECEIPT, "causes"),
        **_nothing("Recount", "batch dispatch due_at is_stale"),
        **_nothing("Instance", "id epoch activated_at cluster generation"),
    },
)

LOCK_QUEUED = """
    SELECT id, dispatch_id FROM messengers_batch
     WHERE id IN (SELECT batch_id FROM messengers_delivery
                   WHERE address = ANY(%s) AND status = 'queued')
     ORDER BY id FOR UPDATE"""
# Replies have no gate: they answer the person, and stay.
STOP_QUEUE = """
    UPDATE messengers_delivery d
       SET status = 'suppressed', cause = %s, changed_at = clock_timestamp()
      FROM messengers_batch b
     WHERE d.dispatch_id = ANY(%s::uuid[])
       AND b.id = d.batch_id AND d.batch_id = ANY(%s) AND d.address = ANY(%s)
       AND d.gate IS NOT NULL AND d.status = 'queued' AND d.position <> ALL(b.on_wire)"""
THEIRS = "SELECT id, provider_ref FROM messengers_delivery WHERE address = ANY(%s)"
# A receipt is part of a row of many: it loses what it names, and is then about nobody.
FORGET_RECEIPTS = """
    UPDATE messengers_receiptgroup g
       SET deliveries = ARRAY(SELECT CASE WHEN e.id <> ALL(%(ids)s::bigint[]) THEN e.id END
                                FROM unnest(g.deliveries) WITH ORDINALITY AS e (id, n)
                               ORDER BY e.n),
           refs = ARRAY(SELECT CASE WHEN e.ref <> ALL(%(refs)s::bytea[]) THEN e.ref END
                          FROM unnest(g.refs) WITH ORDINALITY AS e (ref, n) ORDER BY e.n)
     WHERE g.deliveries && %(ids)s::bigint[] OR g.refs && %(refs)s::bytea[]"""
# The rows stay, so that every broadcast's numbers still add up; whose they were is gone.
FORGET_DELIVERIES = """
    UPDATE messengers_delivery
       SET address = gen_random_uuid(), gate = NULL, provider_ref = NULL, values_sealed = NULL
     WHERE address = ANY(%s)"""
UNDER_WAY = """
    SELECT count(*) FROM messengers_delivery
     WHERE address = ANY(%s) AND status = 'queued'"""
RESIDUE = """
    SELECT EXISTS (SELECT 1 FROM {table} t, unnest(%s::text[]) AS needle
                    WHERE position(lower(needle) IN lower(t::text)) > 0)"""


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """One way to reach a person, shown masked."""

    kind: str
    channel_id: UUID
    address_id: UUID
    masked: str


def kinds() -> list[str]:
    """The kinds of messengers that people are found on."""
    return sorted(set(Channel.objects.values_list("kind", flat=True)))


def find(kind: str, canonical: str) -> set[UUID]:
    """Whoever can be reached under this identifier on a messenger of this kind."""
    found: set[UUID] = set()
    for channel in Channel.objects.filter(kind=kind):
        try:
            known = adapter_of(channel).canonical(canonical)
        except BadAddress:
            known = canonical
        digest = digest_of(channel.id, known)
        indexes = AddressIndex.objects.filter(channel=channel, digest=digest)
        found.update(indexes.values_list("address__subject", flat=True))
    return found


def describe(subject: UUID) -> dict[str, Any]:
    """What a page may show: masked."""
    addresses = [{"channel": point.kind, "address": point.masked} for point in contact(subject)]
    number = Delivery.objects.filter(address__in=_ids(subject)).count()
    return {"addresses": addresses, "messages": number} if addresses else {}


@transaction.atomic
def block(subject: UUID, reason: str) -> int:
    """Close every gate of the person and take them out of every queue; how many were open."""
    known = reason if reason in Gate.Reason.values else Gate.Reason.STAFF
    number = close_gates(subject=subject, reason=known)
    addresses = _ids(subject)
    found = rows(LOCK_QUEUED, [addresses])
    batches: dict[int, UUID] = {row[0]: row[1] for row in found}
    run(STOP_QUEUE, [known, list(set(batches.values())), list(batches), addresses])
    recount(batches)
    return number


def restrict(subject: UUID) -> int:
    """Nothing more is sent until the restriction is lifted; how many gates were open."""
    return block(subject, Gate.Reason.RESTRICTED)


def rectify(subject: UUID, changes: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Correct the names by which a person is addressed; field -> what it was and is now."""
    done: dict[str, tuple[str, str]] = {}
    for address in _addresses(subject):
        before = profile_of(address)
        after = replace(before, **{name: changes[name] for name in NAMES if name in changes})
        if after != before:
            set_profile(address, after)
            pairs = {name: (getattr(before, name), getattr(after, name)) for name in NAMES}
            done |= {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return done


NAMES = ("first_name", "last_name")


def contact(subject: UUID) -> list[ContactPoint]:
    return [
        ContactPoint(address.channel.kind, address.channel_id, address.id, _masked(address))
        for address in _addresses(subject)
    ]


def identifiers(subject: UUID) -> list[tuple[str, str]]:
    """(kind, canonical identifier) in clear; whoever asks needs them to forget the person."""
    return [(address.channel.kind, reveal(address)) for address in _addresses(subject)]


def under_way(subject: UUID) -> int:
    """Messages to the person that are queued or on the wire."""
    return int(rows(UNDER_WAY, [_ids(subject)])[0][0])


def recipients(subject: UUID) -> list[str]:
    """Which providers carry messages to the person."""
    return sorted(
        {
            f"{channel.provider_name or channel.name}"
            + (f" ({channel.provider_country})" if channel.provider_country else "")
            for channel in Channel.objects.filter(addresses__subject=subject)
        }
    )


def export(subject: UUID) -> dict[str, list[dict[str, Any]]]:
    """All of it, opened."""
    return {
        "addresses": [_exported_address(address) for address in _addresses(subject)],
        "gates": [
            {
                "id": str(gate.id),
                "open": gate.is_open,
                "reason": gate.reason,
                "needs_footer": gate.needs_footer,
                "since": gate.changed_at.isoformat(),
            }
            for gate in Gate.objects.filter(subject=subject).order_by("id")
        ],
        "messages": list(_exported_messages(subject)),
        "received": [
            {"at": event.received_at.isoformat(), "text": getattr(opened, "text", "")}
            for event, opened in _kept_events(subject)
        ],
    }


@transaction.atomic
def erase(subject: UUID) -> dict[str, int]:
    """Delete what reaches the person; the counts of broadcasts stay as they are."""
    addresses = _ids(subject)
    block(subject, Gate.Reason.ERASED)
    events = [event.id for event, _opened in _kept_events(subject)]
    counts = {"InboundEvent": InboundEvent.objects.filter(id__in=events).update(sealed=None)}
    found = rows(THEIRS, [addresses])
    refs = [ref for _id, ref in found if ref is not None]
    run(FORGET_RECEIPTS, {"ids": [row[0] for row in found], "refs": refs})
    counts["Delivery"] = run(FORGET_DELIVERIES, [addresses])
    counts["Gate"] = Gate.objects.filter(subject=subject).delete()[0]
    AddressIndex.objects.filter(address__in=addresses).delete()
    counts["Address"] = Address.objects.filter(subject=subject).delete()[0]
    return counts


def scan(subject: UUID, needles: list[str]) -> list[str]:
    """Where something of the person is left after an erasure."""
    found = [
        model.__name__
        for model in (Address, Gate)
        if model.objects.filter(subject=subject).exists()
    ]
    for table in TABLES:
        if rows(RESIDUE.format(table=table), [needles])[0][0]:
            found.append(table)
    return found


TABLES = (
    "messengers_channel",
    "messengers_address",
    "messengers_inboundevent",
    "messengers_dispatch",
    "messengers_delivery",
    "messengers_receiptgroup",
)


def _addresses(subject: UUID) -> Iterator[Address]:
    yield from Address.objects.filter(subject=subject).select_related("channel").order_by("id")


def _ids(subject: UUID) -> list[UUID]:
    return [address.id for address in _addresses(subject)]


def _masked(address: Address) -> str:
    try:
        return adapter_of(address.channel).mask(reveal(address))
    except VaultError:
        return "•••"


def _exported_address(address: Address) -> dict[str, Any]:
    profile = profile_of(address)
    return {
        "messenger": address.channel.kind,
        "channel": address.channel.name,
        "address": reveal(address),
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "since": address.created_at.isoformat(),
    }


def _exported_messages(subject: UUID) -> Iterator[dict[str, Any]]:
    deliveries = Delivery.objects.filter(address__in=_ids(subject)).order_by("id")
    contents = Dispatch.objects.in_bulk({delivery.dispatch_id for delivery in deliveries})
    for delivery in deliveries:
        dispatch = contents[delivery.dispatch_id]
        message = {
            "kind": dispatch.kind,
            "text": dispatch.content.get("markdown", ""),
            "created": dispatch.created_at.isoformat(),
            "state": delivery.status,
            "state_since": delivery.changed_at.isoformat() if delivery.changed_at else "",
            "cause": delivery.cause,
            "tries": delivery.attempts,
        }
        if delivery.values_sealed is not None:
            opened = open_sealed(
                subject, "ops", values_place(dispatch.id), bytes(delivery.values_sealed)
            )
            message["values"] = orjson.loads(opened)
        yield message


def _kept_events(subject: UUID) -> Iterator[tuple[InboundEvent, Any]]:
    """Events of the person whose bodies are still there: waiting, or never handled."""
    mine = {
        (address.channel_id, identifier)
        for address in _addresses(subject)
        for identifier in _revealed(address)
    }
    channels = Channel.objects.in_bulk({channel for channel, _identifier in mine})
    spelled = {pk: _spelling(channel) for pk, channel in channels.items()}
    for event in InboundEvent.objects.filter(channel__in=channels, sealed__isnull=False):
        try:
            opened = open_event(event)
            sender = spelled[event.channel_id](opened.sender)
        except (VaultError, BadAddress):
            continue
        if (event.channel_id, sender) in mine:
            yield event, opened


def _spelling(channel: Channel) -> Callable[[str], str]:
    """How its messenger spells an identifier; unchanged where the channel cannot be used."""
    try:
        return adapter_of(channel).canonical
    except (VaultError, LookupError):
        return str


def _revealed(address: Address) -> list[str]:
    try:
        return [reveal(address)]
    except VaultError:
        return []
