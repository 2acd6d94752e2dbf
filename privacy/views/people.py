"""Finding and looking at one person. Masked until a purpose is chosen; each look is logged."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from privacy.access import actor_of, can, staff_page
from privacy.forms import FindForm, PurposeForm
from privacy.models import DataSubject, LegalHold, Request
from privacy.requests import actions, people
from privacy.requests.export.collect import plain
from privacy.requests.export.labels import desk_title, label, value_text
from privacy.requests.export.lookups import lookups_of
from privacy.requests.export.words import class_name
from privacy.requests.purposes import Purpose
from privacy.requests.verbs import describe_everywhere, recipients_of
from privacy.views import consent
from privacy.views.common import page, show, to_request
from privacy.views.opened import facts_of, mask, open_for, opened_for
from privacy.views.work_list import clock_of

Group = dict[str, Any]


@never_cache
@staff_page("person.read")
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: HttpRequest) -> HttpResponse:
    """By POST, so that what is typed stands in no address. `for`: the request to link them to."""
    form = FindForm(request.POST or None)
    row = _request_to_link(request)
    context: dict[str, Any] = {"form": form, "row": row, "found": None}
    if request.method == "POST" and form.is_valid():
        found = people.find_person(**form.cleaned_data, actor=actor_of(request))
        context["found"] = [
            {"subject": subject, "masked": masked(describe_everywhere(subject))}
            for subject in found
        ]
    return show(request, "find", "people", context)


@page("person.read")
def person(request: HttpRequest, subject: UUID) -> HttpResponse:
    """Masked, or open for a quarter of an hour after a purpose was chosen."""
    row = get_object_or_404(DataSubject, pk=subject)
    purpose = opened_for(request, subject)
    context: dict[str, Any] = {
        "subject": row,
        "purpose": Purpose(purpose).label if purpose else "",
        "form": PurposeForm(),
        "masked": [] if _is_restricted(row) else masked(describe_everywhere(subject)),
        "is_restricted": _is_restricted(row),
        "requests": _requests(subject),
        "holds": _holds(subject),
        "may_enter": can(actor_of(request), "request.work"),
    }
    if purpose:
        context |= _opened(subject)
    return show(request, "person", "people", context)


def _is_restricted(row: DataSubject) -> bool:
    """Then nothing at all is shown before a purpose is chosen (Art. 18(2) GDPR)."""
    return row.status == DataSubject.Status.RESTRICTED


@staff_page("person.read")
@require_POST
def open_(request: HttpRequest, subject: UUID) -> HttpResponse:
    """Choose a purpose: it is logged, and the person may ask for it."""
    get_object_or_404(DataSubject, pk=subject)
    form = PurposeForm(request.POST)
    if form.is_valid():
        purpose = form.cleaned_data["purpose"]
        people.open_person(subject=subject, purpose=purpose, actor=actor_of(request))
        open_for(request, subject, purpose)
    else:
        messages.error(request, _("Choose a purpose; it stands in the log."))
    return redirect("privacy:person", subject=subject)


@staff_page("person.read")
@require_POST
def shut(request: HttpRequest, subject: UUID) -> HttpResponse:
    mask(request, subject)
    return redirect("privacy:person", subject=subject)


@staff_page("request.work")
@require_POST
def link(request: HttpRequest, subject: UUID, pk: UUID) -> HttpResponse:
    """Say that a request which came by post is about this person."""
    row = get_object_or_404(Request, pk=pk)
    get_object_or_404(DataSubject, pk=subject)
    try:
        actions.link_person(request=row, subject=subject, actor=actor_of(request))
    except actions.RequestError as refused:
        messages.error(request, str(refused))
    return to_request(row)


def masked(described: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """What `describe` of every app says, as lines of words."""
    return [
        (label(key), _brief(value))
        for shown in described.values()
        for key, value in plain(shown).items()
        if value not in (None, "", [], {})
    ]


def _brief(value: Any) -> str:
    """Rows as one line each, without the names of their columns."""
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return "\n".join(" · ".join(filter(None, map(_brief, row.values()))) for row in value)
    return value_text(value)


def _opened(subject: UUID) -> dict[str, Any]:
    data = people.opened_person(subject)
    return {
        "tables": _tables(data),
        **consent.shown(subject),
        "recipients": recipients_of(subject),
        "lookups": [
            {"at_text": value_text(look["at"]), "purpose": _purpose(look["purpose"])}
            for look in lookups_of(subject)
        ],
    }


def _tables(data: dict[str, dict[str, list[dict[str, Any]]]]) -> list[Group]:
    return [
        {"title": desk_title(table), "rows": [facts_of(row) for row in rows], "count": len(rows)}
        for own in data.values()
        for table, rows in own.items()
    ]


def _purpose(word: str) -> str:
    return str(Purpose(word).label) if word in Purpose.values else word


def _requests(subject: UUID) -> list[Request]:
    rows = list(Request.objects.filter(subject=subject).order_by("-received_at"))
    for row in rows:
        row.clock = clock_of(row)  # type: ignore[attr-defined]
    return rows


def _holds(subject: UUID) -> list[LegalHold]:
    """What keeps this person's data from being erased; why is sealed and stays closed here."""
    rows = LegalHold.objects.filter(subject=subject, ended_at=None).order_by("since")
    for row in rows:
        row.class_name = class_name(row.data_class)  # type: ignore[attr-defined]
    return list(rows)


def _request_to_link(request: HttpRequest) -> Request | None:
    text = request.POST.get("for") or request.GET.get("for") or ""
    try:
        return Request.objects.filter(pk=UUID(text), subject=None).first()
    except ValueError:
        return None
