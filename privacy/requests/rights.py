"""Correction, restriction and objection (Art. 16, 18 and 21 GDPR), carried out.

What wants to stop has stopped already when the request came in (intake); here the rest is done. The
database itself keeps the gates of a restricted person closed.
"""

import json
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import TextChoices
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from privacy import suppression
from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import DataSubject, Request, RequestStep
from privacy.requests.closing import finish, tell_outcome
from privacy.requests.delivery import answer
from privacy.requests.errors import (
    NobodyConcerned,
    NotRestricted,
    NotVerified,
    StillNeeded,
    WrongKind,
)
from privacy.requests.recipients import open_notices
from privacy.requests.states import ANSWERED
from privacy.requests.verbs import (
    block_everywhere,
    identifiers_of,
    rectify_everywhere,
    restrict_everywhere,
    unrestrict_everywhere,
)
from privacy.vault import KeyDestroyed, Where, open_sealed, seal

Kind, Outcome = Request.Kind, Request.Outcome
OBJECTED = "objected"
CHANGEABLE = ("first_name", "last_name", "language", "address")


class Ground(TextChoices):
    """Why processing is restricted: the four cases of Art. 18(1) GDPR."""

    ACCURACY = "accuracy", _("The person contests that the data are right")
    UNLAWFUL = "unlawful", _("The processing is unlawful, but the person wants no erasure")
    CLAIMS = "claims", _("The person needs the data for legal claims")
    OBJECTION = "objection", _("An objection is being looked at")


@transaction.atomic
def restrict(subject: UUID, *, actor: Actor, reason: str = Ground.ACCURACY) -> int:
    """Store and do nothing else (Art. 18(2)); how many gates were open. May run twice."""
    if actor.kind in ("staff", "token"):
        require(actor, "request.work")
    people = DataSubject.objects.filter(pk=subject, status=DataSubject.Status.ACTIVE)
    people.update(status=DataSubject.Status.RESTRICTED)
    closed = restrict_everywhere(subject)
    facts: dict[str, int | str | bool] = {"ground": str(Ground(reason)), "closed": closed}
    record("person.restricted", actor=actor, obj="person", ref=subject, facts=facts)
    return closed


@transaction.atomic
def lift_restriction(subject: UUID, *, actor: Actor, reason: str) -> int:
    """Tell the person first (Art. 18(3)), then let things go on as they were; gates opened again.

    What was withdrawn or objected to meanwhile stays ended. Raises `NotRestricted`, and
    `StillNeeded` while an erasure or another restriction of theirs is open.
    """
    require(actor, "request.work")
    person = DataSubject.objects.select_for_update().filter(pk=subject).first()
    if person is None or person.status != DataSubject.Status.RESTRICTED:
        raise NotRestricted
    stopping = Request.objects.filter(subject=subject, kind__in=(Kind.ERASURE, Kind.RESTRICTION))
    if stopping.filter(is_verified=True).exclude(status__in=ANSWERED).exists():
        raise StillNeeded
    last = Request.objects.filter(subject=subject, kind=Kind.RESTRICTION).last()
    answer(
        subject,
        "restriction_lifted",
        address=last.address if last else None,
        number=last.number if last else "",
        reasons=reason.strip(),
    )
    opened = lift(subject)
    record("person.released", actor=actor, obj="person", ref=subject, facts={"opened": opened})
    return opened


def lift(subject: UUID) -> int:
    """Restricted no more; how many gates opened. The caller knows that nothing else forbids it."""
    people = DataSubject.objects.filter(pk=subject, status=DataSubject.Status.RESTRICTED)
    people.update(status=DataSubject.Status.ACTIVE)
    return unrestrict_everywhere(subject)


def object_to_marketing(subject: UUID, *, actor: Actor) -> int:
    """Nothing more to this person on any channel of the publisher (Art. 21(3)); how many addresses.

    The objection stands in the consent ledger, and a slow keyed hash of each address keeps lists
    from bringing them back; only the person's own new double opt-in lifts it. May run twice.
    """
    hashes = [
        (kind, suppression.fingerprint(kind, canonical))
        for kind, canonical in identifiers_of(subject)
    ]
    with transaction.atomic():
        closed = block_everywhere(subject, OBJECTED)
        for kind, found in hashes:
            suppression.suppress(found, kind, reason=OBJECTED)
        facts: dict[str, int | str | bool] = {"closed": closed, "suppressed": len(hashes)}
        record("person.objected", actor=actor, obj="person", ref=subject, facts=facts)
    return len(hashes)


@transaction.atomic
def rectify(*, request: Request, changes: dict[str, str], actor: Actor) -> list[str]:
    """Correct what is kept; the names of the fields that changed. The history stays in the file.

    A changed address is a new identity: the old one gets nothing more, and the new one is asked
    whether it wants the newsletter. The history is sealed under the person's key and goes with it.
    """
    require(actor, "request.work")
    held = Request.objects.select_for_update().get(pk=request.pk)
    _check(held, Kind.RECTIFICATION)
    assert held.subject
    wanted = {name: text.strip() for name, text in changes.items() if name in CHANGEABLE}
    done = rectify_everywhere(held.subject, wanted)
    if done:
        _keep_history(held, done)
        open_notices(held)
        fields: dict[str, int | str | bool] = dict.fromkeys(done, True)
        record("person.rectified", actor=actor, obj="request", ref=held.pk, facts=fields)
    return sorted(done)


def history_of(request: Request) -> list[dict[str, Any]]:
    """What was corrected: field, before, after, when; empty once the person is erased."""
    rows: list[dict[str, Any]] = []
    for step in request.steps.filter(name__startswith="rectified"):
        try:
            opened = open_sealed(
                _subject(request), "ops", _where(request, step.position), bytes(step.sealed or b"")
            )
        except KeyDestroyed:
            continue
        at = step.done_at
        rows += [{"at": at, **row} for row in json.loads(opened)]
    return rows


@transaction.atomic
def complete(*, request: Request, actor: Actor) -> Request:
    """Say that a correction or restriction is done, and tell the person; or object, wholly."""
    require(actor, "request.work")
    held = Request.objects.select_for_update().get(pk=request.pk)
    _check(held, Kind.RECTIFICATION, Kind.RESTRICTION)
    if held.kind == Kind.RESTRICTION:
        open_notices(held)
    finish(held, Outcome.FULFILLED, actor)
    tell_outcome(held, Outcome.FULFILLED, "")
    return held


def complete_objection(*, request: Request, actor: Actor) -> Request:
    """Carry out an objection to marketing: it is absolute, so nobody has to decide about it."""
    request.refresh_from_db()
    _check(request, Kind.OBJECTION)
    object_to_marketing(_subject(request), actor=actor)
    with transaction.atomic():
        held = Request.objects.select_for_update().get(pk=request.pk)
        if held.status not in ANSWERED:
            finish(held, Outcome.FULFILLED, actor)
            tell_outcome(held, Outcome.FULFILLED, "")
    return held


def open_objections() -> list[Request]:
    """Proven objections that wait to be carried out."""
    waiting = Request.objects.filter(kind=Kind.OBJECTION, is_verified=True, subject__isnull=False)
    return list(waiting.exclude(status__in=ANSWERED).order_by("received_at"))


def _check(request: Request, *kinds: str) -> None:
    if request.kind not in kinds or request.status in ANSWERED:
        raise WrongKind
    if request.subject is None:
        raise NobodyConcerned
    if not request.is_verified:
        raise NotVerified


def _keep_history(request: Request, done: dict[str, tuple[str, str]]) -> None:
    position = request.steps.count()
    rows = [{"field": name, "before": old, "after": new} for name, (old, new) in done.items()]
    RequestStep.objects.create(
        request=request,
        name=f"rectified-{position}",
        position=position,
        done_at=timezone.now(),
        facts={"fields": sorted(done)},
        sealed=seal(_subject(request), "ops", _where(request, position), json.dumps(rows).encode()),
    )


def _where(request: Request, position: int) -> Where:
    return Where("privacy_requeststep", f"rectified-{position}", request.pk)


def _subject(request: Request) -> UUID:
    if request.subject is None:
        raise NobodyConcerned
    return request.subject
