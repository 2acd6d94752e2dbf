"""How a request ends, and what the person is told."""

from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import AuditEntry, DataSubject, Request
from privacy.requests import approvals
from privacy.requests.delivery import tell
from privacy.requests.errors import (
    EvidenceMissing,
    ExceptionsMissing,
    IllegalTransition,
    NotApproved,
    NotVerified,
    ReasonMissing,
    StillRunning,
    WrongKind,
)
from privacy.requests.notes import (
    EVIDENCE,
    PROPOSAL,
    REFUSAL,
    REMARK,
    add_note,
    notes_of,
)
from privacy.requests.states import ANSWERED, TRANSITIONS, Status, advance
from privacy.requests.verbs import unrestrict_everywhere

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
STOPPING = (Request.Kind.ERASURE, Request.Kind.RESTRICTION)


@transaction.atomic
def close_request(*, request: Request, outcome: str, actor: Actor, reasons: str = "") -> Request:
    """End a request with an outcome that a person decided; tell who asked, where we can.

    A partial answer needs the list of what was left out, which is kept sealed and told (Art.
    12(4)). Nothing is fulfilled, not even partly, for somebody who has not shown who they are.
    Raises `ExceptionsMissing`, `NotApproved` for a refusal (`propose_refusal`), `NotVerified`,
    `WrongKind` for "fulfilled" where only the machinery fulfils, `StillRunning` once an erasure has
    begun.
    """
    require(actor, "request.work")
    held = Request.objects.select_for_update().get(pk=request.pk)
    if outcome == Outcome.REFUSED:
        raise NotApproved
    if outcome == Outcome.PARTLY and not reasons.strip():
        raise ExceptionsMissing
    _may_close(held, outcome)
    if reasons.strip():
        add_note(held, REFUSAL if outcome == Outcome.PARTLY else REMARK, reasons)
    finish(held, outcome, actor)
    tell_outcome(held, outcome, reasons)
    return held


@transaction.atomic
def propose_refusal(
    *, request: Request, reasons: str, evidence: str, actor: Actor
) -> approvals.Approval:
    """Refuse (Art. 12(5)) once a second person agrees. Never automatic.

    `reasons` are told to the person, `evidence` is what shows them and stays here; both are sealed.
    While this waits, nothing else may be proposed. Raises `ReasonMissing`, `EvidenceMissing`.
    """
    require(actor, "request.work")
    held = Request.objects.select_for_update().get(pk=request.pk)
    if not reasons.strip():
        raise ReasonMissing
    if not evidence.strip():
        raise EvidenceMissing
    if approvals.is_waiting(REFUSE, held.pk):
        raise IllegalTransition
    _may_close(held, Outcome.REFUSED)
    add_note(held, PROPOSAL, reasons)
    add_note(held, EVIDENCE, evidence)
    return approvals.ask(REFUSE, held.pk, actor, {"request": held.number, "kind": held.kind})


def carry_out_refusal(approval: approvals.Approval, actor: Actor) -> None:
    """The second person agreed: the reasons become the answer, with the rights that remain."""
    held = Request.objects.select_for_update().get(pk=approval.ref)
    _may_close(held, Outcome.REFUSED)
    reasons = [note.text for note in notes_of(held) if note.kind == PROPOSAL][-1]
    add_note(held, REFUSAL, reasons)
    finish(held, Outcome.REFUSED, actor)
    tell_outcome(held, Outcome.REFUSED, reasons)


def outcomes_of(request: Request) -> list[tuple[str, Any]]:
    """The outcomes that a person may choose: the machinery fulfils, and two people refuse."""
    hidden = {Outcome.REFUSED, Outcome.FULFILLED}
    if not request.is_verified:
        hidden.add(Outcome.PARTLY)
    return [(value, label) for value, label in Outcome.choices if value not in hidden]


REFUSE = "request.refuse"
approvals.register(
    REFUSE, _("Refuse a request"), page="privacy:request", on_approval=carry_out_refusal
)


def _may_close(request: Request, outcome: str) -> None:
    if outcome == Outcome.FULFILLED and request.kind in DONE_BY_MACHINE:
        raise WrongKind
    if outcome in (Outcome.FULFILLED, Outcome.PARTLY) and not request.is_verified:
        raise NotVerified
    if request.kind == Request.Kind.ERASURE and request.steps.exists():
        raise StillRunning
    if Status.CLOSED not in TRANSITIONS[request.status]:
        raise IllegalTransition


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
    if request.kind in STOPPING and outcome not in (Outcome.FULFILLED, Outcome.PARTLY):
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


def tell_outcome(request: Request, outcome: str, reasons: str) -> None:
    """What became of it, told where it was asked, if it is known to be theirs."""
    name = ANSWER_OF.get(Outcome(outcome))
    if name and request.subject and request.is_verified and is_reachable(request):
        tell(request, name, reasons=reasons.strip(), kind=request.kind)


def is_reachable(request: Request) -> bool:
    """Whether the person has a row that is not erased, and so perhaps an address."""
    people = DataSubject.objects.filter(pk__in=[request.subject])
    return people.exclude(status=DataSubject.Status.ERASED).exists()


def _lift_restriction(request: Request) -> None:
    """Lift what this request restricted: one that was never proven has restricted nobody."""
    others = Request.objects.filter(subject=request.subject).exclude(pk=request.pk)
    lifted = AuditEntry.objects.filter(ref=str(request.subject), action="person.released").last()
    is_done = Q(kind=Request.Kind.RESTRICTION, outcome=Outcome.FULFILLED)
    if lifted:
        is_done &= Q(closed_at__gt=lifted.at)
    is_open = Q(kind__in=STOPPING, is_verified=True) & ~Q(status__in=ANSWERED)
    if request.is_verified and not others.filter(is_done | is_open).exists():
        people = DataSubject.objects.filter(pk__in=[request.subject])
        is_lifted = people.filter(status=DataSubject.Status.RESTRICTED).update(
            status=DataSubject.Status.ACTIVE
        )
        if is_lifted and request.subject:
            unrestrict_everywhere(request.subject)
