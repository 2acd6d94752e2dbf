"""Lengthening the term, as far as Art. 12(3) sentence 2 lets us."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import Request
from privacy.requests.closing import is_reachable
from privacy.requests.deadlines import EXTENDED_MONTHS, FIRST_MONTHS
from privacy.requests.delivery import day_of, tell
from privacy.requests.errors import (
    IllegalTransition,
    NobodyConcerned,
    ReasonMissing,
    TooLateToExtend,
)
from privacy.requests.intake import due_at
from privacy.requests.notes import EXTENSION, REMARK, add_note
from privacy.requests.states import ANSWERED


def may_extend(request: Request) -> bool:
    """Once, and only while the first month runs."""
    is_open = request.status not in ANSWERED and request.extended_at is None
    end_of_month_one = due_at(request.received_at, paused=request.paused_days)
    return is_open and timezone.now() <= end_of_month_one


@transaction.atomic
def extend(*, request: Request, reasons: str, actor: Actor) -> Request:
    """Two more months, with reasons and with the notice that the law ties to them.

    Raises `ReasonMissing`, `TooLateToExtend`, or `NobodyConcerned` where no notice could be sent.
    """
    require(actor, "request.work")
    held = Request.objects.select_for_update().get(pk=request.pk)
    if not reasons.strip():
        raise ReasonMissing
    if not may_extend(held):
        raise TooLateToExtend
    if held.subject is None or not is_reachable(held):
        raise NobodyConcerned
    held.extended_at = timezone.now()
    held.due_at = due_at(held.received_at, months=EXTENDED_MONTHS, paused=held.paused_days)
    held.save(update_fields=["extended_at", "due_at"])
    add_note(held, EXTENSION, reasons)
    tell(held, "extended", due=day_of(held.due_at), reasons=reasons.strip())
    facts: dict[str, int | str | bool] = {"due": str(day_of(held.due_at))}
    record("request.extended", actor=actor, obj="request", ref=held.pk, facts=facts)
    return held


@transaction.atomic
def correct_receipt(
    *, request: Request, received_at: datetime, reasons: str, actor: Actor
) -> Request:
    """Another day of receipt: the clock starts then. Both days stand in the audit log.

    Only for what staff entered: of the others we know when they came. Raises `ReasonMissing`,
    `IllegalTransition` for an answered request or a day that is still to come.
    """
    require(actor, "request.work")
    held = Request.objects.select_for_update().get(pk=request.pk)
    if not reasons.strip():
        raise ReasonMissing
    is_theirs = held.origin == Request.Origin.STAFF and held.status not in ANSWERED
    if not is_theirs or received_at > timezone.now():
        raise IllegalTransition
    facts: dict[str, int | str | bool] = {
        "before": str(day_of(held.received_at)),
        "after": str(day_of(received_at)),
    }
    months = EXTENDED_MONTHS if held.extended_at else FIRST_MONTHS
    held.received_at = received_at
    held.due_at = due_at(received_at, months=months, paused=held.paused_days)
    held.save(update_fields=["received_at", "due_at"])
    add_note(held, REMARK, reasons)
    record("request.receipt_corrected", actor=actor, obj="request", ref=held.pk, facts=facts)
    return held
