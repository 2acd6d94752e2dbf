"""Writing a draft, with the preview and the count beside it."""

import secrets
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.cache import cache
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _

from broadcasts.actions import add_picture, create_broadcast, edit_broadcast
from broadcasts.audience import reach
from broadcasts.content import channels_of, message_of
from broadcasts.errors import BadAudience, BroadcastError
from broadcasts.forms import BroadcastForm, uuid_or_none
from broadcasts.media import PictureRefused
from broadcasts.models import Broadcast, Media
from broadcasts.queries import mail_document, previews
from broadcasts.views.page import (
    READ,
    WRITE,
    back_to,
    broadcast_page,
    newsletter_page,
    page,
    staff_of,
)
from broadcasts.words import refusal, refused
from messengers.contract import Content as Message
from messengers.models import Channel
from privacy.access import Actor, actor_of, visible_to
from subscriptions.models import Newsletter

DOCUMENT_SECONDS = 15 * 60
# A mail is shown as its reader gets it, with its own styles, where it can reach nothing.
DOCUMENT_CSP = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:;"
    " frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)


def offered(actor: Actor) -> list[Newsletter]:
    """The newsletters for which this actor may write."""
    return list(visible_to(actor, Newsletter.objects.order_by("name"), WRITE))


@page(WRITE, "GET", "HEAD", "POST")
def new(request: HttpRequest) -> HttpResponseBase:
    """A new draft for the newsletter in `?newsletter=`; asks which if there are several."""
    newsletters = offered(actor_of(request))
    slug = request.GET.get("newsletter", "")
    chosen = [row for row in newsletters if row.slug == slug] if slug else newsletters
    if slug and not chosen:
        raise Http404
    if len(chosen) != 1:
        return render(request, "broadcasts/which.html", {"newsletters": newsletters})
    return _compose(request, chosen[0], None)


@broadcast_page(WRITE, "GET", "HEAD", "POST")
def edit(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    if not broadcast.is_draft:
        messages.warning(request, refused("not_a_draft"))
        return back_to(broadcast)
    return _compose(request, broadcast.newsletter, broadcast)


def _compose(request: HttpRequest, newsletter: Newsletter, draft: Broadcast | None) -> HttpResponse:
    form = BroadcastForm(
        request.POST or None, request.FILES or None, newsletter=newsletter, draft=draft
    )
    if request.method == "POST" and form.is_valid():
        saved = _save(request, form)
        if saved:
            messages.success(request, _("The draft is saved."))
            return back_to(saved)
    context = {"form": form, "newsletter": newsletter, "broadcast": draft}
    return render(request, "broadcasts/compose.html", context)


def _save(request: HttpRequest, form: BroadcastForm) -> Broadcast | None:
    """The saved draft; or None, and the form says why."""
    actor, data = actor_of(request), form.cleaned_data
    fields = form.written()
    try:
        if data["image"]:
            fields["image"] = _picture(form, data["image"].read(), actor)
        elif data["remove_image"]:
            fields["image"] = None
        with transaction.atomic():
            if form.draft is None:
                return create_broadcast(newsletter=form.newsletter, actor=actor, **fields)
            return edit_broadcast(
                broadcast=form.draft, actor=actor, seen_at=data["seen_at"], **fields
            )
    except PictureRefused as error:
        form.add_error("image", refused(error.code))
    except BroadcastError as error:
        form.add_error(None, refusal(error))
    return None


def _picture(form: BroadcastForm, upload: bytes, actor: Actor) -> Media:
    return add_picture(newsletter=form.newsletter, upload=upload, actor=actor)


# What stands beside the form while somebody writes. A POST because a text is too long for an
# address; nothing of it is kept but, for minutes, the page of a mail's preview.


def _form_of(request: HttpRequest, newsletter: Newsletter) -> BroadcastForm:
    draft = None
    if pk := uuid_or_none(request.POST.get("broadcast", "")):
        rows = Broadcast.objects.for_pages().filter(newsletter=newsletter)
        draft = get_object_or_404(rows, pk=pk)
    form = BroadcastForm(request.POST, newsletter=newsletter, draft=draft)
    form.is_valid()
    return form


@newsletter_page(WRITE, "POST")
def live_preview(request: HttpRequest, newsletter: Newsletter) -> HttpResponse:
    """The message as each messenger would show it now."""
    form = _form_of(request, newsletter)
    content = form.message()
    found = previews(content, newsletter, staff_of(request))
    frames = {
        shown.channel.pk: _keep_document(request, content, newsletter, shown.channel)
        for shown in found
        if shown.named and shown.named.is_document
    }
    context = {
        "previews": found,
        "frames": frames,
        "newsletter": newsletter,
        "picture": form.stored_image,
    }
    return render(request, "broadcasts/_previews.html", context)


@newsletter_page(WRITE, "POST")
def live_reach(request: HttpRequest, newsletter: Newsletter) -> HttpResponse:
    """How many would get it."""
    form = _form_of(request, newsletter)
    return render(request, "broadcasts/_reach.html", reach_of(newsletter, form.rule()))


def reach_of(
    newsletter: Newsletter, rule: dict[str, Any], *, is_urgent: bool = False
) -> dict[str, Any]:
    """The count for a page, or why there is none."""
    channels = channels_of(newsletter)
    try:
        found = reach(newsletter, rule, channels, timezone.now(), is_urgent=is_urgent)
    except BadAudience as error:
        return {"reach": None, "reach_problem": refusal(error)}
    return {"reach": found}


def _keep_document(
    request: HttpRequest, content: Message, newsletter: Newsletter, channel: Channel
) -> str:
    """A name under which this editor's browser finds the mail's page for some minutes."""
    name = secrets.token_urlsafe(24)
    kept = {
        "content": content.to_json(),
        "newsletter": str(newsletter.pk),
        "channel": str(channel.pk),
    }
    cache.set(_cache_key(request, name), kept, DOCUMENT_SECONDS)
    return name


def _cache_key(request: HttpRequest, name: str) -> str:
    return f"broadcasts.preview:{request.user.pk}:{name}"


@page(WRITE)
def kept_document(request: HttpRequest, name: str) -> HttpResponseBase:
    """A mail's page that `live_preview` has just made, for the same editor alone."""
    kept = cache.get(_cache_key(request, name))
    if not kept:
        raise Http404
    rows = visible_to(actor_of(request), Newsletter.objects.all(), WRITE)
    newsletter = get_object_or_404(rows, pk=kept["newsletter"])
    channel = get_object_or_404(newsletter.channels, pk=kept["channel"])
    return _document(request, Message.from_json(kept["content"]), newsletter, channel)


@page(READ)
def document(request: HttpRequest, pk: UUID, channel: UUID) -> HttpResponseBase:
    """The page of a saved message on a channel that needs a frame of its own."""
    rows = visible_to(actor_of(request), Broadcast.objects.for_pages(), READ)
    broadcast = get_object_or_404(rows, pk=pk)
    shown_on = get_object_or_404(broadcast.newsletter.channels, pk=channel)
    return _document(request, message_of(broadcast), broadcast.newsletter, shown_on)


def _document(
    request: HttpRequest, content: Message, newsletter: Newsletter, channel: Channel
) -> HttpResponse:
    html = mail_document(content, newsletter, channel, staff_of(request))
    if not html:
        raise Http404
    response = HttpResponse(html)
    response["Content-Security-Policy"] = DOCUMENT_CSP
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["X-Content-Type-Options"] = "nosniff"
    response._csp_exempt = True  # type: ignore[attr-defined]  # the header above stands
    return response
