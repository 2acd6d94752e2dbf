"""How a request ends, and what the person is told."""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import DataSubject, Request
from privacy.requests.delivery import answer
from privacy.requests.errors import ReasonMissing, StillRunning, WrongKind
from privacy.requests.notes import EXTENSION, REFUSAL, REMARK, add_note
from privacy.requests.states import ANSWERED, Status, advance

Outcome = Request.Outcome
NEEDS_REASONS = (Outcome.REFUSED, Outcome.PARTLY)
# What the person hears. Of a request that was not theirs they have heard by the question already.
ANSWER_OF = {
    Outcome.FULFILLED: "fulfilled",
    Outcome.PARTLY: "partly",
    Outcome.NO_DATA: "no_data",
    Outcome.REFUSED: "refused",
    Outcome.WITHDRAWN: "withdrawn",
}
# These are fulfilled by what the machinery does, and by nothing else.
DONE_BY_MACHINE = (Request.Kind.ACCESS, Request.Kind.PORTABILITY, Request.Kind.ERASURE)
NOTE_KINDS = (EXTENSION, REFUSAL, REMARK)


@transaction.atomic
def close_request(*, request: Request, outcome: str, actor: Actor, reasons: str = "") -> Request:
    """End a request with an outcome that a person decided; tell who asked, where we can.

    A refusal and a partial answer need reasons: they are kept sealed and told to the person
    (Art. 12(4), 12(5)). Raises `ReasonMissing`, `WrongKind` for "fulfilled" where only the export
    or the erasure itself fulfils, `StillRunning` once an erasure has begun.
    """
    require(actor, "request.work")
    held = Request.objects.select_for_update().get(pk=request.pk)
    if outcome in NEEDS_REASONS and not reasons.strip():
        raise ReasonMissing
    if outcome == Outcome.FULFILLED and held.kind in DONE_BY_MACHINE:
        raise WrongKind
    if held.steps.exists():
        raise StillRunning
    if reasons.strip():
        add_note(held, REFUSAL if outcome in NEEDS_REASONS else REMARK, reasons)
    finish(held, outcome, actor)
    _tell(held, outcome, reasons)
    return held


def close_unknown(request: Request, actor: Actor) -> None:
    """Nothing is stored of whoever asked: say so by closing. The answer leaves where they asked."""
    finish(request, Outcome.NO_DATA, actor)


def finish(request: Request, outcome: str, actor: Actor) -> None:
    """Close `request` and write it down; a lifted erasure no longer restricts the person."""
    advance(
        request,
        Status.CLOSED,
        outcome=outcome,
        closed_at=timezone.now(),
        proof_hash=None,
        paused_at=None,
    )
    if request.kind == Request.Kind.ERASURE and outcome not in (Outcome.FULFILLED, Outcome.PARTLY):
        _lift_restriction(request)
    record(
        "request.closed",
        actor=actor,
        obj="request",
        ref=request.pk,
        facts={"kind": request.kind, "outcome": str(outcome)},
    )


@transaction.atomic
def note(*, request: Request, text: str, actor: Actor) -> None:
    """A remark of staff, sealed."""
    require(actor, "request.work")
    held = Request.objects.select_for_update().get(pk=request.pk)
    add_note(held, REMARK, text)
    record("request.noted", actor=actor, obj="request", ref=held.pk)


def _tell(request: Request, outcome: str, reasons: str) -> None:
    name = ANSWER_OF.get(Outcome(outcome))
    if name and request.subject and request.is_verified and is_reachable(request):
        answer(request.subject, name, number=request.number, reasons=reasons.strip())


def is_reachable(request: Request) -> bool:
    """Whether the person has a row that is not erased, and so perhaps an address."""
    people = DataSubject.objects.filter(pk__in=[request.subject])
    return people.exclude(status=DataSubject.Status.ERASED).exists()


def _lift_restriction(request: Request) -> None:
    """Lift what this request restricted: one that was never proven has restricted nobody."""
    others = Request.objects.filter(subject=request.subject).exclude(pk=request.pk)
    is_wanted = Q(outcome=Outcome.FULFILLED) | Q(is_verified=True) & ~Q(status__in=ANSWERED)
    restrictions = others.filter(is_wanted, kind=Request.Kind.RESTRICTION)
    if request.is_verified and not restrictions.exists():
        people = DataSubject.objects.filter(pk__in=[request.subject])
        people.filter(status=DataSubject.Status.RESTRICTED).update(status=DataSubject.Status.ACTIVE)
