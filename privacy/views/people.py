"""Finding and looking at one person. Masked until a purpose is chosen; each look is logged."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from privacy.access import actor_of, can, staff_page
from privacy.forms import FindForm, PurposeForm
from privacy.models import DataSubject, Request
from privacy.requests import actions, people
from privacy.requests.export.collect import plain
from privacy.requests.export.labels import desk_title, label, value_text
from privacy.requests.export.lookups import lookups_of
from privacy.requests.export.words import STATES, decoded
from privacy.requests.purposes import Purpose
from privacy.requests.verbs import describe_everywhere, recipients_of
from privacy.views.common import page, show, to_request
from privacy.views.work_list import clock_of

# How long a person stays open after a purpose was chosen; then it has to be chosen again.
OPEN_SECONDS = 15 * 60
SESSION_KEY = "opened_people"
Group = dict[str, Any]
COMMITMENTS = (
    ("c_subject", gettext_lazy("Person")),
    ("c_identity", gettext_lazy("Address")),
    ("c_evidence", gettext_lazy("Evidence")),
    ("leaf", gettext_lazy("Hash of the record")),
)


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
    purpose = _opened_for(request, subject)
    context: dict[str, Any] = {
        "subject": row,
        "purpose": Purpose(purpose).label if purpose else "",
        "form": PurposeForm(),
        "masked": masked(describe_everywhere(subject)),
        "requests": _requests(subject),
        "may_enter": can(actor_of(request), "request.work"),
    }
    if purpose:
        context |= _opened(subject)
    return show(request, "person", "people", context)


@staff_page("person.read")
@require_POST
def open_(request: HttpRequest, subject: UUID) -> HttpResponse:
    """Choose a purpose: it is logged, and the person may ask for it."""
    get_object_or_404(DataSubject, pk=subject)
    form = PurposeForm(request.POST)
    if form.is_valid():
        purpose = form.cleaned_data["purpose"]
        people.open_person(subject=subject, purpose=purpose, actor=actor_of(request))
        opened = _still_open(request)
        opened[str(subject)] = [purpose, timezone.now().timestamp()]
        request.session[SESSION_KEY] = opened
    else:
        messages.error(request, _("Choose a purpose; it stands in the log."))
    return redirect("privacy:person", subject=subject)


@staff_page("person.read")
@require_POST
def shut(request: HttpRequest, subject: UUID) -> HttpResponse:
    opened = _still_open(request)
    opened.pop(str(subject), None)
    request.session[SESSION_KEY] = opened
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


@page("person.read")
def proof(request: HttpRequest, subject: UUID, record: UUID) -> HttpResponse:
    """One consent record: exact bytes, openings, wording, and every commitment computed again.

    Opening it is a look of its own, logged under the purpose that opened the person.
    """
    purpose = _opened_for(request, subject)
    if not purpose:
        messages.error(request, _("Choose a purpose; it stands in the log."))
        return redirect("privacy:person", subject=subject)
    shown = people.read_proof(
        subject=subject, consent=record, purpose=purpose, actor=actor_of(request)
    )
    if shown is None:
        raise Http404
    context = {"subject": subject, "proof": {**shown, **_checked(shown)}}
    return show(request, "proof", "people", context)


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
        "timeline": [_event(row) for row in people.consent_timeline(subject)],
        "recipients": recipients_of(subject),
        "lookups": [
            {"at_text": value_text(look["at"]), "purpose": _purpose(look["purpose"])}
            for look in lookups_of(subject)
        ],
    }


def _event(row: dict[str, Any]) -> dict[str, Any]:
    """A change of consent in words."""
    return {
        **row,
        "at_text": value_text(row["at"]),
        "state_text": STATES.get(row["state"], row["state"]),
    }


def _checked(proof: dict[str, Any]) -> dict[str, Any]:
    """The commitments by name, each with whether it agrees, and the evidence as lines."""
    return {
        "checks": [
            (name, key not in proof["faults"], key in proof.get("unchecked", ()))
            for key, name in COMMITMENTS
        ],
        "evidence_facts": _facts(proof["evidence"]),
        "openings": list(proof["openings"].items()),
    }


def _tables(data: dict[str, dict[str, list[dict[str, Any]]]]) -> list[Group]:
    return [
        {"title": desk_title(table), "rows": [_facts(row) for row in rows], "count": len(rows)}
        for own in data.values()
        for table, rows in own.items()
    ]


def _facts(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (label(key), value_text(decoded(key, value)))
        for key, value in row.items()
        if value not in (None, "", [], {})
    ]


def _purpose(word: str) -> str:
    return str(Purpose(word).label) if word in Purpose.values else word


def _requests(subject: UUID) -> list[Request]:
    rows = list(Request.objects.filter(subject=subject).order_by("-received_at"))
    for row in rows:
        row.clock = clock_of(row)  # type: ignore[attr-defined]
    return rows


def _request_to_link(request: HttpRequest) -> Request | None:
    text = request.POST.get("for") or request.GET.get("for") or ""
    try:
        return Request.objects.filter(pk=UUID(text), subject=None).first()
    except ValueError:
        return None


def _still_open(request: HttpRequest) -> dict[str, list[Any]]:
    kept: dict[str, list[Any]] = request.session.get(SESSION_KEY, {})
    now = timezone.now().timestamp()
    return {one: opened for one, opened in kept.items() if now - opened[1] < OPEN_SECONDS}


def _opened_for(request: HttpRequest, subject: UUID) -> str:
    return str(_still_open(request).get(str(subject), [""])[0])
