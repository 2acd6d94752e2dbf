"""The six steps of an erasure: each done once, in order, in a transaction of its own.

Killed at any point, the next run finds which steps are done and goes on. What reaches outside of
the transaction (files, keys) is done in an order and a way that bears being done again: rows of
`default` first, the key last (docs/architecture.md, "Two databases").
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.db import transaction
from django.utils import timezone

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import AuditEntry, Request, RequestStep
from privacy.requests.erasure import steps
from privacy.requests.erasure.certificate import issue
from privacy.requests.errors import IllegalTransition, NobodyConcerned, NotVerified, WrongKind
from privacy.requests.states import Status, advance

# A request proven by the channel itself needs no night to sleep over it; the others get one, in
# which the person can still say that it was not them.
GRACE = {
    Request.Origin.CHAT: timedelta(0),
    Request.Origin.WEB: timedelta(hours=24),
    Request.Origin.STAFF: timedelta(hours=24),
}


class Progress(Enum):
    DONE = "done"
    WAITING = "waiting"  # for the grace period, or for the last message to settle
    RESIDUES = "residues"  # the scan found something: a person has to look


@dataclass(frozen=True)
class Step:
    """`prepare` runs outside of the transaction (slow, or leaves the database); `act` inside."""

    name: str
    act: Callable[[Request, RequestStep], bool]
    prepare: Callable[[Request, RequestStep], object] | None = None


STEPS = (
    Step("block", steps.block),
    Step("verify", steps.verify),
    Step("recipients", steps.recipients, prepare=steps.collect),
    Step("delete", steps.delete, prepare=steps.fingerprints),
    Step("shred", steps.shred_keys),
    Step("scan", steps.scan),
)
ACTOR = Actor.system("erasure")


@transaction.atomic
def start_erasure(
    *, request: Request, actor: Actor, suppress: bool = True, keep_evidence: bool = True
) -> Request:
    """Decide that the person is erased; `complete_erasure` does it, as often as it is called.

    `suppress`: keep a slow keyed hash of each address, so that no import brings the person back.
    `keep_evidence`: keep the sealed proof of consent until its term ends (Art. 17(3)(e)); else its
    key goes as well. Raises `WrongKind`, `NobodyConcerned`, `NotVerified`, `IllegalTransition`.
    """
    require(actor, "person.erase")
    held = Request.objects.select_for_update().get(pk=request.pk)
    if held.kind != Request.Kind.ERASURE:
        raise WrongKind
    if held.subject is None:
        raise NobodyConcerned
    if not held.is_verified:
        raise NotVerified
    if held.status != Status.RECEIVED:
        raise IllegalTransition
    advance(held, Status.WORKING)
    chosen = {"suppress": suppress, "keep_evidence": keep_evidence}
    starts_at = _proven_at(held) + GRACE[Request.Origin(held.origin)]
    facts = {"delete": chosen, "shred": chosen, "verify": {"from": starts_at.isoformat()}}
    for position, step in enumerate(STEPS):
        RequestStep.objects.create(
            request=held, name=step.name, position=position, facts=facts.get(step.name, {})
        )
    record("erasure.started", actor=actor, obj="request", ref=held.pk, facts=dict(chosen))
    request.refresh_from_db()
    return held


def complete_erasure(*, request: Request) -> Progress:
    """Do every step that can be done now. May run twice, at once or again: each step is done once.

    Raises `KeystoreDown` and the like; then the steps done so far stay done.
    """
    for step in STEPS:
        row = request.steps.get(name=step.name)
        if row.done_at is None:
            if step.prepare:
                step.prepare(request, row)
            if not _do(step, request):
                return _why_not(request)
    issue(request, ACTOR)
    request.refresh_from_db()
    return Progress.DONE


def unfinished() -> list[Request]:
    """Erasures that were begun and not yet certified, oldest first."""
    begun = Request.objects.filter(kind=Request.Kind.ERASURE, status=Status.WORKING)
    return list(begun.order_by("received_at"))


def _proven_at(request: Request) -> datetime:
    """When we knew that it was them: by the answer to our question, or from the start."""
    proofs = AuditEntry.objects.filter(ref=str(request.pk), action="request.identity_proven")
    moments = list(proofs.values_list("at", flat=True))
    return max([*moments, request.received_at])


def _do(step: Step, request: Request) -> bool:
    """One step under the lock of the request; whether it is done now."""
    with transaction.atomic():
        held = Request.objects.select_for_update().get(pk=request.pk)
        row = held.steps.get(name=step.name)
        if row.done_at:
            return True
        if not step.act(held, row):
            return False
        row.done_at = timezone.now()
        row.save(update_fields=["done_at"])
        record(f"erasure.step_{step.name}", actor=ACTOR, obj="request", ref=held.pk)
    return True


def _why_not(request: Request) -> Progress:
    scan = request.steps.get(name="scan")
    return Progress.RESIDUES if scan.facts.get("residues") else Progress.WAITING
