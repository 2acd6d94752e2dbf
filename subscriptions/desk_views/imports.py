"""Imports: a list is checked, loaded by whoever brought it, and approved by somebody else."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import redirect, render
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from messengers.models import Channel
from privacy.access import Actor, NotAllowed, actor_of, can, require_staff, staff_page, visible_to
from privacy.models import User
from subscriptions.desk_views.lists import Chart, page_of
from subscriptions.errors import ImportDecided, ImportRefused, SameHands
from subscriptions.imports import (
    CODES,
    MAX_BYTES,
    approve_import,
    check_import,
    jobs,
    load_import,
    reject_import,
    report_csv,
)
from subscriptions.models import Import, Newsletter, Subscription

UPLOAD, APPROVE = "import.upload", "import.approve"
LINES_SHOWN = 200
LOADED = ("good", "withdrawn")
BADGES = {
    Import.Status.CHECKED: "badge-info",
    Import.Status.LOADED: "badge-wait",
    Import.Status.APPROVED: "badge-good",
}


class UploadForm(forms.Form):
    newsletter = forms.ModelChoiceField(
        Newsletter.objects.none(), label=gettext_lazy("Newsletter"), empty_label=None
    )
    channel = forms.ModelChoiceField(
        Channel.objects.none(), label=gettext_lazy("Messenger"), empty_label=None
    )
    legal_basis = forms.ChoiceField(
        label=gettext_lazy("Why may they be written to?"), choices=Subscription.LegalBasis.choices
    )
    similar_offers = forms.CharField(
        label=gettext_lazy("Existing customers: what of your own is offered to them?"),
        help_text=gettext_lazy(
            "Only for § 7(3) UWG: your own goods or services that are similar to what was sold. "
            "The data-protection officer decides about it."
        ),
        max_length=300,
        required=False,
    )
    file = forms.FileField(label=gettext_lazy("File (CSV)"))

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newsletters = visible_to(actor, Newsletter.objects.order_by("name"), UPLOAD)
        channels = Channel.objects.filter(pk__in=newsletters.values("channels")).order_by("name")
        offered: list[tuple[str, QuerySet[Any]]] = [
            ("newsletter", newsletters),
            ("channel", channels),
        ]
        for name, rows in offered:
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = rows
            field.label_from_instance = lambda obj: str(obj.name)  # type: ignore[method-assign]

    def clean_file(self) -> "UploadedFile[Any]":
        file: UploadedFile[Any] = self.cleaned_data["file"]
        if (file.size or 0) > MAX_BYTES:
            limit = filesizeformat(MAX_BYTES)
            raise forms.ValidationError(_("At most %(limit)s.") % {"limit": limit})
        return file


def import_page(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For those who upload lists and for those who approve them."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        actor = actor_of(request)
        if not (can(actor, UPLOAD) or can(actor, APPROVE)):
            raise NotAllowed(f"{actor} has no right over imports.")
        return view(request, *args, **kwargs)

    return require_staff(guarded)


def visible_imports(actor: Actor) -> QuerySet[Import]:
    rows = Import.objects.select_related("newsletter", "channel", "uploaded_by", "decided_by")
    return visible_to(actor, rows, UPLOAD) | visible_to(actor, rows, APPROVE)


def _found(request: HttpRequest, import_id: UUID) -> Import:
    found = visible_imports(actor_of(request)).filter(pk=import_id).first()
    if found is None:
        raise Http404
    return found


@import_page
@require_safe
def imports(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    # The report of a long list is long: the overview does not need it.
    rows = visible_imports(actor).defer("report", "content_sealed").order_by("-uploaded_at")
    listed = page_of(request, rows)
    shown = [{"it": one, **figures(one)} for one in listed["page_obj"]]
    context = {**listed, "rows": shown, "may_upload": can(actor, UPLOAD)}
    return render(request, "subscriptions/imports.html", context)


def figures(imported: Import) -> dict[str, Any]:
    """How many rows, how many of them are or will be loaded, how many are left out."""
    total = int(imported.counts.get("rows", 0))
    good = int(imported.counts.get("good", 0))
    badge = BADGES.get(Import.Status(imported.status), "badge-off")
    return {"total": total, "good": good, "refused": total - good, "badge": badge}


@staff_page(UPLOAD)
@require_http_methods(["GET", "HEAD", "POST"])
def new_import(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    form = UploadForm(request.POST or None, request.FILES or None, actor=actor)
    if form.is_valid():
        try:
            made = check_import(
                newsletter=form.cleaned_data["newsletter"],
                channel=form.cleaned_data["channel"],
                legal_basis=form.cleaned_data["legal_basis"],
                similar_offers=form.cleaned_data["similar_offers"],
                content=form.cleaned_data["file"].read(),
                actor=actor,
            )
        except ImportRefused as refused:
            form.add_error("file", str(refused))
        else:
            return redirect("import", made.pk)
    return render(request, "subscriptions/import_new.html", {"form": form})


@import_page
@require_safe
def one_import(request: HttpRequest, import_id: UUID) -> HttpResponse:
    found, actor = _found(request, import_id), actor_of(request)
    counted = [(str(CODES[code]), found.counts.get(code, 0)) for code in CODES]
    job = jobs.job_of(found)
    context = {
        "import": found,
        "job": job,
        "is_running": jobs.running(found) is not None,
        **figures(found),
        "chart": Chart.of(_("What the check found"), [pair for pair in counted if pair[1]]),
        "report": [(line, CODES[code]) for line, code in found.report[:LINES_SHOWN]],
        "more": max(0, len(found.report) - LINES_SHOWN),
        "may_load": can(actor, UPLOAD, found.newsletter_id),
        "is_uploader": found.uploaded_by_id == request.user.pk,
        "may_decide": can(actor, APPROVE, found.newsletter_id)
        and found.uploaded_by_id != request.user.pk,
    }
    return render(request, "subscriptions/import.html", context)


@import_page
@require_safe
def report(request: HttpRequest, import_id: UUID) -> StreamingHttpResponse:
    found = _found(request, import_id)
    response = StreamingHttpResponse(report_csv(found), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="import-report.csv"'
    return response


@import_page
@require_safe
def progress(request: HttpRequest, import_id: UUID) -> HttpResponse:
    """How far a worker is; when it is over the whole page is loaded anew."""
    found = _found(request, import_id)
    job = jobs.job_of(found)
    if job is None or not jobs.running(found):
        answer = HttpResponse()
        answer["HX-Refresh"] = "true"
        return answer
    return render(request, "subscriptions/_import_job.html", {"import": found, "job": job})


Act = Callable[..., object]


def _decide(
    request: HttpRequest, import_id: UUID, act: Act, done: str, verb: str = ""
) -> HttpResponse:
    """Run one of the actions on an import and say what came of it; a worker does the long ones."""
    found = _found(request, import_id)
    if verb and jobs.is_long(found) and isinstance(request.user, User):
        jobs.begin(found, verb, request.user)
        return redirect("import", import_id)
    try:
        act(imported=found, actor=actor_of(request))
    except (ImportDecided, ImportRefused, SameHands) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect("import", import_id)


@staff_page(UPLOAD)
@require_POST
def load(request: HttpRequest, import_id: UUID) -> HttpResponse:
    done = _("All good rows have been loaded. They now wait for approval.")
    return _decide(request, import_id, load_import, done, "load")


@staff_page(APPROVE)
@require_POST
def approve(request: HttpRequest, import_id: UUID) -> HttpResponse:
    done = _("Approved. These people can be written to from now on.")
    return _decide(request, import_id, approve_import, done, "approve")


@import_page
@require_POST
def reject(request: HttpRequest, import_id: UUID) -> HttpResponse:
    done = _("The list is gone, and with it everybody whom only this list brought.")
    return _decide(request, import_id, reject_import, done)
