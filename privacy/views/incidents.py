"""The breach workspace: files, clocks, whose data it was, who has to be told."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from privacy.access import actor_of
from privacy.models import Incident, IncidentScope, User
from privacy.records import affected, documents, incidents, wave
from privacy.records.errors import RecordsError
from privacy.records.forms import (
    DecisionForm,
    FactsForm,
    NewIncidentForm,
    ReportForm,
    ScopeForm,
)
from privacy.records.layout import Document
from privacy.records.places import places
from privacy.records.report import report
from privacy.records.todo import SOON, time_left
from privacy.requests import approvals
from privacy.requests.print import breakable, pdf
from privacy.views.action_words import say
from privacy.views.common import page, show
from privacy.views.public import attachment
from privacy.views.records import RIGHT, act, form_page

WORKSPACE = "privacy:incident"


@page(RIGHT)
def incident_list(request: HttpRequest) -> HttpResponse:
    """The register of Art. 33(5): open files first."""
    rows = [_row(row) for row in Incident.objects.order_by("-closed_at", "-number")]
    rows.sort(key=lambda row: row["it"].closed_at is not None)
    return show(request, "records/incidents", "incidents", {"rows": rows})


@form_page
def new_incident(request: HttpRequest) -> HttpResponse:
    form = NewIncidentForm(request.POST or None, initial={"aware_at": timezone.now()})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        words = {"title": given["title"], "what": given["what"]}
        made = incidents.open_incident(
            aware_at=given["aware_at"], texts=words, actor=actor_of(request)
        )
        return redirect(WORKSPACE, pk=made.pk)
    return show(request, "records/incident_new", "incidents", {"form": form})


@page(RIGHT)
def incident(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Incident, pk=pk)
    words = incidents.texts_of(row)
    known = words | {"keys": row.keys, "began_at": row.began_at, "ended_at": row.ended_at}
    counts = incidents.people_of(row)
    told = counts["told"] + counts["unreachable"]
    context = {
        **_row(row),
        "facts_form": FactsForm(initial=known, auto_id="facts_%s"),
        "scope_form": ScopeForm(auto_id="scope_%s"),
        "decision_form": DecisionForm(
            initial={"risk": incidents.suggested_risk(row)}, auto_id="decision_%s"
        ),
        "report_form": ReportForm(initial={"at": timezone.now()}, auto_id="report_%s"),
        "scopes": [_scope(scope) for scope in row.scopes.all()],
        "counts": counts,
        "told": told,
        "is_waiting": approvals.is_waiting(incidents.NOTICE, row.pk),
        "suggested": Incident.Risk(incidents.suggested_risk(row)).label,
        "entries": [_entry(entry) for entry in row.entries.order_by("-at", "-id")],
        "languages": documents.LANGUAGES,
        "words": words,
    }
    return show(request, "records/incident", "incidents", context)


@act(WORKSPACE, of_one=True)
def facts(request: HttpRequest, pk: UUID) -> HttpResponse:
    row, form = get_object_or_404(Incident, pk=pk), FactsForm(request.POST)
    if not form.is_valid():
        raise RecordsError
    given = {name: form.cleaned_data[name] for name in ("keys", "began_at", "ended_at")}
    incidents.change_facts(incident=row, actor=actor_of(request), texts=form.texts, **given)
    return _done(request, row, _("Saved."))


@act(WORKSPACE, of_one=True)
def add_scope(request: HttpRequest, pk: UUID) -> HttpResponse:
    row, form = get_object_or_404(Incident, pk=pk), ScopeForm(request.POST)
    if not form.is_valid():
        raise RecordsError
    made = incidents.add_scope(incident=row, actor=actor_of(request), **form.chosen())
    said = _("%(people)s people, and %(gone)s who have been erased since.")
    return _done(request, row, said % {"people": made.people, "gone": made.gone})


@act(WORKSPACE, of_one=True)
def remove_scope(request: HttpRequest, pk: UUID, scope: UUID) -> HttpResponse:
    found = get_object_or_404(IncidentScope, pk=scope, incident=pk)
    incidents.remove_scope(scope=found, actor=actor_of(request))
    return _done(request, found.incident, _("Removed."))


@act(WORKSPACE, of_one=True)
def list_again(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Incident, pk=pk)
    number = incidents.list_again(incident=row, actor=actor_of(request))
    return _done(request, row, _("%(number)s people are listed.") % {"number": number})


@act(WORKSPACE, of_one=True)
def decide(request: HttpRequest, pk: UUID) -> HttpResponse:
    row, form = get_object_or_404(Incident, pk=pk), DecisionForm(request.POST)
    if not form.is_valid():
        raise RecordsError
    incidents.decide(incident=row, actor=actor_of(request), **form.cleaned_data)
    return _done(request, row, _("Decided, with the reasons in the file."))


@act(WORKSPACE, of_one=True)
def reported(request: HttpRequest, pk: UUID) -> HttpResponse:
    row, form = get_object_or_404(Incident, pk=pk), ReportForm(request.POST)
    if not form.is_valid():
        raise RecordsError
    incidents.report_made(incident=row, actor=actor_of(request), **form.cleaned_data)
    return _done(request, row, _("Noted. The clock has stopped."))


@act(WORKSPACE, of_one=True, again=True)
def tell(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Incident, pk=pk)
    wave.propose(incident=row, actor=actor_of(request))
    return _done(request, row, _("A second person has to approve the text; then it leaves."))


@act(WORKSPACE, of_one=True)
def close(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Incident, pk=pk)
    incidents.close(incident=row, actor=actor_of(request))
    return _done(request, row, _("Closed. The file stays for five years."))


@page(RIGHT)
def report_file(request: HttpRequest, pk: UUID, language: str) -> HttpResponse:
    """What the authority's form asks for, as a PDF in German or English."""
    if language not in documents.LANGUAGES:
        raise Http404
    row = get_object_or_404(Incident, pk=pk)
    with translation.override(language):
        made = pdf("record", _printed(report(row, language), row))
    return attachment(made, "application/pdf", f"breach-{row.number}-{language}.pdf")


def _printed(document: Document, row: Incident) -> dict[str, Any]:
    sections = [
        {
            "title": section.title,
            "rows": [
                [line.label, [breakable(item) for item in line.items]] for line in section.rows
            ],
        }
        for section in document.sections
    ]
    return {"title": document.title, "lead": [], "footer": row.number, "sections": sections}


def _row(row: Incident) -> dict[str, Any]:
    left = row.report_due_at - timezone.now()
    runs = row.closed_at is None and row.reported_at is None and row.risk != Incident.Risk.NONE
    badge = "badge-off"
    if runs:
        badge = "badge-bad" if left < SOON else "badge-wait"
    return {
        "it": row,
        "runs": runs,
        "badge": badge,
        "left": time_left(left) if runs else "",
        "is_late": left < timedelta(0),
        "title": incidents.texts_of(row).get("title", ""),
    }


def _scope(scope: IncidentScope) -> dict[str, Any]:
    names = {str(place.ref): place.name for place in places(scope.kind)}
    name = names.get(scope.ref, "")
    if scope.kind == affected.STAFF:
        name = str(User.objects.filter(pk=scope.ref).first() or "")
    elif scope.kind == affected.EPOCH:
        name = scope.ref
    return {"it": scope, "kind": affected.KINDS.get(scope.kind, scope.kind), "name": name}


def _entry(entry: Any) -> dict[str, Any]:
    text = incidents.entry_text(entry) if entry.kind in ("decided", "reported") else ""
    return {"at": entry.at, "words": say(f"incident.{entry.kind}"), "text": text}


def _done(request: HttpRequest, row: Incident, said: str) -> HttpResponse:
    messages.success(request, said)
    return redirect(WORKSPACE, pk=row.pk)
