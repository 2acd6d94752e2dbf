"""A newsletter at the desk: what it is, its topics, its words, and its sign-up page."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from privacy.access import Actor, actor_of, can, staff_page, visible_to
from subscriptions.actions import (
    add_channel,
    change_newsletter,
    create_newsletter,
    remove_channel,
)
from subscriptions.errors import WordingRefused
from subscriptions.forms import NewsletterForm
from subscriptions.models import Newsletter, Subscription
from subscriptions.queries import unrestricted
from subscriptions.views.newsletter import qr_picture, ways_of

READ = "newsletter.read"
MANAGE = "newsletter.manage"
FORM = ["GET", "HEAD", "POST"]
CONFIRMED = Q(subscriptions__status=Subscription.Status.CONFIRMED)


@staff_page(READ)
@require_safe
def newsletters(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    rows = visible_to(actor, Newsletter.objects.all(), READ)
    counted = CONFIRMED & unrestricted("subscriptions__subscriber")
    rows = rows.annotate(confirmed=Count("subscriptions", filter=counted)).order_by("name")
    context = {"rows": rows, "may_manage": can(actor, MANAGE)}
    return render(request, "subscriptions/newsletters.html", context)


@staff_page(MANAGE)
@require_http_methods(FORM)
def new_newsletter(request: HttpRequest) -> HttpResponse:
    form = NewsletterForm(request.POST or None)
    if form.is_valid():
        try:
            found = create_newsletter(**facts_of(form), actor=actor_of(request))
        except WordingRefused as refused:
            refuse_opening(form, refused)
        else:
            messages.success(request, _("The newsletter has been made. Now look at its texts."))
            return redirect("newsletter_texts", found.pk)
    context = {"form": form, "is_new": True, "may_manage": True}
    return render(request, "subscriptions/newsletter_settings.html", context)


def refuse_opening(form: NewsletterForm, refused: WordingRefused) -> None:
    """Say what its texts lack before anybody may be asked to agree to them."""
    lacking = dict.fromkeys(finding.explain() for finding in refused.findings)
    said = _("It stays closed until its texts are complete. Still missing:")
    form.add_error("is_public", " ".join([said, *lacking]))


def facts_of(form: NewsletterForm) -> dict[str, Any]:
    return {name: form.cleaned_data[name] for name in form.fields}


@transaction.atomic
def _change(newsletter: Newsletter, form: NewsletterForm, actor: Actor) -> None:
    facts = facts_of(form)
    wanted = set(facts.pop("channels"))
    facts.pop("slug")
    change_newsletter(newsletter=newsletter, **facts, actor=actor)
    offered = set(newsletter.channels.all())
    for channel in wanted - offered:
        add_channel(newsletter=newsletter, channel=channel, actor=actor)
    for channel in offered - wanted:
        remove_channel(newsletter=newsletter, channel=channel, actor=actor)


@staff_page(READ, scope_from="newsletter_id")
@require_http_methods(FORM)
def newsletter_settings(request: HttpRequest, newsletter_id: UUID) -> HttpResponse:
    found = get_object_or_404(Newsletter, pk=newsletter_id)
    may_manage = can(actor_of(request), MANAGE, found.pk)
    posted = request.POST if request.method == "POST" and may_manage else None
    form = NewsletterForm(posted, instance=found)
    if form.is_valid():
        try:
            _change(Newsletter.objects.get(pk=found.pk), form, actor_of(request))
        except WordingRefused as refused:
            refuse_opening(form, refused)
        else:
            messages.success(request, _("Saved."))
            return redirect("newsletter_settings", found.pk)
    return page(request, "settings", found, form=form)


def page(
    request: HttpRequest, tab: str, newsletter: Newsletter, status: int = 200, **more: Any
) -> HttpResponse:
    """One tab of a newsletter."""
    context = {
        "newsletter": newsletter,
        "may_manage": can(actor_of(request), MANAGE, newsletter.pk),
        **more,
    }
    return render(request, f"subscriptions/newsletter_{tab}.html", context, status=status)


@staff_page(READ, scope_from="newsletter_id")
@require_safe
def sign_up(request: HttpRequest, newsletter_id: UUID) -> HttpResponse:
    """Where people sign up, to be printed and linked."""
    found = get_object_or_404(Newsletter, pk=newsletter_id)
    return page(request, "sign_up", found, link=page_link(found), ways=ways_of(found))


@staff_page(READ, scope_from="newsletter_id")
@require_safe
def sign_up_qr(request: HttpRequest, newsletter_id: UUID) -> HttpResponse:
    return qr_picture(page_link(get_object_or_404(Newsletter, pk=newsletter_id)))


def page_link(newsletter: Newsletter) -> str:
    return str(settings.JAWORT_ORIGIN) + reverse("newsletter", args=[newsletter.slug])
