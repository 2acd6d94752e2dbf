"""Testing, scheduling, sending, steering: everything after the text is written."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from broadcasts import actions
from broadcasts.choice_forms import ScheduleForm
from broadcasts.content import channels_of, message_of, problems_of
from broadcasts.errors import BroadcastError, ScheduleRefused
from broadcasts.forms import TestAddressForm, uuid_or_none
from broadcasts.models import Broadcast, SendingRules, TestAddress
from broadcasts.schedule import LOCAL_FORMAT, quiet_until, zone_of
from broadcasts.views.compose import reach_of
from broadcasts.views.page import SEND, TEST, WRITE, attempt, back_to, broadcast_page, staff_of
from broadcasts.words import about_moment, describe_rule, local_time, refusal
from messengers.channels import why_silent
from messengers.models import Channel
from messengers.problems import explain
from privacy.access import actor_of


@broadcast_page(TEST, "POST")
def test(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """Send the draft to an address of one's own."""
    found = _test_target(request, broadcast)
    if found is None:
        messages.error(request, _("Choose a channel and write your own address there."))
        return back_to(broadcast)
    channel, to = found
    attempt(
        request,
        broadcast,
        lambda: actions.test_to_self(
            broadcast=broadcast, channel=channel, actor=actor_of(request), to=to
        ),
        _("The test is on its way. If nothing comes, this address may have said STOP here."),
    )
    return back_to(broadcast)


test.__test__ = False  # type: ignore[attr-defined]  # a page, not a test case


def _test_target(
    request: HttpRequest, broadcast: Broadcast
) -> tuple[Channel, str | TestAddress] | None:
    if known := uuid_or_none(request.POST.get("known", "")):
        mine = TestAddress.objects.filter(
            user=staff_of(request), channel__in=channels_of(broadcast.newsletter)
        )
        row = get_object_or_404(mine.select_related("channel"), pk=known)
        return row.channel, row
    form = TestAddressForm(request.POST, newsletter=broadcast.newsletter)
    if not form.is_valid():
        return None
    return form.cleaned_data["channel"], form.cleaned_data["address"]


@broadcast_page(TEST, "POST")
def forget_test(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """Remove an address of one's own from the list."""
    mine = TestAddress.objects.filter(user=staff_of(request))
    get_object_or_404(mine, pk=uuid_or_none(request.POST.get("known", ""))).delete()
    messages.success(request, _("The test address is forgotten."))
    return back_to(broadcast)


@broadcast_page(SEND, "GET", "HEAD", "POST")
def send(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """Shows what will happen; a POST makes it happen, once."""
    if request.method == "POST":
        attempt(
            request,
            broadcast,
            lambda: actions.start(
                broadcast,
                actor=actor_of(request),
                idempotency_key=request.POST.get("key", "")[:64],
                seen_at=_moment(request.POST.get("seen_at", "")),
            ),
            _("It is being sent."),
        )
        return back_to(broadcast)
    if broadcast.dispatch:
        return back_to(broadcast)
    return render(request, "broadcasts/send.html", _what_will_happen(broadcast))


def _moment(text: str) -> datetime | None:
    """The time in the form; None for what is no time."""
    try:
        return parse_datetime(text)
    except ValueError:
        return None


def _what_will_happen(broadcast: Broadcast) -> dict[str, object]:
    newsletter, now = broadcast.newsletter, timezone.now()
    counted = reach_of(newsletter, broadcast.rule, is_urgent=broadcast.is_urgent)
    found = counted["reach"]
    channels = [share.channel for share in found.shares] if found else []
    problems = problems_of(message_of(broadcast), channels)
    until = quiet_until(now, newsletter.time_zone, newsletter.quiet_from, newsletter.quiet_until)
    return {
        "broadcast": broadcast,
        "audience": describe_rule(broadcast.rule, newsletter),
        "problems": dict.fromkeys(f"{name}: {explain(problem)}" for name, problem in problems),
        "stopped": newsletter.channels.filter(status=Channel.Status.STOPPED),
        "broken": [
            (channel.name, why_silent(channel))
            for channel in channels
            if channel.breaker != Channel.Breaker.CLOSED
        ],
        "trial": _trial_size(broadcast),
        "quiet_until": local_time(until, newsletter.time_zone) if until else "",
        "quiet_until_local": _as_local(until, newsletter.time_zone) if until else "",
        "key": secrets.token_hex(16),
        **counted,
    }


def _trial_size(broadcast: Broadcast) -> int:
    """How many go first."""
    if broadcast.is_urgent:
        return 0
    by_rule = SendingRules.of(broadcast.newsletter).canary_size
    return by_rule if broadcast.canary_size is None else broadcast.canary_size


def _as_local(at: datetime, zone: str) -> str:
    return at.astimezone(zone_of(zone)).strftime(LOCAL_FORMAT)


@broadcast_page(SEND, "GET", "HEAD", "POST")
def schedule(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """Choose the time; says what it means when the clocks change in that night."""
    form = ScheduleForm(request.POST or None, initial={"local_time": _proposed(broadcast)})
    if request.method == "POST" and form.is_valid():
        try:
            meant = actions.schedule(
                broadcast=broadcast,
                local_time=form.cleaned_data["local_time"],
                actor=actor_of(request),
            )
        except ScheduleRefused as error:
            zone = broadcast.newsletter.time_zone
            form.add_error("local_time", refusal(error, zone))
        except BroadcastError as error:
            messages.error(request, refusal(error))
            return back_to(broadcast)
        else:
            shown = local_time(meant.at, broadcast.newsletter.time_zone)
            messages.success(request, _("It starts at %(time)s.") % {"time": shown})
            if about := about_moment(meant):
                messages.warning(request, about)
            return back_to(broadcast)
    context = {"broadcast": broadcast, "form": form}
    return render(request, "broadcasts/schedule.html", context)


def _proposed(broadcast: Broadcast) -> str:
    """The time it has, or the next full hour that is not quiet."""
    if broadcast.status == Broadcast.Status.SCHEDULED:
        return broadcast.schedule.local_time
    newsletter = broadcast.newsletter
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    until = quiet_until(hour, newsletter.time_zone, newsletter.quiet_from, newsletter.quiet_until)
    return _as_local(until or hour, newsletter.time_zone)


@broadcast_page(WRITE, "POST")
def unschedule(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    done = _("It is a draft again and does not start by itself.")
    return _acted(request, broadcast, actions.unschedule, done)


@broadcast_page(SEND, "POST")
def pause(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    done = _("Paused: nothing more leaves until you go on.")
    return _acted(request, broadcast, actions.pause, done)


@broadcast_page(SEND, "POST")
def resume(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    urgent = partial(actions.resume, urgent_why=request.POST.get("urgent_why", ""))
    return _acted(request, broadcast, urgent, _("It goes on."))


@broadcast_page(SEND, "POST")
def end_trial(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """Send on to everybody without waiting for the trial batch."""
    return _acted(request, broadcast, actions.end_trial, _("Everybody gets it now."))


def _acted(
    request: HttpRequest, broadcast: Broadcast, action: Callable[..., object], done: str
) -> HttpResponse:
    """Act in the name of who asks, say what came of it, and go back to the broadcast."""
    attempt(request, broadcast, lambda: action(broadcast=broadcast, actor=actor_of(request)), done)
    return back_to(broadcast)


@broadcast_page(SEND, "GET", "HEAD", "POST")
def cancel(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """Asks first; a POST stops it for good."""
    if request.method == "POST":
        attempt(
            request,
            broadcast,
            lambda: actions.cancel(broadcast=broadcast, actor=actor_of(request)),
            _("Cancelled: whoever had not got it by now does not get it."),
        )
        return back_to(broadcast)
    if not broadcast.is_sending:
        return back_to(broadcast)
    context = {
        "broadcast": broadcast,
        "question": _("Stop this broadcast for good?"),
        "text": _(
            "Whoever still waits gets nothing. What has left cannot be called back. "
            "To go on later, pause it instead."
        ),
        "label": _("Stop it for good"),
    }
    return render(request, "broadcasts/question.html", context)


@broadcast_page(SEND, "POST")
def retry(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    tried: list[int] = []
    if attempt(
        request,
        broadcast,
        lambda: tried.append(actions.retry_failed(broadcast=broadcast, actor=actor_of(request))),
    ):
        if tried[0]:
            text = _("%(count)s are tried again.") % {"count": tried[0]}
            messages.success(request, text)
        else:
            messages.info(request, _("Nobody is left whom it would help to try again."))
    return redirect("broadcast", pk=broadcast.pk)
