"""Confirm, preferences, unsubscribe: what the links in our messages lead to.

Mail scanners and messengers open every link they see, so a GET only shows a button (RFC 8058).
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from privacy.vault import token_hash
from subscriptions.actions.opt_in import confirm_opt_in
from subscriptions.actions.topics import set_language, set_topics
from subscriptions.actions.withdrawal import withdraw
from subscriptions.errors import OptInExpired, OptInGone
from subscriptions.forms import PreferencesForm
from subscriptions.markup import wording_html
from subscriptions.models import OptIn, Subscription
from subscriptions.views.edge import DeadLink, dead_link, follow, public, show, speak

METHODS = ["GET", "HEAD", "POST"]
ENDED = (Subscription.Status.WITHDRAWN, Subscription.Status.OBJECTED, Subscription.Status.LAPSED)
ONE_CLICK = ("List-Unsubscribe", "One-Click")


@public
@require_http_methods(METHODS)
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """The second step of the double opt-in. The link works once and for 48 hours."""
    try:
        opt_in = _pending(token)
    except DeadLink as dead:
        return dead_link(request, dead, "confirm")
    speak(request, opt_in.language)
    if request.method == "POST":
        return _confirm(request, opt_in)
    return show(
        request,
        "confirm",
        newsletter=opt_in.newsletter,
        wording=opt_in.wording,
        html=wording_html(opt_in.wording.text),
    )


def _confirm(request: HttpRequest, opt_in: OptIn) -> HttpResponse:
    """Say yes; whoever pressed a moment earlier, in another window, was enough."""
    try:
        confirm_opt_in(opt_in=opt_in, method="link", event_at=timezone.now(), evidence=_evidence())
    except OptInGone:
        return dead_link(request, DeadLink("gone"), "confirm")
    except OptInExpired:
        return dead_link(request, DeadLink("expired"), "confirm")
    return show(request, "confirmed", newsletter=opt_in.newsletter)


def _pending(token: str) -> OptIn:
    found = (
        OptIn.objects.select_related("newsletter", "wording", "address")
        .filter(token_hash=token_hash("confirm", token))
        .first()
    )
    if found is None:
        raise DeadLink("gone")
    if found.answer_until < timezone.now():
        raise DeadLink("expired")
    return found


@public
@require_http_methods(METHODS)
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """The way out: a page with one button for people, a bare POST for mailbox providers."""
    try:
        ref = follow("unsubscribe", token)
    except DeadLink as dead:
        return dead_link(request, dead, "unsubscribe")
    found = Subscription.objects.select_related("newsletter").filter(pk=ref).first()
    if found:
        speak(request, found.language)
    key, value = ONE_CLICK
    one_click = request.POST.get(key) == value
    if request.method == "POST" and found and found.status not in ENDED:
        _end(found, "one_click" if one_click else "web")
    if one_click:
        return HttpResponse("unsubscribed\n", content_type="text/plain; charset=utf-8")
    over = found is None or found.status in ENDED
    return show(request, "unsubscribe", newsletter=found and found.newsletter, is_over=over)


@public
@require_http_methods(METHODS)
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    """Topics, language and the way out, for one subscription."""
    try:
        subscription = _subscription(token)
    except DeadLink as dead:
        return dead_link(request, dead, "preferences")
    speak(request, subscription.language)
    if request.method == "POST" and "stop" in request.POST:
        return _stop(request, subscription)
    form = PreferencesForm(request.POST or None, subscription=subscription)
    if form.is_valid():
        _save(subscription, form)
        return redirect(f"{request.path}?saved=1&lang={form.cleaned_data['language']}")
    saved = "saved" in request.GET
    others = _siblings(subscription)
    return show(
        request,
        "preferences",
        newsletter=subscription.newsletter,
        subscription=subscription,
        form=form,
        saved=saved,
        others=others,
    )


def _subscription(token: str) -> Subscription:
    ref = follow("preferences", token)
    found = Subscription.objects.select_related("newsletter", "address").filter(pk=ref).first()
    if found is None or found.status in ENDED:
        raise DeadLink("ended")
    return found


def _siblings(subscription: Subscription) -> list[Subscription]:
    """Other newsletters that the same address still gets."""
    rows = Subscription.objects.filter(address=subscription.address_id)
    others = rows.exclude(pk=subscription.pk).exclude(status__in=ENDED)
    return list(others.select_related("newsletter", "address").order_by("newsletter__name"))


def _save(subscription: Subscription, form: PreferencesForm) -> None:
    now = timezone.now()
    if "topics" in form.changed_data:
        set_topics(
            subscription=subscription,
            topics=list(form.cleaned_data["topics"]),
            method="web",
            event_at=now,
            evidence=_evidence(),
        )
    if "language" in form.changed_data:
        set_language(subscription=subscription, language=form.cleaned_data["language"])


def _stop(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    ending = [subscription]
    if request.POST["stop"] == "all":
        ending += _siblings(subscription)
    for one in ending:
        _end(one, "web")
    return show(
        request, "unsubscribe", newsletter=subscription.newsletter, is_over=True, ended=ending
    )


def _end(subscription: Subscription, method: str) -> None:
    withdraw(
        subscription=subscription,
        method=method,
        event_at=timezone.now(),
        evidence=_evidence(),
    )
    subscription.refresh_from_db()


def _evidence() -> dict[str, Any]:
    """What a page can prove: that the holder of the link pressed its button. No IP address."""
    return {"form": "page/1"}
