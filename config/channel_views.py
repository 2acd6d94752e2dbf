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
from privacy.access import NotAllowed, actor_of, can, require_staff, staff_page, step_up
from privacy.records.errors import ProfileIncomplete
from privacy.records.forms import ProfileForm
from privacy.records.processors import missing_of, profile_of
from privacy.records.suggestions import suggestion_for
from privacy.views.records import contract_file

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
    profile = ProfileForm.suggested(kind, _given(request), request.FILES)
    if form.is_valid() and profile.is_valid():
        channel = create_channel(
            kind=kind,
            name=form.cleaned_data["name"],
            settings=form.account_settings,
            secrets=form.secrets,
            actor=actor_of(request),
            profile=profile.facts,
            contract=profile.file,
            **form.facts,
        )
        _say_made(request, channel)
        return redirect("channel", channel.pk)
    context = {"form": form, "profile": profile, "label": adapter.label, **_known(kind)}
    return render(request, "config/channel.html", context)


@staff_page("channel.manage")
@step_up
@require_http_methods(FORM)
def channel(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """An account's settings; its secrets can be replaced and are never shown."""
    found = get_object_or_404(Channel, pk=channel_id)
    form = ChannelForm(_given(request), adapter=ADAPTERS[found.kind], channel=found)
    stored = profile_of(found.pk)
    profile = ProfileForm.of(stored, found.kind, _given(request), request.FILES)
    if form.is_valid() and profile.is_valid() and _changed(request, found, form, profile):
        messages.success(request, _("Saved. Workers use it within half a minute."))
        return redirect("channel", found.pk)
    context = {
        "form": form,
        "profile": profile,
        "missing": missing_of(stored),
        "contract": stored if stored and stored.contract_sha256 else None,
        **_known(found.kind),
        "channel": found,
        "label": ADAPTERS[found.kind].label,
        "silent": why_silent(found),
        "failed_events": _failed(found).count(),
        "hook": settings.JAWORT_ORIGIN + reverse("hook", args=[found.pk]),
    }
    return render(request, "config/channel.html", context)


def _changed(request: HttpRequest, found: Channel, form: ChannelForm, profile: ProfileForm) -> bool:
    """Whether the change was stored; if not, the profile's form says why."""
    try:
        change_channel(
            channel=found,
            settings=form.account_settings,
            secrets=form.secrets,
            actor=actor_of(request),
            profile=profile.facts,
            contract=profile.file,
            name=form.cleaned_data["name"],
            **form.facts,
        )
    except ProfileIncomplete as refused:
        profile.add_error(None, str(refused))
        return False
    return True


def _say_made(request: HttpRequest, made: Channel) -> None:
    if made.status == Channel.Status.STOPPED:
        missing = "; ".join(missing_of(profile_of(made.pk)))
        said = _("The account has been made and stays stopped. Its profile lacks: %(missing)s.")
        messages.warning(request, said % {"missing": missing})
    else:
        messages.success(request, _("The account has been made. Offer it in a newsletter now."))


def _known(kind: str) -> dict[str, str]:
    """What is publicly known about this messenger, to show beside the form."""
    known = suggestion_for(kind)
    return {"warning": str(known.warning), "hint": str(known.hint)}


@staff_page("channel.manage")
@require_safe
def contract(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """The signed contract with the provider, as it was uploaded."""
    stored = profile_of(channel_id)
    if stored is None or not stored.contract_sha256:
        raise Http404
    return contract_file(stored)


@require_staff
@require_POST
def switch(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """The kill switch of an account, and its release.

    Administrators use both. The data-protection officer may stop, for instance when the basis of
    a transfer falls, and leaves it to the administrator to let the account send again.
    """
    found, actor = get_object_or_404(Channel, pk=channel_id), actor_of(request)
    is_stop = request.POST.get("to") == Channel.Status.STOPPED
    is_administrator = can(actor, "channel.manage")
    if not is_administrator and not (is_stop and can(actor, "request.work")):
        raise NotAllowed(f"{actor} may not do channel.manage.")
    if is_stop:
        stop_channel(channel=found, actor=actor)
        messages.success(request, _("Stopped: nothing leaves on this account any more."))
    else:
        _start(request, found)
    return redirect("channel", found.pk) if is_administrator else redirect("privacy:processors")


def _start(request: HttpRequest, found: Channel) -> None:
    try:
        start_channel(channel=found, actor=actor_of(request))
    except ProfileIncomplete as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("This account sends again."))


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
