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
from privacy.forms import CloseForm, EraseForm, ExtendForm, NoteForm, PurposeForm
from privacy.models import AuditEntry, Request
from privacy.requests import actions
from privacy.requests.answers import PACKAGED
from privacy.requests.clock import may_extend
from privacy.requests.closing import DONE_BY_MACHINE
from privacy.requests.erasure.certificate import name_of
from privacy.requests.erasure.machine import complete_erasure
from privacy.requests.export.package import is_available
from privacy.requests.notes import notes_of
from privacy.requests.states import ANSWERED, TRANSITIONS
from privacy.requests.verbs import describe_everywhere
from privacy.views.action_words import say
from privacy.views.common import act, complain, page, show, to_request
from privacy.views.people import masked
from privacy.views.public import attachment
from privacy.views.work_list import clock_of

Status = Request.Status


@page("request.work")
def request_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Request.objects.select_related("assigned_to"), pk=pk)
    context = {
        "row": row,
        "clock": clock_of(row),
        "notes": notes_of(row),
        "history": _history(row),
        "masked": masked(describe_everywhere(row.subject)) if row.subject else [],
        "package": _package(row),
        "note_form": NoteForm(auto_id="note_%s"),
        "extend_form": ExtendForm(auto_id="extend_%s"),
        "purpose_form": PurposeForm(initial={"purpose": "request"}),
        "close_form": _close_form(row),
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


@act("request.work")
def ask(request: HttpRequest, row: Request) -> HttpResponse:
    actions.ask_identity(request=row, actor=actor_of(request))
    messages.success(request, _("The question was sent to the subscribed channel."))
    return to_request(row)


@act("request.work")
def extend(request: HttpRequest, row: Request) -> HttpResponse:
    form = ExtendForm(request.POST)
    if form.is_valid():
        reasons = form.cleaned_data["reasons"]
        actions.extend(request=row, reasons=reasons, actor=actor_of(request))
        messages.success(request, _("Extended; the notice was sent."))
    else:
        complain(request, form)
    return to_request(row)


@act("request.work")
def note(request: HttpRequest, row: Request) -> HttpResponse:
    form = NoteForm(request.POST)
    if form.is_valid():
        actions.note(request=row, text=form.cleaned_data["text"], actor=actor_of(request))
        messages.success(request, _("Noted."))
    else:
        complain(request, form)
    return to_request(row)


@act("request.work")
def close(request: HttpRequest, row: Request) -> HttpResponse:
    form = CloseForm(request.POST, outcomes=_outcomes(row))
    if form.is_valid():
        actions.close_request(request=row, actor=actor_of(request), **form.cleaned_data)
        messages.success(request, _("The request is closed."))
    else:
        complain(request, form)
    return to_request(row)


@act("person.export", again=True)
def make(request: HttpRequest, row: Request) -> HttpResponse:
    actions.make_package(request=row, actor=actor_of(request))
    messages.success(request, _("The package is ready. Look at it, then deliver it."))
    return to_request(row)


@act("person.export", again=True)
def deliver(request: HttpRequest, row: Request) -> HttpResponse:
    actions.deliver_package(request=row, actor=actor_of(request))
    messages.success(request, _("The link was sent to the person's channel."))
    return to_request(row)


@act("person.export", again=True)
def read(request: HttpRequest, row: Request) -> HttpResponse:
    """The DPO's own look at the package, with a purpose."""
    form = PurposeForm(request.POST)
    package = row.packages.order_by("-created_at").first()
    if package is None or not form.is_valid():
        messages.error(request, _("Choose a purpose; it stands in the log."))
        return to_request(row)
    purpose = form.cleaned_data["purpose"]
    packed = actions.read_package(package=package, purpose=purpose, actor=actor_of(request))
    return attachment(packed, "application/zip", f"{row.number}.zip")


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
    return {"row": package, "is_available": is_available(package)} if package else None


def _possible(row: Request, request: HttpRequest) -> dict[str, bool]:
    """Which acts the page offers; the actions themselves decide again."""
    actor = actor_of(request)
    is_open = row.status not in ANSWERED
    known, proven = row.subject is not None, row.is_verified
    is_begun = row.steps.exists()
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
    }


def _outcomes(row: Request) -> list[tuple[str, Any]]:
    by_machine = row.kind in DONE_BY_MACHINE
    return [
        (value, label)
        for value, label in Request.Outcome.choices
        if value != Request.Outcome.FULFILLED or not by_machine
    ]


def _close_form(row: Request) -> CloseForm:
    return CloseForm(outcomes=_outcomes(row), auto_id="close_%s")


def _steps(row: Request) -> dict[str, Any]:
    found = list(row.steps.all())
    waiting = next((step for step in found if step.done_at is None), None)
    scan = next((step for step in found if step.name == "scan"), None)
    return {
        "steps": [{"row": step, "name": name_of(step.name)} for step in found],
        "current": waiting,
        "residues": scan.facts.get("residues", []) if scan and waiting else [],
        "is_running": bool(found) and row.status == Status.WORKING,
        "certificate": getattr(row, "certificate", None),
    }


def _history(row: Request) -> list[dict[str, Any]]:
    entries = AuditEntry.objects.filter(ref=str(row.pk)).order_by("at", "id")
    return [{"at": entry.at, "words": say(entry.action)} for entry in entries]
