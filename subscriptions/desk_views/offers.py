"""Source forms at the desk: made by who manages the newsletter, decided by the officer."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from privacy.access import actor_of, can, staff_page
from subscriptions.actions import close_form, create_form, decide_form
from subscriptions.actions.offers import DECIDE
from subscriptions.desk_views.newsletters import FORM, MANAGE, READ, page, page_link
from subscriptions.errors import FormUndecided, SameHands
from subscriptions.forms import DecisionForm, SourceFormForm
from subscriptions.models import Newsletter, SourceForm

BADGES = {
    SourceForm.Status.DRAFT: "badge-wait",
    SourceForm.Status.PUBLISHED: "badge-good",
    SourceForm.Status.REFUSED: "badge-bad",
}


@staff_page(READ, scope_from="newsletter_id")
@require_http_methods(FORM)
def forms(request: HttpRequest, newsletter_id: UUID) -> HttpResponse:
    """All source forms, what waits for a decision, and a new one."""
    found = get_object_or_404(Newsletter, pk=newsletter_id)
    actor = actor_of(request)
    posted = request.POST if request.method == "POST" and can(actor, MANAGE, found.pk) else None
    form = SourceFormForm(posted, newsletter=found)
    if form.is_valid():
        made = create_form(newsletter=found, actor=actor, **form.cleaned_data)
        waits = made.status == SourceForm.Status.DRAFT
        said = _("It waits for the data-protection officer.") if waits else _("Published.")
        messages.success(request, said)
        return redirect("newsletter_forms", found.pk)
    rows = [
        {
            "it": one,
            "badge": BADGES.get(SourceForm.Status(one.status), "badge-off"),
            "link": page_link(found) + f"from/{one.code}/",
        }
        for one in found.forms.select_related("made_by", "decided_by")
    ]
    may_decide = can(actor, DECIDE, found.pk)
    return page(
        request,
        "forms",
        found,
        rows=rows,
        form=form,
        decision=DecisionForm(),
        may_decide=may_decide,
    )


@staff_page(DECIDE, scope_from="newsletter_id")
@require_POST
def decide(request: HttpRequest, newsletter_id: UUID, form_id: UUID) -> HttpResponse:
    one = get_object_or_404(SourceForm, pk=form_id, newsletter=newsletter_id)
    decision = DecisionForm(request.POST)
    reasons = decision.cleaned_data["reasons"] if decision.is_valid() else ""
    try:
        decide_form(
            form=one, publish="publish" in request.POST, reasons=reasons, actor=actor_of(request)
        )
    except FormUndecided:
        messages.error(request, _("Give the reasons: they stand in the proof of the decision."))
    except SameHands:
        messages.error(request, _("Who made a form cannot decide about it."))
    else:
        messages.success(request, _("Decided."))
    return redirect(reverse("newsletter_forms", args=[newsletter_id]))


@staff_page(MANAGE, scope_from="newsletter_id")
@require_POST
def close(request: HttpRequest, newsletter_id: UUID, form_id: UUID) -> HttpResponse:
    one = get_object_or_404(SourceForm, pk=form_id, newsletter=newsletter_id)
    close_form(form=one, actor=actor_of(request))
    messages.success(request, _("Nobody is asked there any more."))
    return redirect("newsletter_forms", newsletter_id)
