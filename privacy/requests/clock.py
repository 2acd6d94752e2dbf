"""Lengthening the term, as far as Art. 12(3) sentence 2 lets us."""

from django.db import transaction
from django.utils import timezone

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import Request
from privacy.requests.closing import is_reachable
from privacy.requests.deadlines import EXTENDED_MONTHS
from privacy.requests.delivery import answer, day_of
from privacy.requests.errors import NobodyConcerned, ReasonMissing, TooLateToExtend
from privacy.requests.intake import due_at
from privacy.requests.notes import EXTENSION, add_note
from privacy.requests.states import ANSWERED


def may_extend(request: Request) -> bool:
    """Once, and only while the first month runs."""
    is_open = request.status not in ANSWERED and request.extended_at is None
    return is_open and timezone.now() <= request.due_at


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
    answer(
        held.subject,
        "extended",
        number=held.number,
        due=day_of(held.due_at),
        reasons=reasons.strip(),
    )
    facts: dict[str, int | str | bool] = {"due": str(day_of(held.due_at))}
    record("request.extended", actor=actor, obj="request", ref=held.pk, facts=facts)
    return held
