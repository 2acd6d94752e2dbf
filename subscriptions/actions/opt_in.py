"""Double opt-in: a question, a clear yes from the same address, and the proof of both."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from messengers.addresses import get_or_create_address, reveal
from messengers.channels import adapter_of
from messengers.gates import open_gate
from messengers.models import Address, Channel, Dispatch, Gate
from messengers.outbox import reply
from privacy.access import Actor
from privacy.audit import canonical, record
from privacy.models import DataSubject
from privacy.suppression import fingerprint, is_suppressed, lift
from privacy.vault import Where, new_token, open_sealed, seal, sign_link, token_hash
from subscriptions import caps, texts
from subscriptions.actions.wordings import (
    confirmation_content,
    current_wording,
    publish_defaults,
)
from subscriptions.consent import State, change_of, record_consent
from subscriptions.errors import NotOffered, OptInExpired, OptInGone
from subscriptions.models import (
    ConsentRecord,
    Newsletter,
    OptIn,
    Subscriber,
    Subscription,
    Topic,
    Wording,
)

# law.md, retention: a question in a chat is answered within days or not at all; a link by mail
# works for two days, and the request stays for a week so that a late click can be explained.
CHAT_TERM = timedelta(hours=72)
LINK_TERM = timedelta(hours=48)
LINK_RECORD_TERM = timedelta(days=7)
PREFERENCES_TERM = timedelta(days=30)
RECEIPT_TERM = timedelta(days=365)


def request_opt_in(
    *,
    address: Address,
    newsletter: Newsletter,
    language: str,
    method: str,
    event_at: datetime,
    evidence: Mapping[str, Any],
    topics: Iterable[Topic] = (),
) -> OptIn | None:
    """First step: ask at the address whether it really wants this. Replaces an open question.

    None, and nothing written or sent, if this address was asked too often lately or is restricted.
    Raises `NotOffered`.
    """
    channel = address.channel
    if not newsletter.channels.filter(pk=channel.pk).exists():
        raise NotOffered("this newsletter is not offered on this channel.")
    with transaction.atomic():
        held = lock(address)
        if _is_restricted(held) or not caps.take("confirmation", channel, reveal(held)):
            return None
        OptIn.objects.filter(address=held).delete()
        opt_in, token = _new(held, newsletter, language, method, event_at, evidence)
        opt_in.topics.set([topic for topic in topics if topic.newsletter_id == newsletter.pk])
        _ask(opt_in, token)
    return opt_in


def ask_by_form(
    *,
    newsletter: Newsletter,
    channel: Channel,
    identifier: str,
    language: str,
    topics: Iterable[Topic] = (),
    form: str = "page/1",
) -> None:
    """Somebody typed an address into a form. The caller's answer is the same whatever comes of it.

    A suppressed address is never written to from here: its holder must write first. One that
    gets the newsletter already is told so at most once a day. Raises `BadAddress` for a text
    that is no address, before anything is looked up.
    """
    spelled = adapter_of(channel).canonical(identifier)
    found = fingerprint(channel.kind, spelled)
    with transaction.atomic():
        if is_suppressed(found, newsletter.pk):
            return
        address = get_or_create_address(channel, spelled)
        if is_reached(address, newsletter):
            if caps.take("known", channel, spelled):
                say(address, "already_subscribed", language, newsletter)
            return
        request_opt_in(
            address=address,
            newsletter=newsletter,
            language=language,
            method="web_form",
            event_at=timezone.now(),
            evidence={"form": form},
            topics=topics,
        )


def confirm_opt_in(
    *, opt_in: OptIn, method: str, event_at: datetime, evidence: Mapping[str, Any]
) -> Subscription:
    """Second step: the holder of the address says yes. The only thing that undoes a withdrawal.

    Subscription, open gate, consent record, sealed evidence and audit entry in one transaction.
    Raises `OptInGone` or `OptInExpired`; then nothing is written.
    """
    spelled = reveal(opt_in.address)
    slow = fingerprint(opt_in.address.channel.kind, spelled)
    with transaction.atomic():
        address = lock(opt_in.address)
        held = OptIn.objects.select_related("newsletter", "wording").filter(pk=opt_in.pk).first()
        if held is None or _is_restricted(address):
            raise OptInGone("this question has been answered already: ask again.")
        if event_at > held.answer_until:
            raise OptInExpired("the term of this question is over: ask again.")
        subscription, state = _subscribe(held, address)
        proof = _evidence_of(held, method, event_at, evidence)
        made = record_consent(
            change_of(
                address,
                subscription=subscription.pk,
                newsletter=held.newsletter_id,
                state=state,
                method=method,
                at=event_at,
                evidence=proof,
                wording=held.wording,
            ),
            actor=Actor.subscriber(address.subject),
        )
        open_gate(
            subscription.pk, subject=address.subject, address_id=address.pk, needs_footer=False
        )
        if lift(slow, address.channel.kind, held.newsletter_id):
            record(
                "suppression.lifted",
                actor=Actor.subscriber(address.subject),
                obj="subscription",
                ref=subscription.pk,
            )
        held.delete()
        caps.answered(address.channel, spelled)
        _welcome(subscription, made)
    return subscription


@transaction.atomic
def decline_opt_in(*, opt_in: OptIn) -> bool:
    """The holder says no: the question and its evidence are erased at once. May run twice."""
    address = lock(opt_in.address)
    gone, _ = OptIn.objects.filter(pk=opt_in.pk).delete()
    if gone:
        caps.answered(address.channel, reveal(address))
    return bool(gone)


def lock(address: Address) -> Address:
    """Hold the address: yes, no and stop of one person happen one after the other."""
    return (
        Address.objects.select_related("channel")
        .select_for_update(no_key=True, of=("self",))
        .get(pk=address.pk)
    )


def is_reached(address: Address, newsletter: Newsletter) -> bool:
    """Whether this address gets this newsletter now: confirmed, and nothing closed its gate."""
    confirmed = Subscription.objects.filter(
        address=address, newsletter=newsletter, status=Subscription.Status.CONFIRMED
    ).values_list("pk", flat=True)
    return Gate.objects.filter(pk__in=confirmed, is_open=True).exists()


def say(
    address: Address, name: str, language: str, newsletter: Newsletter, **values: str
) -> Dispatch:
    """Queue one of our messages about a newsletter."""
    facts = texts.newsletter_values(newsletter, language) | values
    return reply(address=address, content=texts.content(name, language), values=facts)


def preferences_link(subscription: Subscription) -> str:
    ends = timezone.now() + PREFERENCES_TERM
    return texts.page("preferences", sign_link("preferences", subscription.pk, ends))


def _new(
    address: Address,
    newsletter: Newsletter,
    language: str,
    method: str,
    event_at: datetime,
    evidence: Mapping[str, Any],
) -> tuple[OptIn, str]:
    has_link = texts.is_mail(address.channel.kind)
    token = new_token() if has_link else ""
    now = timezone.now()
    opt_in = OptIn(
        address=address,
        newsletter=newsletter,
        language=language,
        wording=_wording(newsletter, language, address.channel),
        method=method,
        token_hash=token_hash("confirm", token) if token else None,
        requested_at=event_at,
        answer_until=now + (LINK_TERM if has_link else CHAT_TERM),
        erase_at=now + (LINK_RECORD_TERM if has_link else CHAT_TERM),
    )
    request = canonical({"at": event_at, "method": method, **evidence})
    opt_in.evidence_sealed = seal(address.subject, "evidence", _where(opt_in), request)
    opt_in.save(force_insert=True)
    return opt_in, token


def _wording(newsletter: Newsletter, language: str, channel: Channel) -> Wording:
    found = current_wording(newsletter, language, channel.kind)
    if found is None:
        channels = list(newsletter.channels.all())
        publish_defaults(newsletter=newsletter, channels=channels, actor=Actor.system("opt_in"))
        found = current_wording(newsletter, language, channel.kind)
    assert found
    return found


def _ask(opt_in: OptIn, token: str) -> None:
    """One message: the wording as it was published, and a way to answer."""
    values = {"newsletter": opt_in.newsletter.name, "question": str(opt_in.pk)}
    if token:
        values["confirm_url"] = texts.page("confirm", token)
    reply(
        address=opt_in.address,
        content=confirmation_content(opt_in.wording, opt_in.address.channel),
        values=values,
        kind=Dispatch.Kind.CONFIRMATION,
        expires_at=opt_in.answer_until,
    )


def _is_restricted(address: Address) -> bool:
    """An erasure or restriction is under way: nothing new begins until it is done."""
    return (
        DataSubject.objects.filter(pk=address.subject)
        .exclude(status=DataSubject.Status.ACTIVE)
        .exists()
    )


def _subscribe(held: OptIn, address: Address) -> tuple[Subscription, ConsentRecord.State]:
    """The confirmed subscription, new or back again, and what that means for the ledger."""
    subscriber, _ = Subscriber.objects.get_or_create(
        id=address.subject, defaults={"language": held.language}
    )
    known = Subscription.objects.filter(newsletter=held.newsletter_id, address=address).first()
    subscription = known or Subscription(
        newsletter=held.newsletter, address=address, channel=address.channel
    )
    is_first = known is None or known.status == Subscription.Status.IMPORTED
    subscription.subscriber = subscriber
    subscription.status = Subscription.Status.CONFIRMED
    subscription.legal_basis = Subscription.LegalBasis.CONSENT
    subscription.language = held.language
    subscription.source = "web" if held.method == "web_form" else "chat"
    subscription.confirmed_at = timezone.now()
    subscription.ended_at = None
    subscription.save()
    # Without a choice people get everything, and can leave topics out afterwards.
    chosen = list(held.topics.all()) or list(held.newsletter.topics.all())
    subscription.topics.set(chosen)
    return subscription, State.GIVEN if is_first else State.RENEWED


def _evidence_of(
    held: OptIn, method: str, event_at: datetime, evidence: Mapping[str, Any]
) -> dict[str, Any]:
    """Request and answer together: what a court wants to see of both steps (BGH I ZR 164/09)."""
    subject = held.address.subject
    opened = open_sealed(subject, "evidence", _where(held), bytes(held.evidence_sealed))
    return {
        "request": json.loads(opened),
        "question": {"wording": held.wording_id, "notice": held.wording.notice_id},
        "answer": {"at": event_at, "method": method, **evidence},
        "topics": sorted(held.topics.values_list("slug", flat=True)),
    }


def _welcome(subscription: Subscription, made: ConsentRecord) -> None:
    """The receipt, once, with the topics as buttons where the messenger has some."""
    newsletter, language = subscription.newsletter, subscription.language
    buttons, labels = texts.topic_buttons(subscription)
    receipt = sign_link("receipt", made.pk, timezone.now() + RECEIPT_TERM)
    values = texts.newsletter_values(newsletter, language) | labels
    values["receipt_url"] = texts.page("receipt", receipt)
    values["preferences_url"] = preferences_link(subscription)
    content = texts.content("confirmed", language, buttons=buttons)
    reply(address=subscription.address, content=content, values=values)


def _where(opt_in: OptIn) -> Where:
    return Where("subscriptions_optin", "evidence_sealed", opt_in.pk)
