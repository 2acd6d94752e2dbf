"""What waits for a second person, and what was decided lately."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from privacy.access import actor_of, staff_page, step_up
from privacy.models import SecondApproval, User
from privacy.requests import approvals as four_eyes
from privacy.requests.errors import RequestError
from privacy.requests.export.labels import label
from privacy.views.common import page, show

DECIDED_SHOWN = 25


@page("approval.give")
def approvals(request: HttpRequest) -> HttpResponse:
    """One list for all rooms of the house; kinds and counts, nobody's data."""
    decided = SecondApproval.objects.exclude(status=SecondApproval.Status.WAITING)
    context = {
        "waiting": _rows(four_eyes.pending(), str(actor_of(request))),
        "decided": _rows(decided.order_by("-decided_at")[:DECIDED_SHOWN], ""),
    }
    return show(request, "approvals", "approvals", context)


@staff_page("approval.give")
@require_POST
@step_up
def approve(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    return _decide(request, pk, is_yes=True)


@staff_page("approval.give")
@require_POST
@step_up
def refuse(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    return _decide(request, pk, is_yes=False)


def _decide(request: HttpRequest, pk: UUID, *, is_yes: bool) -> HttpResponseBase:
    row = get_object_or_404(SecondApproval, pk=pk)
    try:
        decide = four_eyes.approve if is_yes else four_eyes.refuse
        decide(row, actor_of(request))
        messages.success(request, _("Approved.") if is_yes else _("Not approved; nothing happens."))
    except RequestError as refused:
        messages.error(request, str(refused))
    return redirect("privacy:approvals")


def _rows(found: QuerySet[SecondApproval], me: str) -> list[dict[str, Any]]:
    rows = list(found)
    names = _names({actor for row in rows for actor in (row.asked_by, row.decided_by)})
    return [
        {
            "row": row,
            "what": four_eyes.label_of(row.kind),
            "page": four_eyes.page_of(row),
            "facts": [(label(name), value) for name, value in row.facts.items()],
            "asked_by": names.get(row.asked_by, row.asked_by),
            "decided_by": names.get(row.decided_by, row.decided_by),
            "is_mine": row.asked_by == me,
        }
        for row in rows
    ]


def _names(actors: set[str]) -> dict[str, str]:
    """`staff:<uuid>` -> what the house calls them; the house's own parts keep their words."""
    ids = {actor.removeprefix("staff:") for actor in actors if actor.startswith("staff:")}
    return {f"staff:{user.pk}": str(user) for user in User.objects.filter(pk__in=ids)}
