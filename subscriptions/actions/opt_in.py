"""Double opt-in: a question, a clear yes from the same address, and the proof of both."""

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
from privacy.audit import record
from privacy.models import DataSubject
from privacy.suppression import fingerprint, is_suppressed, lift
from privacy.vault import sign_link
from subscriptions import caps, texts
from subscriptions.actions.offers import promised
from subscriptions.actions.questions import ask, ask_age, declared, new_question, request_of
from subscriptions.consent import State, change_of, record_consent
from subscriptions.errors import NotOffered, OptInExpired, OptInGone, TooYoung
from subscriptions.models import (
    AGE_REACHED,
    ConsentRecord,
    Newsletter,
    OptIn,
    SourceForm,
    Subscriber,
    Subscription,
    Topic,
)

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
    source_form: SourceForm | None = None,
    age_reached: bool = False,
) -> OptIn | None:
    """First step: ask at the address whether it really wants this. Replaces an open question.

    A newsletter for children asks for the age first, unless it was declared on the page.
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
        given = {**evidence, **promised(source_form, language)}
        opt_in = new_question(held, newsletter, language, method, event_at, given)
        opt_in.source_form = source_form
        opt_in.save(force_insert=True)
        opt_in.topics.set([topic for topic in topics if topic.newsletter_id == newsletter.pk])
        if opt_in.age_limit and not age_reached:
            ask_age(opt_in)
        else:
            declared(opt_in, event_at, method)
            ask(opt_in)
    return opt_in


@transaction.atomic
def declare_age(*, opt_in: OptIn, method: str, event_at: datetime) -> OptIn:
    """The age is reached, says the person: now the question itself. Raises `OptInGone`."""
    lock(opt_in.address)
    held = OptIn.objects.select_related("newsletter", "wording", "address__channel")
    found = held.filter(pk=opt_in.pk).first()
    if found is None or found.answer_until < event_at or found.age_declared:
        raise OptInGone("this question has been answered already: ask again.")
    declared(found, event_at, method)
    ask(found)
    return found


def ask_by_form(
    *,
    newsletter: Newsletter,
    channel: Channel,
    identifier: str,
    language: str,
    topics: Iterable[Topic] = (),
    form: str = "page/1",
    source_form: SourceForm | None = None,
    age_reached: bool = False,
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
            source_form=source_form,
            age_reached=age_reached,
        )


def confirm_opt_in(
    *, opt_in: OptIn, method: str, event_at: datetime, evidence: Mapping[str, Any]
) -> Subscription:
    """Second step: the holder of the address says yes. The only thing that undoes a withdrawal.

    Subscription, open gate, consent record, sealed evidence and audit entry in one transaction.
    Raises `OptInGone`, `OptInExpired` or `TooYoung`; then nothing is written.
    """
    spelled = reveal(opt_in.address)
    slow = fingerprint(opt_in.address.channel.kind, spelled)
    with transaction.atomic():
        address = lock(opt_in.address)
        held = _answerable(opt_in, address, event_at)
        subscription, state = _subscribe(held, address)
        proof = _evidence_of(held, method, event_at, evidence)
        made = _record(held, address, subscription, state, method, event_at, proof)
        open_gate(
            subscription.pk, subject=address.subject, address_id=address.pk, needs_footer=False
        )
        _lift_suppression(slow, address, subscription)
        held.delete()
        caps.answered(address.channel, spelled)
        _welcome(subscription, made)
    return subscription


def _answerable(opt_in: OptIn, address: Address, event_at: datetime) -> OptIn:
    """The open question that a yes answers, read under the lock of its address; or it raises."""
    rows = OptIn.objects.select_related("newsletter", "wording")
    held = rows.filter(pk=opt_in.pk).first()
    if held is None or _is_restricted(address):
        raise OptInGone("this question has been answered already: ask again.")
    if event_at > held.answer_until:
        raise OptInExpired("the term of this question is over: ask again.")
    is_asked = held.age_limit is not None or held.newsletter.for_children
    if is_asked and held.age_declared != AGE_REACHED:
        raise TooYoung("the age was not declared: ask again.")
    return held


def _record(
    held: OptIn,
    address: Address,
    subscription: Subscription,
    state: ConsentRecord.State,
    method: str,
    event_at: datetime,
    proof: dict[str, Any],
) -> ConsentRecord:
    change = change_of(
        address,
        subscription=subscription.pk,
        newsletter=held.newsletter_id,
        state=state,
        method=method,
        at=event_at,
        evidence=proof,
        wording=held.wording,
    )
    return record_consent(change, actor=Actor.subscriber(address.subject))


def _lift_suppression(slow: bytes, address: Address, subscription: Subscription) -> None:
    """The person's own new yes, and nothing else, takes an address off the suppression list."""
    if lift(slow, address.channel.kind, subscription.newsletter_id):
        record(
            "suppression.lifted",
            actor=Actor.subscriber(address.subject),
            obj="subscription",
            ref=subscription.pk,
        )


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
    request = request_of(held)
    asides: dict[str, Any] = {
        name: request.pop(name) for name in ("age_declared", "coupled_offer") if name in request
    }
    return {
        "request": request,
        "question": {"wording": held.wording_id, "notice": held.wording.notice_id},
        "answer": {"at": event_at, "method": method, **evidence},
        "topics": sorted(held.topics.values_list("slug", flat=True)),
        **asides,
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
