"""Where messages from people go. The webhook and the inbox know only these three doors.

Messengers must not know subscriptions, and privacy must not know messengers: whoever knows
everybody stands here.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation

from messengers.addresses import find_address
from messengers.attempts import open_attempt
from messengers.channels import adapter_of
from messengers.contract import Adapter, BadAddress, Content, Event, OptOutEvent, TextEvent
from messengers.gates import close_gates
from messengers.models import Address, Channel, Delivery, Dispatch, Gate, InboundEvent
from messengers.outbox import reply
from messengers.remembered import Remembered
from privacy.models import DataSubject
from privacy.requests.actions import answer_identity
from privacy.vault import KeystoreDown
from subscriptions.actions import close_by_platform, withdraw
from subscriptions.actions.withdrawal import take_back
from subscriptions.conversation import Incoming, answer, understand
from subscriptions.models import Newsletter, Subscription, Topic
from subscriptions.queries import keyword_table
from subscriptions.texts import is_mail
from subscriptions.words import Intent, KeywordTable, may_be

# A request for erasure stops what is sent like any other withdrawal, before anybody works on it.
WITHDRAWING = frozenset({Intent.STOP, Intent.STOP_TOPIC, Intent.ERASURE})
# For messengers that have a subject: it says nothing of the answer, which is for one person alone.
SUBJECTS = {"de": "Ihre Anfrage", "en": "Your request"}
# Said by a person at the platform: as good as a STOP. Otherwise the platform tells us something.
SAID_BY_PERSON = frozenset({"complaint", "unsubscribed"})


def may_withdraw(channel: Channel, event: TextEvent) -> bool:
    """Whether a text could end something, by the words of a few seconds ago; asks for nothing else.

    A newer word is found when the text is handled: it then ends the same a moment later.
    """
    return bool(event.payload) or may_be(event.text, WITHDRAWING, _words(channel))


def _words(channel: Channel) -> KeywordTable:
    """Reading the words of all newsletters takes longer than everything else about a hook."""
    return _WORDS.get(channel.pk, lambda: keyword_table(channel))


_WORDS: Remembered[UUID, KeywordTable] = Remembered(seconds=5.0)


def withdraw_now(channel: Channel, events: Iterable[Event]) -> set[str]:
    """Apply every withdrawal among `events` inside the hook's own transaction; their refs.

    What has been committed with it stops the engine; saying goodbye is left for later. People are
    taken in one order, and their replies at the very end: neither two hooks nor a hook and a worker
    can wait for each other.
    """
    signs = [event for event in events if isinstance(event, TextEvent | OptOutEvent)]
    if not signs:
        return set()
    adapter = adapter_of(channel)
    applied: set[str] = set()
    put_off: list[Address] = []
    for event in sorted(signs, key=lambda event: _whose(channel, adapter, event)):
        if isinstance(event, OptOutEvent):
            is_applied = _opted_out(channel, adapter, event, put_off=put_off)
        else:
            is_applied = _said(channel, adapter, event, put_off)
        applied |= {event.ref} if is_applied else set()
    take_back(put_off)
    return applied


def _whose(channel: Channel, adapter: Adapter, event: TextEvent | OptOutEvent) -> str:
    """The id of the person's address, to order by; empty for a stranger."""
    address = _sender_of(channel, adapter, event)
    return str(address.pk) if address else ""


def handle(event: InboundEvent, opened: TextEvent | OptOutEvent) -> None:
    """Answer one text; the caller's transaction is the message's own. May run twice.

    A sign of the platform is applied, if the hook could not do all of it.
    """
    channel = event.channel
    adapter = adapter_of(channel)
    if isinstance(opened, OptOutEvent):
        _opted_out(channel, adapter, opened, or_raise=True)
        return
    try:
        incoming = _incoming(channel, adapter, opened)
    except BadAddress:
        return  # nobody whom we could answer
    if not _answers_a_question(incoming):
        answer(incoming)


def answer_subject(
    subject: UUID, template: str, context: Mapping[str, object], where: UUID | None = None
) -> None:
    """Send an answer to a request in the person's language: to their address `where`, or else to
    the one they came with last.

    A person without an address (erased meanwhile) gets nothing; that is not an error.
    """
    address = _address_of(subject, where)
    if address is None:
        return
    language = _language_of(address)
    with translation.override(language):
        text = render_to_string(template, dict(context)).strip()
    markdown, values = _sealed_text(text)
    content = Content(markdown, language, subject=SUBJECTS[language], purpose="reply")
    reply(address=address, content=content, values=values, kind=Dispatch.Kind.ANSWER)


def _answers_a_question(incoming: Incoming) -> bool:
    """Whether it is the yes or no to "Was that you?", with the number, where it was asked."""
    address = find_address(incoming.channel, incoming.canonical)
    if address is None or not incoming.is_proved:
        return False
    return answer_identity(subject=address.subject, text=incoming.text) is not None


def _said(channel: Channel, adapter: Adapter, event: TextEvent, put_off: list[Address]) -> bool:
    """Whether a text withdrew something, or would have if there were anything."""
    try:
        incoming = _incoming(channel, adapter, event)
    except BadAddress:
        return False
    reading = understand(incoming).reading
    address = find_address(channel, incoming.canonical)
    if reading.intent not in WITHDRAWING or address is None:
        return False
    is_topic = reading.intent is Intent.STOP_TOPIC
    is_one = bool(reading.newsletter) and not is_topic
    one = Newsletter.objects.filter(pk=reading.newsletter).first() if is_one else None
    _end(
        address,
        newsletter=one,
        topic=Topic.objects.filter(pk__in=reading.topics) if is_topic else None,
        method=incoming.method,
        event_at=incoming.at,
        evidence=incoming.evidence,
        put_off=put_off,
    )
    return True


def _opted_out(
    channel: Channel,
    adapter: Adapter,
    event: OptOutEvent,
    *,
    or_raise: bool = False,
    put_off: list[Address] | None = None,
) -> bool:
    """Whether a sign of the platform was applied, with its proof."""
    address = _sender_of(channel, adapter, event)
    if address is None:
        return False
    if event.cause in SAID_BY_PERSON:
        evidence = {"platform": str(event.cause), "message_id": event.ref}
        how = {"method": "platform", "event_at": event.at, "evidence": evidence}
        return _end(address, or_raise=or_raise, put_off=put_off, **how)
    close_by_platform(address=address, cause=str(event.cause), event_at=event.at)
    return True


def _end(address: Address, *, or_raise: bool = False, **how: Any) -> bool:
    """Withdraw; whether it is on record.

    Without the key store at least close the gates: the proof comes with the retry, which asks for
    `KeystoreDown` to be raised and so comes again until it is there.
    """
    try:
        with transaction.atomic():
            withdraw(address=address, **how)
    except KeystoreDown:
        if or_raise:
            raise
        if how.get("topic") is not None:
            return False
        rows = Subscription.objects.filter(address=address)
        if how.get("newsletter"):
            rows = rows.filter(newsletter=how["newsletter"])
        gates = list(rows.values_list("pk", flat=True))
        close_gates(gate_ids=gates, reason=Gate.Reason.WITHDRAWN)
        return False
    return True


def _sender_of(
    channel: Channel, adapter: Adapter, event: TextEvent | OptOutEvent
) -> Address | None:
    """The address that our delivery went to, or else the one that is named.

    The attempt comes first: nobody can forge it, and people leave from another mailbox of theirs.
    """
    attempt = open_attempt(event.attempt)
    delivery = Delivery.objects.filter(pk=attempt.delivery).first() if attempt else None
    address = Address.objects.filter(pk=delivery.address).first() if delivery else None
    if address or not event.sender:
        return address
    try:
        return find_address(channel, adapter.canonical(event.sender))
    except BadAddress:
        return None


def _incoming(channel: Channel, adapter: Adapter, event: TextEvent) -> Incoming:
    return Incoming(
        channel=channel,
        canonical=adapter.canonical(event.sender),
        text=event.text,
        payload=event.payload,
        name=event.name,
        at=event.at,
        ref=event.ref,
        # The sender of a mail can be forged; who knows the id of our message has read it.
        is_proved=not is_mail(channel.kind) or _answers_our_message(channel, adapter, event),
    )


def _answers_our_message(channel: Channel, adapter: Adapter, event: TextEvent) -> bool:
    """Whether the mail answers one that we sent to this very address."""
    attempt = open_attempt(event.attempt)
    delivery = Delivery.objects.filter(pk=attempt.delivery).first() if attempt else None
    sender = find_address(channel, adapter.canonical(event.sender))
    return delivery is not None and sender is not None and delivery.address == sender.pk


def _address_of(subject: UUID, where: UUID | None) -> Address | None:
    if DataSubject.objects.filter(pk=subject, status=DataSubject.Status.ERASED).exists():
        return None
    rows = Address.objects.filter(subject=subject).select_related("channel")
    if where is not None:
        # Never to another address than the one that was meant: it may be somebody else's phone.
        return rows.filter(pk=where).first()
    return rows.order_by("-created_at").first()


def _language_of(address: Address) -> str:
    latest = Subscription.objects.filter(address=address).order_by("-pk").first()
    return latest.language if latest else "de"


_URL = re.compile(r"https?://\S+[^\s.,;:!?)]")


def _sealed_text(text: str) -> tuple[str, dict[str, str]]:
    """`text` as placeholders only, and their values: an answer is for one person alone."""
    values: dict[str, str] = {}
    lines = [_sealed_line(line, values) for line in text.splitlines()]
    return "\n".join(lines), values


def _sealed_line(line: str, values: dict[str, str]) -> str:
    made, at = [], 0
    for url in [*_URL.finditer(line), None]:
        words = line[at : url.start() if url else len(line)].strip()
        if words:
            values[f"text_{len(values)}"] = words
            made.append(f"{{text_{len(values) - 1}}}")
        if url:
            values[f"link_{len(values)}_url"] = url.group()
            made.append(f"{{link_{len(values) - 1}_url}}")
            at = url.end()
    return " ".join(made)
