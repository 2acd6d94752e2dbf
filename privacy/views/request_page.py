"""One request: where it stands, what was noted, and every act that is possible now."""

from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from privacy import tasks
from privacy.access import actor_of, can, staff_page, step_up
from privacy.forms import (
    CloseForm,
    EraseForm,
    ExtendForm,
    LiftForm,
    NoteForm,
    PurposeForm,
    ReceiptForm,
    RectifyForm,
    RedactForm,
    RefuseForm,
)
from privacy.models import AuditEntry, DataSubject, RecipientNotice, Request
from privacy.requests import actions, approvals
from privacy.requests.answers import EXPORT, PACKAGED, is_held_back
from privacy.requests.clock import may_extend
from privacy.requests.closing import REFUSE, outcomes_of
from privacy.requests.erasure import sweep
from privacy.requests.erasure.certificate import name_of
from privacy.requests.erasure.machine import complete_erasure
from privacy.requests.export.labels import label
from privacy.requests.export.package import is_available
from privacy.requests.notes import notes_of
from privacy.requests.packing import packing_of
from privacy.requests.recipients import reply_of
from privacy.requests.rights import history_of
from privacy.requests.states import ANSWERED, TRANSITIONS
from privacy.requests.verbs import describe_everywhere
from privacy.requests.watch import other_contacts
from privacy.views.action_words import say
from privacy.views.common import act, page, show, to_request
from privacy.views.people import masked
from privacy.views.work_list import clock_of

Kind, Status = Request.Kind, Request.Status
# What a person carries out; an objection is also carried out by itself within a minute.
BY_HAND = (Kind.RECTIFICATION, Kind.RESTRICTION, Kind.OBJECTION)


@page("request.work")
def request_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Request.objects.select_related("assigned_to"), pk=pk)
    is_restricted = _is_restricted(row)
    context = {
        "row": row,
        "clock": clock_of(row),
        "notes": notes_of(row),
        "history": _history(row),
        "is_restricted": is_restricted,
        "masked": _masked(row) if not is_restricted else [],
        "package": _package(row),
        "packing": packing_of(row),
        "corrections": [{**one, "name": label(one["field"])} for one in history_of(row)],
        "notices": [{"row": one, "reply": reply_of(one)} for one in row.notices.all()],
        "notice_states": RecipientNotice.Status.choices,
        "waits_for_second": approvals.is_waiting(REFUSE, row.pk),
        **_forms(row),
        **_possible(row, request),
        **_steps(row),
    }
    return show(request, "request", "requests", context)


@page("request.work")
def steps(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The steps of an erasure alone, for the page that waits for them."""
    row = get_object_or_404(Request, pk=pk)
    answer = show(request, "_steps", "requests", {"row": row, **_steps(row)})
    if row.status in ANSWERED:
        answer["HX-Refresh"] = "true"  # the rest of the page has changed as well
    return answer


@page("request.work")
def package_progress(request: HttpRequest, pk: UUID) -> HttpResponse:
    """How far the package is, for the page that waits for it."""
    row = get_object_or_404(Request, pk=pk)
    packing = packing_of(row)
    answer = show(request, "_packing", "requests", {"row": row, "packing": packing})
    if packing is None or packing.why:
        answer["HX-Refresh"] = "true"
    return answer


@staff_page("person.erase")
@require_http_methods(["GET", "HEAD"])
def confirm_erasure(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One page that says what will happen, before it does."""
    row = get_object_or_404(Request, pk=pk, kind=Request.Kind.ERASURE)
    others = Request.objects.filter(subject=row.subject).exclude(pk=row.pk)
    context = {
        "row": row,
        "form": EraseForm(),
        "others": others.exclude(status__in=ANSWERED) if row.subject else (),
    }
    return show(request, "confirm_erasure", "requests", context)


@act("person.erase", again=True)
def erase(request: HttpRequest, row: Request) -> HttpResponse:
    """Decide it and do what can be done at once; the rest goes on by itself."""
    form = EraseForm(request.POST)
    form.is_valid()
    actions.start_erasure(request=row, actor=actor_of(request), **form.cleaned_data)
    go_on(row)
    messages.success(request, _("The erasure has begun. It goes on by itself."))
    return to_request(row)


@act("person.erase")
def resume(request: HttpRequest, row: Request) -> HttpResponse:
    """Look again, after somebody removed what the scan had found."""
    if row.status == Status.WORKING:
        complete_erasure(request=row)
    return to_request(row)


def go_on(row: Request) -> None:
    """The first steps now, the others by the worker; without a broker the tick takes them."""
    complete_erasure(request=row)
    transaction.on_commit(partial(tasks.erase.delay, str(row.pk)), robust=True)


# Without `step_up` the confirm page is only words; with it, signing in again leads back to a GET.
confirm_erasure = step_up(confirm_erasure)


def _package(row: Request) -> dict[str, Any] | None:
    package = row.packages.order_by("-created_at").first()
    if package is None:
        return None
    return {
        "row": package,
        "is_available": is_available(package),
        "is_held_back": is_held_back(package),
        "needs_code": bool(other_contacts(row)),
        "is_asked": approvals.is_waiting(EXPORT, package.pk),
        "may_skip_code": approvals.is_approved(EXPORT, package.pk),
    }


def _forms(row: Request) -> dict[str, Any]:
    """The small forms of the page, each with ids of its own."""
    return {
        "note_form": NoteForm(auto_id="note_%s"),
        "extend_form": ExtendForm(auto_id="extend_%s"),
        "purpose_form": PurposeForm(initial={"purpose": "request"}),
        "close_form": CloseForm(outcomes=outcomes_of(row), auto_id="close_%s"),
        "refuse_form": RefuseForm(auto_id="refuse_%s"),
        "redact_form": RedactForm(auto_id="redact_%s"),
        "rectify_form": RectifyForm(auto_id="rectify_%s"),
        "receipt_form": ReceiptForm(auto_id="receipt_%s"),
        "lift_form": LiftForm(auto_id="lift_%s"),
    }


def _is_restricted(row: Request) -> bool:
    """Whether nobody looks at the person without a purpose (Art. 18(2) GDPR)."""
    return DataSubject.objects.filter(
        pk__in=[row.subject], status=DataSubject.Status.RESTRICTED
    ).exists()


def _masked(row: Request) -> list[Any]:
    return list(masked(describe_everywhere(row.subject))) if row.subject else []


def _possible(row: Request, request: HttpRequest) -> dict[str, bool]:
    """Which acts the page offers; the actions themselves decide again."""
    actor = actor_of(request)
    is_open = row.status not in ANSWERED
    known, proven = row.subject is not None, row.is_verified
    is_begun = row.kind == Kind.ERASURE and row.steps.exists()
    is_theirs = is_open and known and proven
    return {
        "is_open": is_open,
        "is_begun": is_begun,
        "may_link": is_open and not known and can(actor, "person.read"),
        "may_ask": known and not proven and row.status == Status.RECEIVED,
        "may_extend": may_extend(row) and known and not is_begun,
        "may_make": (
            proven
            and known
            and row.kind in PACKAGED
            and Status.REVIEW in TRANSITIONS[row.status]
            and can(actor, "person.export")
        ),
        "may_deliver": row.status == Status.REVIEW and can(actor, "person.export"),
        "may_erase": (
            proven
            and known
            and row.kind == Request.Kind.ERASURE
            and row.status == Status.RECEIVED
            and can(actor, "person.erase")
        ),
        "may_close": is_open and not is_begun,
        "may_rectify": is_theirs and row.kind == Kind.RECTIFICATION,
        "may_complete": is_theirs and row.kind in BY_HAND,
        "may_lift": row.kind == Kind.RESTRICTION and not is_open and _is_restricted(row),
        "may_correct_receipt": is_open and row.origin == Request.Origin.STAFF,
    }


def _steps(row: Request) -> dict[str, Any]:
    found = list(row.steps.all())
    waiting = next((step for step in found if step.done_at is None), None)
    scan = next((step for step in found if step.name == "scan"), None)
    return {
        "steps": [{"row": step, "name": name_of(step.name)} for step in found],
        "current": waiting,
        "percent": sweep.progress(scan) if scan and scan is waiting else None,
        "residues": scan.facts.get("residues", []) if scan and waiting else [],
        "is_running": bool(found) and row.status == Status.WORKING,
        "certificate": getattr(row, "certificate", None),
    }


def _history(row: Request) -> list[dict[str, Any]]:
    entries = AuditEntry.objects.filter(ref=str(row.pk)).order_by("at", "id")
    return [{"at": entry.at, "words": say(entry.action)} for entry in entries]
