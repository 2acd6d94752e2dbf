"""What this app keeps about people: newsletters they get, what they said to it, and the proof."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from messengers.addresses import reveal
from messengers.gates import close_gates
from messengers.models import Address, Gate
from privacy.access import Actor
from privacy.inventory import NOT_PERSONAL, AppData, Classified, Erase, Field, Klass
from privacy.models import DataSubject
from privacy.vault import KeyDestroyed
from subscriptions import caps
from subscriptions.actions.inbox import read_reply
from subscriptions.actions.withdrawal import object_to, withdraw
from subscriptions.consent import opened_evidence
from subscriptions.forget import forget_in_lists
from subscriptions.models import (
    ConsentRecord,
    Notice,
    OptIn,
    Reply,
    Subscriber,
    Subscription,
    Wording,
)
from subscriptions.proof.desk import consent, proof_file, prove
from subscriptions.proof.facts import CUSTOMER
from subscriptions.records import import_rules as import_rules
from subscriptions.records import offers as offers
from subscriptions.records import people_of as people_of
from subscriptions.rights import asked_evidence
from subscriptions.rights import portable as portable
from subscriptions.rights import rectify as rectify
from subscriptions.rights import unrestrict as unrestrict

__all__ = [
    "DATA", "block", "consent", "describe", "erase", "export", "proof_file", "prove", "scan"
]  # fmt: skip  # the verbs this app offers

_SUBSCRIPTION = Field(
    Klass.PROFILE, _("Sending the newsletter that was asked for"), "active_subscription"
)
_LINK = Field(
    Klass.REFERENCE, _("Holding together what belongs to one person"), "active_subscription"
)
_PENDING = Field(
    Klass.CONSENT, _("Asking whether somebody really wants the newsletter"), "pending_opt_in"
)
_PENDING_SEALED = Field(
    Klass.CONSENT, _("Proving the first step of the double opt-in"), "pending_opt_in", sealed=True
)
_LEDGER = Field(
    Klass.CONSENT,
    _("Proving consent and withdrawal (Art. 7(1) GDPR)"),
    "consent_evidence",
    erase=Erase.KEEP,
)
_EVIDENCE = Field(
    Klass.CONSENT,
    _("Opening what the consent ledger commits to"),
    "consent_evidence",
    sealed=True,
    erase=Erase.KEY,
)
_TEXT = Field(Klass.CONTENT, _("Letting editors answer"), "inbound_text", sealed=True)
_TEXT_FACT = Field(Klass.CONTENT, _("Letting editors answer"), "inbound_text")
_COUNTER = Field(
    Klass.IDENTIFIER,
    _("Keeping anybody from being bombed with confirmations"),
    "pending_opt_in",
    export=False,
)
_FILE = Field(
    Klass.IDENTIFIER,
    _("Loading a list with its evidence"),
    "import_file",
    export=False,
    sealed=True,
)
_STAFF = Field(
    Klass.STAFF, _("Tracing who did what"), "audit_entry", export=False, erase=Erase.KEEP
)


def _nothing(model: str, *names: str) -> dict[str, Classified]:
    return {f"{model}.{name}": NOT_PERSONAL for name in names}


def _all(model: str, field: Field, *names: str) -> dict[str, Classified]:
    return {f"{model}.{name}": field for name in names}


DATA = AppData(
    app="subscriptions",
    fields={
        **_nothing("Newsletter", "id", "slug", "name", "publisher", "what_de", "what_en"),
        **_nothing("Newsletter", "frequency_de", "frequency_en", "imprint_url", "time_zone"),
        **_nothing("Newsletter", "quiet_from", "quiet_until", "daily_cap", "is_public"),
        **_nothing("Newsletter", "created_at", "for_children"),
        **_nothing("Newsletter_channels", "id", "newsletter", "channel"),
        **_nothing("Topic", "id", "newsletter", "slug", "name_de", "name_en", "position"),
        **_nothing("Keyword", "id", "newsletter", "language", "word", "intent", "only_alone"),
        **_nothing("Notice", "id", "newsletter", "language", "text", "published_at"),
        "Notice.published_by": _STAFF,
        **_nothing("Wording", "id", "newsletter", "language", "channel_kind", "text", "notice"),
        **_nothing("Wording", "published_at"),
        "Wording.published_by": _STAFF,
        **_all("Subscriber", _SUBSCRIPTION, "id", "language", "created_at"),
        **_all("Subscription", _SUBSCRIPTION, "id", "newsletter", "channel", "language"),
        **_all("Subscription", _SUBSCRIPTION, "status", "legal_basis", "source", "imported_by"),
        **_all("Subscription", _SUBSCRIPTION, "confirmed_at", "ended_at", "last_used_at"),
        **_all("Subscription", _LINK, "subscriber", "address"),
        **_all("Subscription_topics", _SUBSCRIPTION, "id", "subscription", "topic"),
        **_all("OptIn", _PENDING, "id", "address", "newsletter", "language", "wording", "method"),
        **_all("OptIn", _PENDING, "requested_at", "answer_until", "erase_at"),
        **_all("OptIn", _PENDING, "age_limit", "age_declared", "source_form"),
        **_nothing("OptIn", "token_hash"),
        "OptIn.evidence_sealed": _PENDING_SEALED,
        **_all("OptIn_topics", _PENDING, "id", "optin", "topic"),
        **_all("ConsentRecord", _LEDGER, "id", "subject", "subscription", "newsletter", "state"),
        **_all("ConsentRecord", _LEDGER, "wording", "at", "entry", "leaf"),
        **_nothing("ConsentRecord", "xid"),
        **_all("Evidence", _LEDGER, "record", "subject"),
        "Evidence.sealed": _EVIDENCE,
        **_all("ContactCap", _COUNTER, "key", "sent_at", "erase_at"),
        **_nothing("Import", "id", "newsletter", "channel", "status", "legal_basis", "counts"),
        **_nothing("Import", "file_sha256", "report", "uploaded_at", "decided_at"),
        **_all("Import", _STAFF, "uploaded_by", "decided_by"),
        **_nothing("Import", "similar_offers"),
        "Import.content_sealed": _FILE,
        **_nothing("ImportJob", "import_id", "verb", "status", "done", "total", "why", "beat_at"),
        "ImportJob.asked_by": _STAFF,
        **_nothing("SourceForm", "id", "newsletter", "code", "name", "coupled_offer", "offer_de"),
        **_nothing("SourceForm", "offer_en", "status", "made_at", "decided_at", "reasons"),
        **_all("SourceForm", _STAFF, "made_by", "decided_by"),
        # Made before anybody is known who would use it.
        **_nothing("StartToken", "token_hash", "newsletter", "source_form", "language"),
        **_nothing("StartToken", "age_limit", "age_declared", "expires_at"),
        **_nothing("StartToken_topics", "id", "starttoken", "topic"),
        **_nothing("TextProposal", "id", "newsletter", "language", "kind", "text", "status"),
        **_nothing("TextProposal", "proposed_at", "decided_at"),
        **_all("TextProposal", _STAFF, "proposed_by", "decided_by"),
        **_nothing("Segment", "id", "newsletter", "name", "rule"),
        **_all("Reply", _TEXT_FACT, "id", "address", "newsletter", "asks_stop", "received_at"),
        **_all("Reply", _TEXT_FACT, "handled_at"),
        "Reply.sealed": _TEXT,
        "Reply.handled_by": _STAFF,
    },
)


def describe(subject: UUID) -> dict[str, Any]:
    """What a page may show: which newsletters, since when, and how they ended. Nothing sealed."""
    return {
        "subscriptions": [
            {
                "newsletter": one.newsletter.name,
                "channel": one.channel.name,
                "status": one.get_status_display(),
                "language": one.language,
                "topics": [topic.slug for topic in one.topics.all()],
                "confirmed_at": one.confirmed_at,
                "ended_at": one.ended_at,
            }
            for one in _subscriptions(subject)
        ],
        "open_question": OptIn.objects.filter(address__subject=subject).exists(),
        "replies": Reply.objects.filter(address__subject=subject).count(),
        "consent_records": ConsentRecord.objects.filter(subject=subject).count(),
    }


def block(subject: UUID, reason: str) -> int:
    """Stop everything to a person at once; how many gates were open.

    An objection or a request for erasure takes the consent back as well, and says so in the ledger.
    """
    gates = Gate.objects.filter(subject=subject, is_open=True)
    was_open = gates.count()
    if reason in ENDING:
        for address in Address.objects.filter(subject=subject).select_related("channel"):
            end = object_to if reason == Gate.Reason.OBJECTED else withdraw
            end(
                address=address,
                method="request",
                event_at=timezone.now(),
                evidence={},
                actor=Actor.subscriber(subject),
            )
    close_gates(subject=subject, reason=reason)
    return was_open


ENDING = {Gate.Reason.OBJECTED, Gate.Reason.ERASED}


def export(subject: UUID) -> dict[str, list[dict[str, Any]]]:
    """All of it, opened: with the wordings people agreed to and the notices they were shown."""
    records = list(ConsentRecord.objects.filter(subject=subject).order_by("at", "id"))
    wordings = Wording.objects.filter(pk__in={one.wording for one in records})
    return {
        "subscriber": [
            {"language": one.language, "created_at": one.created_at}
            for one in Subscriber.objects.filter(pk=subject)
        ],
        "subscriptions": [_exported(one) for one in _subscriptions(subject)],
        "pending_requests": [
            {
                "newsletter": one.newsletter.name,
                "language": one.language,
                "topics": [topic.slug for topic in one.topics.all()],
                "method": one.method,
                "wording": one.wording_id,
                "requested_at": one.requested_at,
                "answer_until": one.answer_until,
                "erased_at_the_latest": one.erase_at,
                "age_limit": one.age_limit,
                "age_declared": one.age_declared,
                "form": one.source_form.name if one.source_form else "",
                "evidence": asked_evidence(one),
            }
            for one in OptIn.objects.filter(address__subject=subject).select_related(
                "newsletter", "source_form"
            )
        ],
        "consent": list(_consent(subject, records)),
        "wordings": [
            {"id": one.pk, "language": one.language, "text": one.text, "notice": one.notice_id}
            for one in wordings
        ],
        "notices": [
            {"id": one.pk, "language": one.language, "text": one.text}
            for one in Notice.objects.filter(pk__in={one.notice_id for one in wordings})
        ],
        "messages_to_us": [
            {
                "received_at": one.received_at,
                "text": read_reply(one),
                "newsletter": one.newsletter.name if one.newsletter else "",
                "asks_stop": one.asks_stop,
                "handled_at": one.handled_at,
            }
            for one in _replies(subject)
        ],
    }


def erase(subject: UUID) -> dict[str, int]:
    """Delete the person's rows. The ledger stays; its evidence ends with its key."""
    counts = {
        "Reply": Reply.objects.filter(address__subject=subject).delete()[0],
        "OptIn": OptIn.objects.filter(address__subject=subject).delete()[0],
        "Subscription": _delete_subscriptions(subject),
        "Subscriber": Subscriber.objects.filter(pk=subject).delete()[0],
        "ContactCap": _forget_counters(subject),
        "Import": _forget_in_lists(subject),
    }
    return {table: count for table, count in counts.items() if count}


def scan(subject: UUID, needles: list[str]) -> list[str]:
    """Tables that still know the person."""
    left = {
        "Subscriber": Subscriber.objects.filter(pk=subject).exists(),
        "Subscription": Subscription.objects.filter(subscriber=subject).exists(),
        "OptIn": OptIn.objects.filter(address__subject=subject).exists(),
        "Reply": Reply.objects.filter(address__subject=subject).exists(),
    }
    return [table for table, is_there in left.items() if is_there]


def _delete_subscriptions(subject: UUID) -> int:
    gates = list(Subscription.objects.filter(subscriber=subject).values_list("pk", flat=True))
    close_gates(gate_ids=gates, reason=Gate.Reason.ERASED)
    Subscription.objects.filter(subscriber=subject).delete()
    return len(gates)


def _forget_counters(subject: UUID) -> int:
    """Counters go with an erasure somebody asked for; not when a mere request has expired."""
    is_asked_for = (
        DataSubject.objects.filter(pk=subject).exclude(status=DataSubject.Status.ACTIVE).exists()
    )
    if not is_asked_for:
        return 0
    addresses = Address.objects.filter(subject=subject).select_related("channel")
    return sum(
        caps.forget(address.channel, canonical)
        for address in addresses
        for canonical in _revealed(address)
    )


def _forget_in_lists(subject: UUID) -> int:
    addresses = Address.objects.filter(subject=subject).select_related("channel")
    known = {(one.channel.kind, canonical) for one in addresses for canonical in _revealed(one)}
    return forget_in_lists(known)


def _revealed(address: Address) -> list[str]:
    """Nothing in a restored backup: the key of an erased person stays destroyed."""
    try:
        return [reveal(address)]
    except KeyDestroyed:
        return []


def _subscriptions(subject: UUID) -> list[Subscription]:
    rows = Subscription.objects.filter(subscriber=subject)
    return list(
        rows.select_related("newsletter", "channel", "imported_by").prefetch_related("topics")
    )


def _exported(one: Subscription) -> dict[str, Any]:
    return {
        "id": one.pk,
        "newsletter": one.newsletter.name,
        "channel": one.channel.name,
        "provider": one.channel.provider_name,
        "language": one.language,
        "topics": [topic.slug for topic in one.topics.all()],
        "status": one.status,
        "legal_basis": one.legal_basis,
        "source": one.source,
        "imported_at": one.imported_by.uploaded_at if one.imported_by else None,
        "confirmed_at": one.confirmed_at,
        "ended_at": one.ended_at,
        "last_used_at": one.last_used_at,
    }


def _consent(subject: UUID, records: list[ConsentRecord]) -> Iterator[dict[str, Any]]:
    opened = opened_evidence(subject)
    for one in records:
        yield {
            "id": one.pk,
            "subscription": one.subscription,
            "state": one.state,
            "legal_basis": _customer_basis(one),
            "at": one.at,
            "wording": one.wording,
            "entry": bytes(one.entry).decode(),
            "leaf": bytes(one.leaf).hex(),
            "evidence": opened.get(one.pk, {}),
        }


def _customer_basis(one: ConsentRecord) -> str:
    """Of an existing customer, whose record is no consent; else nothing."""
    entry = json.loads(bytes(one.entry)) if one.entry else {}
    is_customer = entry.get("method") == CUSTOMER
    return str(Subscription.LegalBasis.EXISTING_CUSTOMER.label) if is_customer else ""


def _replies(subject: UUID) -> list[Reply]:
    rows = Reply.objects.filter(address__subject=subject).select_related("address", "newsletter")
    return list(rows.order_by("received_at"))
