"""The six steps of an erasure: each done once, in order, in a transaction of its own.

Killed at any point, the next run finds which steps are done and goes on. What reaches outside of
the transaction (files, keys) is done in an order and a way that bears being done again: rows of
`default` first, the key last (docs/architecture.md, "Two databases").
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from django.db import transaction
from django.utils import timezone

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import AuditEntry, Request, RequestStep
from privacy.requests.erasure import steps, sweep
from privacy.requests.erasure.certificate import issue
from privacy.requests.errors import IllegalTransition, NobodyConcerned, NotVerified, WrongKind
from privacy.requests.grace import grace_of
from privacy.requests.states import Status, advance

# How long a call from a page may read for the scan, before it leaves the rest to the worker.
PAGE_SECONDS = 5.0


class Progress(Enum):
    DONE = "done"
    WAITING = "waiting"  # for the time to think again, a legal hold, or the last message to settle
    SCANNING = "scanning"  # everything is being read; there is more to read
    RESIDUES = "residues"  # the scan found something: a person has to look
    STOPPED = "stopped"  # somebody said in time that it was not them


@dataclass(frozen=True)
class Step:
    """`prepare` runs outside of the transaction (slow, or leaves the database); `act` inside."""

    name: str
    act: Callable[[Request, RequestStep], bool]
    prepare: Callable[[Request, RequestStep], object] | None = None


# Deleting and shredding are the first and the second half of one promise, in two databases; the
# scan comes after both, because it proves both.
STEPS = (
    Step("block", steps.block),
    Step("verify", steps.verify),
    Step("recipients", steps.recipients, prepare=steps.collect),
    Step("delete", steps.delete, prepare=steps.fingerprints),
    Step("shred", steps.shred_keys),
    Step("scan", steps.verify_gone),
)
SCAN = STEPS[-1]
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
    starts_at = _proven_at(held) + grace_of(held)
    decided = {"by": actor.kind, "at": timezone.now().isoformat()}
    facts = {
        "block": {"decided": decided},
        "verify": {"from": starts_at.isoformat()},
        "delete": chosen,
        "shred": chosen,
    }
    for position, step in enumerate(STEPS):
        RequestStep.objects.create(
            request=held, name=step.name, position=position, facts=facts.get(step.name, {})
        )
    record("erasure.started", actor=actor, obj="request", ref=held.pk, facts=dict(chosen))
    request.refresh_from_db()
    return held


def complete_erasure(*, request: Request, seconds: float = PAGE_SECONDS) -> Progress:
    """Do every step that can be done now. May run twice, at once or again: each step is done once.

    `seconds`: how long it may read for the scan. Raises `KeystoreDown` and the like; then the steps
    done so far stay done.
    """
    come = come_to_the_scan(request)
    if come != Progress.SCANNING:
        return come
    sweep.advance(seconds)
    return certify(request)


def come_to_the_scan(request: Request) -> Progress:
    """Everything but the reading: `SCANNING` if only that is left, `DONE` if nothing is."""
    for step in STEPS[:-1]:
        row = request.steps.get(name=step.name)
        if row.done_at is None:
            if _is_stopped(request):
                return Progress.STOPPED
            if step.prepare:
                step.prepare(request, row)
            if not _do(step, request):
                return Progress.WAITING
    return Progress.SCANNING


def certify(request: Request) -> Progress:
    """Judge what the finished sweep has found, and issue the certificate."""
    row = request.steps.get(name=SCAN.name)
    if row.done_at is None:
        if not sweep.is_over(row):
            return Progress.SCANNING
        if not _do(SCAN, request):
            return Progress.RESIDUES
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


def _is_stopped(request: Request) -> bool:
    return not Request.objects.filter(pk=request.pk, status=Status.WORKING).exists()


def _do(step: Step, request: Request) -> bool:
    """One step under the lock of the request; whether it is done now."""
    with transaction.atomic():
        held = Request.objects.select_for_update().get(pk=request.pk)
        row = held.steps.get(name=step.name)
        if row.done_at:
            return True
        if held.status != Status.WORKING or not step.act(held, row):
            return False
        row.done_at = timezone.now()
        row.save(update_fields=["done_at"])
        record(f"erasure.step_{step.name}", actor=ACTOR, obj="request", ref=held.pk)
    return True
