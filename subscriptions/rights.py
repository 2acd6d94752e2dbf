"""What people may have done with their subscriptions: let go on, corrected, taken along."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from messengers.addresses import profile_of, reveal
from messengers.channels import adapter_of
from messengers.contract import BadAddress
from messengers.gates import release_gates
from messengers.models import Gate
from privacy.access import Actor
from privacy.vault import KeyDestroyed, Where, open_sealed
from subscriptions.actions.opt_in import ask_by_form
from subscriptions.actions.withdrawal import withdraw
from subscriptions.models import (
    LANGUAGES,
    ConsentRecord,
    OptIn,
    Subscriber,
    Subscription,
    Wording,
)

Status = Subscription.Status
LIVE = (Status.CONFIRMED, Status.IMPORTED)
SAID_YES = (ConsentRecord.State.GIVEN, ConsentRecord.State.RENEWED)
MAX_WORDING = 4_000  # characters; what a cell of an imported list may hold


def unrestrict(subject: UUID) -> int:
    """Open what only the restriction had closed; an import still waits for its approval."""
    ids = {
        status: list(
            Subscription.objects.filter(subscriber=subject, status=status).values_list(
                "pk", flat=True
            )
        )
        for status in LIVE
    }
    restricted = Gate.Reason.RESTRICTED
    release_gates(ids[Status.IMPORTED], closed_as=restricted, to=Gate.Reason.AWAITING_APPROVAL)
    return release_gates(ids[Status.CONFIRMED], closed_as=restricted)


def rectify(subject: UUID, changes: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Correct language and address; field -> what it was and is now."""
    return _language(subject, changes.get("language", "")) | _address(
        subject, changes.get("address", "")
    )


def portable(subject: UUID) -> list[dict[str, Any]]:
    """Each subscription as our own import of lists reads it, with its proof of consent."""
    rows = Subscription.objects.filter(subscriber=subject).order_by("pk")
    related = rows.select_related("newsletter", "address__channel").prefetch_related("topics")
    return [_portable(one) for one in related]


def asked_evidence(question: OptIn) -> dict[str, Any]:
    """What is kept of a request that waits for its yes: text, time, ids of the messenger.

    Empty once the key of the person's evidence is destroyed: nobody can tell it any more.
    """
    place = Where("subscriptions_optin", "evidence_sealed", question.pk)
    subject, sealed = question.address.subject, bytes(question.evidence_sealed)
    try:
        opened: dict[str, Any] = json.loads(open_sealed(subject, "evidence", place, sealed))
    except KeyDestroyed:
        return {}
    return opened


def _language(subject: UUID, wanted: str) -> dict[str, tuple[str, str]]:
    person = Subscriber.objects.filter(pk=subject).first()
    if person is None or wanted not in dict(LANGUAGES) or wanted == person.language:
        return {}
    before, person.language = person.language, wanted
    person.save(update_fields=["language"])
    Subscription.objects.filter(subscriber=subject).update(language=wanted)
    return {"language": (before, wanted)}


def _address(subject: UUID, wanted: str) -> dict[str, tuple[str, str]]:
    """A new address is a new identity: the old one gets nothing more, the new one is asked.

    Only where we may write first, which is e-mail; from a messenger the person writes themselves.
    """
    if not wanted:
        return {}
    done: dict[str, tuple[str, str]] = {}
    live = Subscription.objects.filter(subscriber=subject, status__in=LIVE).order_by("pk")
    for one in live.select_related("newsletter", "address__channel"):
        adapter, before = adapter_of(one.address.channel), reveal(one.address)
        try:
            after = adapter.canonical(wanted)
        except BadAddress:
            continue
        if adapter.capabilities.opens_conversation and after != before:
            _move(one, after)
            done["address"] = (before, after)
    return done


def _move(one: Subscription, identifier: str) -> None:
    topics = list(one.topics.all())
    withdraw(
        subscription=one,
        method="rectification",
        event_at=timezone.now(),
        evidence={},
        actor=Actor.subscriber(one.subscriber_id),
    )
    ask_by_form(
        newsletter=one.newsletter,
        channel=one.address.channel,
        identifier=identifier,
        language=one.language,
        topics=topics,
        form="rectification/1",
    )


def _portable(one: Subscription) -> dict[str, Any]:
    profile, said = profile_of(one.address), _last_yes(one)
    wording = Wording.objects.filter(pk=said.wording).first() if said else None
    return {
        "newsletter": one.newsletter.slug,
        "messenger": one.address.channel.kind,
        "address": reveal(one.address),
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "language": one.language,
        "topics": [topic.slug for topic in one.topics.all()],
        "consent_at": _moment(one, said),
        "consent_source": f"{one.newsletter.publisher}, {one.source}, {said.pk if said else ''}",
        "wording": wording.text[:MAX_WORDING] if wording else "",
        "status": "confirmed" if one.status in LIVE else "withdrawn",
    }


def _last_yes(one: Subscription) -> ConsentRecord | None:
    records = ConsentRecord.objects.filter(subscription=one.pk, state__in=SAID_YES)
    return records.order_by("at").last()


def _moment(one: Subscription, said: ConsentRecord | None) -> datetime | str:
    return (said.at if said else one.confirmed_at) or ""
