"""Accounts at messengers: made, changed and stopped. For administrators."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from config.channel_forms import ChannelForm, adapter_of_kind
from messengers.channels import (
    change_channel,
    create_channel,
    start_channel,
    stop_channel,
    why_silent,
)
from messengers.inbox import try_again
from messengers.models import Channel, InboundEvent
from messengers.registry import ADAPTERS
from privacy.access import actor_of, staff_page, step_up

FORM = ["GET", "HEAD", "POST"]
RETRIED_AT_ONCE = 1_000


@staff_page("channel.manage")
@require_safe
def channels(request: HttpRequest) -> HttpResponse:
    rows = [
        {"it": channel, "silent": why_silent(channel)}
        for channel in Channel.objects.order_by("name")
    ]
    kinds = [(kind, adapter.label) for kind, adapter in ADAPTERS.items()]
    return render(request, "config/channels.html", {"rows": rows, "kinds": kinds})


@staff_page("channel.manage")
@step_up
@require_http_methods(FORM)
def new_channel(request: HttpRequest, kind: str) -> HttpResponse:
    adapter = adapter_of_kind(kind)
    if adapter is None:
        raise Http404
    form = ChannelForm(_given(request), adapter=adapter)
    if form.is_valid():
        channel = create_channel(
            kind=kind,
            name=form.cleaned_data["name"],
            settings=form.account_settings,
            secrets=form.secrets,
            actor=actor_of(request),
            **form.facts,
        )
        messages.success(request, _("The account has been made. Offer it in a newsletter now."))
        return redirect("channel", channel.pk)
    return render(request, "config/channel.html", {"form": form, "label": adapter.label})


@staff_page("channel.manage")
@step_up
@require_http_methods(FORM)
def channel(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """An account's settings; its secrets can be replaced and are never shown."""
    found = get_object_or_404(Channel, pk=channel_id)
    form = ChannelForm(_given(request), adapter=ADAPTERS[found.kind], channel=found)
    if form.is_valid():
        change_channel(
            channel=found,
            settings=form.account_settings,
            secrets=form.secrets,
            actor=actor_of(request),
            name=form.cleaned_data["name"],
            **form.facts,
        )
        messages.success(request, _("Saved. Workers use it within half a minute."))
        return redirect("channel", found.pk)
    context = {
        "form": form,
        "channel": found,
        "label": ADAPTERS[found.kind].label,
        "silent": why_silent(found),
        "failed_events": _failed(found).count(),
        "hook": settings.JAWORT_ORIGIN + reverse("hook", args=[found.pk]),
    }
    return render(request, "config/channel.html", context)


@staff_page("channel.manage")
@require_POST
def switch(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """The kill switch of an account, and its release."""
    found = get_object_or_404(Channel, pk=channel_id)
    if request.POST.get("to") == Channel.Status.STOPPED:
        stop_channel(channel=found, actor=actor_of(request))
        messages.success(request, _("Stopped: nothing leaves on this account any more."))
    else:
        start_channel(channel=found, actor=actor_of(request))
        messages.success(request, _("This account sends again."))
    return redirect("channel", found.pk)


@staff_page("channel.manage")
@require_POST
def retry_inbox(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """Let incoming messages that could not be handled be tried again, once the cause is mended."""
    found = get_object_or_404(Channel, pk=channel_id)
    ids = list(_failed(found).values_list("pk", flat=True)[:RETRIED_AT_ONCE])
    number = try_again(ids, actor=actor_of(request))
    messages.success(request, _("%(number)s messages are tried again.") % {"number": number})
    return redirect("channel", found.pk)


def _failed(channel: Channel) -> QuerySet[InboundEvent]:
    return InboundEvent.objects.filter(channel=channel, status=InboundEvent.Status.FAILED)


def _given(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None
