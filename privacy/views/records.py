"""Register, impact assessment, processors and the suppression list, for the officer."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from privacy.access import actor_of, can, staff_page, step_up
from privacy.models import LegalTerm, ProcessingRecord, Processor
from privacy.records import documents, review, terms, texts
from privacy.records.errors import RecordsError
from privacy.records.forms import ProcessorForm, SuppressionForm, TermForm, TextForm
from privacy.records.places import CHANNEL, places
from privacy.records.processors import (
    contract_of,
    end_processor,
    missing_of,
    present,
    profile_of,
    save_processor,
    warnings_of,
)
from privacy.vault import VaultError
from privacy.views.common import page, show
from privacy.views.public import attachment

RIGHT = "request.work"
FORM = ["GET", "HEAD", "POST"]
View = Callable[..., HttpResponseBase]


def form_page(view: View) -> View:
    """A page with a form of the officer's."""
    guarded: View = never_cache(staff_page(RIGHT)(require_http_methods(FORM)(view)))
    return guarded


def act(where: str, *, of_one: bool = False, again: bool = False) -> Callable[[View], View]:
    """A POST of the officer's; what the domain refuses is said on the page `where`.

    `of_one`: the page is that of the row `pk`. `again`: a sign-in of the last five minutes.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def acted(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            try:
                return view(request, **kwargs)
            except RecordsError as refused:
                messages.error(request, str(refused))
            except VaultError:
                messages.error(request, _("The database of keys does not answer. Try again soon."))
            return redirect(where, pk=kwargs["pk"]) if of_one else redirect(where)

        asked = step_up(acted) if again else acted
        return staff_page(RIGHT)(require_POST(asked))

    return decorate


@page(RIGHT)
def records(request: HttpRequest) -> HttpResponse:
    """How each document stands, and what the publisher adds to them."""
    language = _language()
    rows = [{"it": state, "new": documents.needs_new_look(state)} for state in documents.states()]
    said = [
        {"key": key, "label": label, "lines": texts.text_of(key, language)}
        for key, label in texts.KEYS.items()
    ]
    term_rows = LegalTerm.objects.order_by("name", "valid_from")
    context = {
        "rows": rows,
        "texts": said,
        "terms": term_rows,
        "default_hours": terms.DEFAULTS[terms.BREACH_REPORT][0],
        "term_form": TermForm(),
    }
    return show(request, "records/records", "records", context)


@page(RIGHT)
def record(request: HttpRequest, kind: str) -> HttpResponse:
    """One document: what it says now, what has changed since the last version, all versions."""
    state = documents.state_of(_kind(kind))
    language = _language()
    context = {
        "state": state,
        "document": documents.as_data(kind, language),
        "changes": documents.changes(state.stored, state.body, language) if state.stored else [],
        "new": documents.needs_new_look(state),
        "versions": ProcessingRecord.objects.filter(kind=kind).defer("body").order_by("-version"),
        "languages": documents.LANGUAGES,
    }
    return show(request, "records/record", "records", context)


@page(RIGHT)
def version(request: HttpRequest, kind: str, number: int) -> HttpResponse:
    """What one version says otherwise than the one before."""
    stored = get_object_or_404(ProcessingRecord, kind=_kind(kind), version=number)
    before = ProcessingRecord.objects.filter(kind=kind, version=number - 1).first()
    context = {
        "stored": stored,
        "before": before,
        "changes": documents.changes(before, bytes(stored.body), _language()) if before else [],
        "document": documents.document_of(stored, _language()),
    }
    return show(request, "records/version", "records", context)


@page(RIGHT)
def record_file(
    request: HttpRequest, kind: str, number: int, language: str, form: str
) -> HttpResponse:
    """JSON or PDF of a stored version; number 0 is the draft of now, as PDF."""
    if language not in documents.LANGUAGES or form not in ("json", "pdf"):
        raise Http404
    name = f"{_kind(kind)}-{number or 'draft'}-{language}.{form}"
    if number == 0:
        body = documents.draft_pdf(documents.state_of(kind), language)
        return attachment(body, "application/pdf", name)
    stored = get_object_or_404(ProcessingRecord, kind=kind, version=number)
    if form == "json":
        return attachment(documents.as_json(stored, language), "application/json", name)
    return attachment(documents.as_pdf(stored, language), "application/pdf", name)


@act("privacy:records")
def store_record(request: HttpRequest, kind: str) -> HttpResponse:
    made, is_new = documents.store(kind=_kind(kind), actor=actor_of(request))
    said = _("Version %(version)s has been stored.") if is_new else _("Nothing has changed.")
    messages.success(request, said % {"version": made.version} if is_new else said)
    return redirect("privacy:record", kind=kind)


@form_page
def record_text(request: HttpRequest, key: str) -> HttpResponse:
    if key not in texts.KEYS:
        raise Http404
    known = {
        f"text_{language}": "\n".join(texts.text_of(key, language))
        for language in documents.LANGUAGES
    }
    form = TextForm(request.POST or None, initial=known)
    if request.method == "POST" and form.is_valid():
        texts.write_text(key=key, actor=actor_of(request), **form.cleaned_data)
        messages.success(request, _("Saved."))
        return redirect("privacy:records")
    context = {"form": form, "label": texts.KEYS[key]}
    return show(request, "records/text", "records", context)


@act("privacy:records")
def legal_term(request: HttpRequest) -> HttpResponse:
    form = TermForm(request.POST)
    if not form.is_valid():
        raise RecordsError
    terms.add_term(name=terms.BREACH_REPORT, actor=actor_of(request), **form.cleaned_data)
    messages.success(request, _("Saved."))
    return redirect("privacy:records")


@page(RIGHT)
def processors(request: HttpRequest) -> HttpResponse:
    """Everybody who gets data: channels first, with what is missing and what to beware of."""
    rows = [
        {"it": row, "missing": missing_of(row), "warnings": warnings_of(row)}
        for row in present().filter(channel=None)
    ]
    channels = []
    for place in places(CHANNEL):
        profile = profile_of(place.ref)
        warned = warnings_of(profile) if profile else []
        channels.append(
            {"place": place, "it": profile, "missing": missing_of(profile), "warnings": warned}
        )
    ended = Processor.objects.exclude(ended_on=None).order_by("-ended_on")
    context = {"rows": rows, "channels": channels, "ended": ended}
    return show(request, "records/processors", "records", context)


@form_page
def processor(request: HttpRequest, pk: UUID | None = None) -> HttpResponse:
    """A new company, or one that is known."""
    row = get_object_or_404(Processor, pk=pk, channel=None) if pk else None
    given = request.POST if request.method == "POST" else None
    form = ProcessorForm.filled(row, given, request.FILES or None)
    if given is not None and form.is_valid():
        save_processor(processor=row, facts=form.facts, actor=actor_of(request), contract=form.file)
        messages.success(request, _("Saved."))
        return redirect("privacy:processors")
    context = {"form": form, "it": row, "missing": missing_of(row) if row else []}
    return show(request, "records/processor", "records", context)


@act("privacy:processors")
def end(request: HttpRequest, pk: UUID) -> HttpResponse:
    row = get_object_or_404(Processor, pk=pk, channel=None, ended_on=None)
    end_processor(processor=row, actor=actor_of(request))
    messages.success(request, _("It stands in the register no more; the entry itself stays."))
    return redirect("privacy:processors")


@page(RIGHT)
def processor_contract(request: HttpRequest, pk: UUID) -> HttpResponse:
    return contract_file(get_object_or_404(Processor.objects.exclude(contract_sha256=""), pk=pk))


def contract_file(row: Processor) -> HttpResponse:
    """The signed file as a download: never shown in the page, whatever it claims to be."""
    return attachment(contract_of(row), "application/octet-stream", f"contract-{row.pk}")


@form_page
def suppression(request: HttpRequest) -> HttpResponse:
    """What is on the list by counts; one address may be asked for, with a purpose."""
    given = request.POST if request.method == "POST" else None
    form = SuppressionForm(given)
    hits = None
    if given is not None and form.is_valid():
        hits = review.look_up(actor=actor_of(request), **form.cleaned_data)
    context = {
        "form": form,
        "hits": hits,
        "overview": review.overview(),
        "last": review.last_review(),
        "due_on": review.due_on(),
        "rules": review.import_rules(),
        "may_look_up": can(actor_of(request), "person.read"),
    }
    return show(request, "records/suppression", "records", context)


@act("privacy:suppression")
def suppression_reviewed(request: HttpRequest) -> HttpResponse:
    review.reviewed(actor=actor_of(request))
    messages.success(request, _("Noted. The list is to be looked at again in three years."))
    return redirect("privacy:suppression")


def _kind(kind: str) -> str:
    if kind not in ProcessingRecord.Kind.values:
        raise Http404
    return kind


def _language() -> str:
    spoken = (get_language() or "de")[:2]
    return spoken if spoken in documents.LANGUAGES else "de"
