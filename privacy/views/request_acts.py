"""Acts on one request, each a POST: how it moves on, and what can be decided about it."""

from functools import partial

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from privacy import tasks
from privacy.access import actor_of
from privacy.forms import (
    CloseForm,
    ExtendForm,
    LiftForm,
    NoteForm,
    NoticeForm,
    PurposeForm,
    ReceiptForm,
    RectifyForm,
    RedactForm,
    RefuseForm,
)
from privacy.models import RecipientNotice, Request
from privacy.requests import actions, rights
from privacy.requests.closing import outcomes_of
from privacy.views.common import accepts, act, to_request
from privacy.views.public import attachment


@act("request.work")
def ask(request: HttpRequest, row: Request) -> HttpResponse:
    actions.ask_identity(request=row, actor=actor_of(request))
    messages.success(request, _("The question was sent to the subscribed channel."))
    return to_request(row)


@act("request.work")
def extend(request: HttpRequest, row: Request) -> HttpResponse:
    form = ExtendForm(request.POST)
    if accepts(request, form):
        reasons = form.cleaned_data["reasons"]
        actions.extend(request=row, reasons=reasons, actor=actor_of(request))
        messages.success(request, _("Extended; the notice was sent."))
    return to_request(row)


@act("request.work")
def receipt(request: HttpRequest, row: Request) -> HttpResponse:
    """Another day of receipt, with the reason for it."""
    form = ReceiptForm(request.POST)
    if accepts(request, form):
        actions.correct_receipt(
            request=row,
            received_at=form.received_at(),
            reasons=form.cleaned_data["reasons"],
            actor=actor_of(request),
        )
        messages.success(request, _("Corrected; the clock was set anew."))
    return to_request(row)


@act("request.work")
def note(request: HttpRequest, row: Request) -> HttpResponse:
    form = NoteForm(request.POST)
    if accepts(request, form):
        actions.note(request=row, text=form.cleaned_data["text"], actor=actor_of(request))
        messages.success(request, _("Noted."))
    return to_request(row)


@act("request.work")
def close(request: HttpRequest, row: Request) -> HttpResponse:
    form = CloseForm(request.POST, outcomes=outcomes_of(row))
    if accepts(request, form):
        actions.close_request(request=row, actor=actor_of(request), **form.cleaned_data)
        messages.success(request, _("The request is closed."))
    return to_request(row)


@act("request.work", again=True)
def refuse(request: HttpRequest, row: Request) -> HttpResponse:
    """Propose a refusal; a second person decides."""
    form = RefuseForm(request.POST)
    if accepts(request, form):
        actions.propose_refusal(request=row, actor=actor_of(request), **form.cleaned_data)
        messages.success(request, _("A second person has to agree; then the reasons are sent."))
    return to_request(row)


@act("request.work")
def rectify(request: HttpRequest, row: Request) -> HttpResponse:
    form = RectifyForm(request.POST)
    if accepts(request, form):
        wanted = {name: text for name, text in form.cleaned_data.items() if text}
        changed = actions.rectify(request=row, changes=wanted, actor=actor_of(request))
        if changed:
            messages.success(request, _("Corrected; what it was stands in the file."))
        else:
            messages.warning(request, _("Nothing was changed: that is how it stands already."))
    return to_request(row)


@act("request.work")
def complete(request: HttpRequest, row: Request) -> HttpResponse:
    """A correction or restriction is done, or an objection is to be carried out now."""
    actor = actor_of(request)
    if row.kind == Request.Kind.OBJECTION:
        actions.complete_objection(request=row, actor=actor)
    else:
        actions.complete(request=row, actor=actor)
    messages.success(request, _("Done; the person is told."))
    return to_request(row)


@act("request.work", again=True)
def lift(request: HttpRequest, row: Request) -> HttpResponse:
    """Lift the restriction of this request's person, who is told first."""
    form = LiftForm(request.POST)
    if accepts(request, form) and row.subject:
        reason = form.cleaned_data["reason"]
        rights.lift_restriction(row.subject, actor=actor_of(request), reason=reason)
        messages.success(request, _("The person was told, and the restriction is lifted."))
    return to_request(row)


@act("request.work")
def settle(request: HttpRequest, row: Request) -> HttpResponse:
    """A recipient was told, or has answered (Art. 19)."""
    form = NoticeForm(request.POST)
    if accepts(request, form):
        notice = get_object_or_404(RecipientNotice, pk=form.cleaned_data["notice"], request=row)
        actions.settle_notice(
            notice=notice,
            status=form.cleaned_data["status"],
            reply=form.cleaned_data["reply"],
            actor=actor_of(request),
        )
    return to_request(row)


@act("person.export", again=True)
def make(request: HttpRequest, row: Request) -> HttpResponse:
    """A worker makes it; `again` takes the words of the try that failed."""
    form = RedactForm(request.POST)
    form.is_valid()
    words = None if "again" in request.POST else form.words()
    actions.begin_package(request=row, actor=actor_of(request), redact=words)
    transaction.on_commit(partial(tasks.pack.delay, str(row.pk)), robust=True)
    return to_request(row)


@act("person.export", again=True)
def deliver(request: HttpRequest, row: Request) -> HttpResponse:
    actions.deliver_package(
        request=row, actor=actor_of(request), without_code="without_code" in request.POST
    )
    messages.success(request, _("The link was sent to the person's channel."))
    return to_request(row)


@act("person.export", again=True)
def ask_second(request: HttpRequest, row: Request) -> HttpResponse:
    """Ask a second person whether a package may leave without the code."""
    actions.ask_without_code(request=row, actor=actor_of(request))
    messages.success(request, _("A second person was asked."))
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
