"""Writing the good rows: keys first, then everything in the caller's one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.utils import timezone

from messengers.addresses import Profile, digest_of
from messengers.models import Address, AddressIndex, Gate
from privacy.ids import uuid7
from privacy.vault import KeyRing, Where, new_subjects
from subscriptions.consent import Change, State, prepare, seal_many
from subscriptions.imports.check import Verdict
from subscriptions.models import (
    ConsentRecord,
    Evidence,
    Import,
    Subscriber,
    Subscription,
)

ROWS_AT_A_TIME = 1_000
# What the ledger calls the way in: who bought something has agreed to nothing.
METHOD: dict[str, str] = {
    Subscription.LegalBasis.CONSENT: "import",
    Subscription.LegalBasis.EXISTING_CUSTOMER: "existing_customer",
}
ADDRESS = "messengers_address"


@dataclass
class Place:
    """A row on its way in: its verdict and the address it got, new or known."""

    verdict: Verdict
    address: Address
    is_new: bool


def load_rows(
    imported: Import,
    verdicts: list[Verdict],
    progress: Callable[[int], object] = lambda done: None,
) -> None:
    """Insert all `verdicts`, which are good or withdrawn, in the caller's transaction."""
    for start in range(0, len(verdicts), ROWS_AT_A_TIME):
        some = verdicts[start : start + ROWS_AT_A_TIME]
        _load_some(imported, some)
        progress(len(some))


def _load_some(imported: Import, verdicts: list[Verdict]) -> None:
    now = timezone.now()
    places = _addresses(imported, verdicts)
    Subscriber.objects.bulk_create(
        [Subscriber(id=place.address.subject, language=place.verdict.language) for place in places],
        ignore_conflicts=True,
    )
    pairs = [(place, _subscription(imported, place, now)) for place in places]
    Subscription.objects.bulk_create([subscription for _, subscription in pairs])
    Gate.objects.bulk_create([_gate(subscription, now) for _, subscription in pairs])
    through = Subscription.topics.through
    through.objects.bulk_create(
        [
            through(subscription_id=subscription.pk, topic_id=topic.pk)
            for place, subscription in pairs
            for topic in place.verdict.topics
        ]
    )
    write_records([_change(imported, place, one, now) for place, one in pairs])


def write_records(changes: list[Change]) -> None:
    """Many consent records with their evidence; the caller writes one audit entry for all."""
    pairs = [prepare(change) for change in changes]
    ring = KeyRing.load([change.subject for change in changes], "evidence")
    ConsentRecord.objects.bulk_create([record for record, _ in pairs])
    Evidence.objects.bulk_create(seal_many(ring, pairs))


def _addresses(imported: Import, verdicts: list[Verdict]) -> list[Place]:
    channel = imported.channel
    digests = [digest_of(channel.pk, verdict.canonical) for verdict in verdicts]
    known = {
        bytes(index.digest): index.address
        for index in AddressIndex.objects.filter(
            channel=channel, digest__in=digests
        ).select_related("address")
    }
    new = [digest for digest in digests if digest not in known]
    subjects = dict(zip(new, new_subjects(len(new)), strict=True))
    ring = KeyRing.load(subjects.values(), "ops")
    places = []
    for verdict, digest in zip(verdicts, digests, strict=True):
        if digest in known:
            places.append(Place(verdict, known[digest], is_new=False))
        else:
            address = _new_address(imported, verdict, subjects[digest], ring)
            places.append(Place(verdict, address, is_new=True))
    Address.objects.bulk_create([place.address for place in places if place.is_new])
    AddressIndex.objects.bulk_create(
        [
            AddressIndex(channel=channel, digest=digest, address=place.address)
            for place, digest in zip(places, digests, strict=True)
            if place.is_new
        ]
    )
    return places


def _new_address(imported: Import, verdict: Verdict, subject: UUID, ring: KeyRing) -> Address:
    address = Address(channel=imported.channel, subject=subject)
    where = Where(ADDRESS, "sealed", address.pk)
    address.sealed = ring.seal(subject, where, verdict.canonical.encode())
    profile = Profile(verdict.first_name, verdict.last_name)
    # Who has withdrawn is remembered by address alone.
    if verdict.code == "good" and profile != Profile():
        where = Where(ADDRESS, "profile_sealed", address.pk)
        address.profile_sealed = ring.seal(subject, where, orjson.dumps(profile))
    return address


def _subscription(imported: Import, place: Place, now: datetime) -> Subscription:
    is_good = place.verdict.code == "good"
    status = Subscription.Status.IMPORTED if is_good else Subscription.Status.WITHDRAWN
    return Subscription(
        id=uuid7(),
        subscriber_id=place.address.subject,
        newsletter=imported.newsletter,
        channel=imported.channel,
        address=place.address,
        language=place.verdict.language,
        status=status,
        legal_basis=imported.legal_basis,
        source="import",
        imported_by=imported,
        ended_at=None if is_good else now,
    )


def _gate(subscription: Subscription, now: datetime) -> Gate:
    waits = subscription.status == Subscription.Status.IMPORTED
    return Gate(
        id=subscription.pk,
        address=subscription.address_id,
        subject=subscription.subscriber_id,
        reason=Gate.Reason.AWAITING_APPROVAL if waits else Gate.Reason.WITHDRAWN,
        needs_footer=subscription.legal_basis == Subscription.LegalBasis.EXISTING_CUSTOMER,
        changed_at=now,
    )


def _change(imported: Import, place: Place, subscription: Subscription, now: datetime) -> Change:
    """What the list claims, with its evidence as it stood there; not yet a consent we rely on."""
    verdict = place.verdict
    is_good = verdict.code == "good"
    evidence: dict[str, Any] = {"import": imported.pk, "line": verdict.line}
    if is_good and verdict.consent_at:
        evidence |= _claimed(verdict, Subscription.LegalBasis(imported.legal_basis))
        evidence |= {"file_sha256": imported.file_sha256}
    return Change(
        subject=place.address.subject,
        subscription=subscription.pk,
        newsletter=imported.newsletter_id,
        channel_kind=imported.channel.kind,
        canonical=verdict.canonical,
        state=State.REQUESTED if is_good else State.WITHDRAWN,
        method=METHOD[imported.legal_basis] if is_good else "import",
        at=verdict.consent_at or now,
        evidence=evidence,
    )


def _claimed(verdict: Verdict, basis: Subscription.LegalBasis) -> dict[str, Any]:
    """What the row says: of a consent, or of a sale and what the customer was told at it."""
    if basis == Subscription.LegalBasis.EXISTING_CUSTOMER:
        told = {"sold_at": verdict.consent_at, "sale": verdict.source, "told": verdict.wording}
        return {**told, "legal_basis": str(basis)}
    return {
        "consent_at": verdict.consent_at, "source": verdict.source, "wording": verdict.wording
    }  # fmt: skip
