"""What is said to an editor about states, reasons and refusals."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from broadcasts.errors import (
    BroadcastError,
    ContentRefused,
    QuietHours,
    ScheduleRefused,
)
from broadcasts.models import Broadcast, SendingRules
from broadcasts.schedule import Clock, Moment, zone_of
from messengers.problems import explain
from subscriptions.models import Newsletter, Topic

TONES = {
    Broadcast.Status.DRAFT: "off",
    Broadcast.Status.SCHEDULED: "info",
    Broadcast.Status.RUNNING: "info",
    Broadcast.Status.PAUSED: "wait",
    Broadcast.Status.FINISHED: "good",
    Broadcast.Status.CANCELLED: "off",
    Broadcast.Status.EXPIRED: "bad",
}

# The short token stored as `status_why` -> what the editor reads.
WHYS = {
    "staff": _("by a colleague"),
    "missed": _(
        "The time passed while Jawort was not running, and more than an hour was lost. "
        "Duplicate it to send it now."
    ),
    "too_late": _("Its time was over before everybody had got it."),
    "quiet_hours": _("Its time fell into the quiet hours. Choose another time."),
    "quiet_pause": _("Paused by itself for the quiet hours; it goes on when they are over."),
    "no_audience": _("Nobody was in the audience when its time came."),
    "bad_audience": _("The audience named a topic or channel that was gone by then."),
    "content": _("The content did not fit a messenger when its time came. Look at the preview."),
    "not_allowed": _("Whoever scheduled it may no longer send."),
    "already_started": _("It had been started before."),
    "auth_config": _("A messenger refuses our access: the channel's settings need a look."),
    "picture_refused": _("A messenger does not take the picture: look at its size and kind."),
    "unreachable": _("A messenger could not be reached."),
    "too_many_doubts": _(
        "Too many answers were lost on a channel, and nobody could say who got the message. It "
        "waits there, and is tried again by itself with a few messages. Replies go on."
    ),
    "limit_reached": _(
        "The messenger limits our account, for instance because readers called messages spam. "
        "Waiting does not mend that: look there before it goes on."
    ),
    "restored": _("The database was restored: look how far it came before it goes on."),
    "canary_failures": _("The trial batch has stopped it: too many of its messages were refused."),
    "canary_doubts": _("The trial batch has stopped it: too many of its answers were lost."),
    "canary_opt_outs": _("The trial batch has stopped it: too many of its readers left."),
}

REFUSALS = {
    "illegal_transition": _("This is not possible in its present state. Here is how it is now."),
    "lost_race": _("A colleague was faster. Here is how it is now."),
    "edited_meanwhile": _(
        "A colleague saved this draft since you opened it. Look at it again before you go on."
    ),
    "not_a_draft": _("Only a draft can be changed: what was sent stays as it was."),
    "already_started": _("This broadcast had been started before; nobody got it twice."),
    "no_audience": _("Nobody is in this audience now, so nothing was sent."),
    "bad_audience": _(
        "The audience names a topic or channel that is gone. Edit the broadcast and choose again."
    ),
    "past": _("This time is over: choose one that is still to come."),
    "too_far": _("This is more than a year ahead: choose an earlier time."),
    "bad_time": _("This is no date with a time."),
    "bad_address": _("This is no address of the chosen channel."),
    "too_many": _("Ten tests an hour are the limit. Try again later."),
    "too_many_addresses": _("You have five test addresses already. Remove one of them first."),
    "reason_missing": _("Say why: the choice is kept with its reason."),
    "no_user": _("A test goes to a member of staff, so it needs one who is signed in."),
    "too_big": _("The file is larger than 10 MB. Make the picture smaller."),
    "not_a_picture": _("This is no picture that can be read. Use JPEG, PNG, WebP or GIF."),
    "too_many_pixels": _("The picture has too many pixels. Make it smaller."),
    "too_small": _("The picture is smaller than 16 pixels on a side."),
}


def why(code: str) -> str:
    """What a stored reason means; the token itself if it is a provider's own."""
    return str(WHYS.get(code, code))


def refusal(error: BroadcastError, zone: str = "", *, is_running: bool = False) -> str:
    """What happened, and what to do, in the reader's language; times by the clocks of `zone`."""
    if isinstance(error, ContentRefused):
        return " ".join(
            dict.fromkeys(f"{channel}: {explain(problem)}" for channel, problem in error.problems)
        )
    if isinstance(error, QuietHours) and is_running:
        return gettext("The newsletter's quiet hours last until %(time)s: it can go on then.") % {
            "time": local_time(error.until, zone)
        }
    if isinstance(error, QuietHours) or (isinstance(error, ScheduleRefused) and error.until):
        return gettext(
            "The newsletter's quiet hours last until %(time)s. Schedule it for then, "
            "or mark it as urgent and say why."
        ) % {"time": local_time(error.until, zone)}
    return str(REFUSALS.get(error.code, error.code))


def refused(code: str) -> str:
    """The words for a bare code."""
    return str(REFUSALS.get(code, code))


def local_time(at: datetime | None, zone: str = "") -> str:
    """Date and time as the reader's language writes them, in the newsletter's zone."""
    if at is None:
        return ""
    local = at.astimezone(zone_of(zone)) if zone else timezone.localtime(at)
    return formats.date_format(local, "SHORT_DATETIME_FORMAT")


def about_moment(meant: Moment) -> str:
    """What an editor has to know about a local time that is not what it seems; "" if it is."""
    shown = formats.date_format(meant.shown, "TIME_FORMAT")
    if meant.clock == Clock.NEVER:
        return gettext(
            "In that night the clocks go forward and this time does not exist: it will be %(time)s."
        ) % {"time": shown}
    if meant.clock == Clock.TWICE:
        return gettext(
            "In that night the clocks go back and this time comes twice: the first one, "
            "in summer time, counts."
        )
    return ""


def describe_rule(rule: dict[str, Any], newsletter: Newsletter) -> list[tuple[str, str]]:
    """A rule of the simple form in words; one line for any other."""
    if not rule:
        return [(gettext("Audience"), gettext("All subscribers"))]
    parts = rule.get("all")
    if not isinstance(parts, list) or any(len(part) != 1 for part in parts):
        return [(gettext("Audience"), gettext("A rule of its own"))]
    return [_part(kind, value, newsletter) for part in parts for kind, value in part.items()]


def trial_words(broadcast: Broadcast) -> str:
    """How the trial batch stands; "" if there is none."""
    if broadcast.canary == Broadcast.Canary.WAITING:
        return _trial_is_awaited(broadcast)
    found = broadcast.canary_found
    if not found or broadcast.canary == Broadcast.Canary.NONE:
        return ""
    told = gettext(
        "Trial batch: %(people)d people, %(failures)d refused, %(doubts)d in doubt, "
        "%(opt_outs)d left."
    ) % {name: found.get(name, 0) for name in ("people", "failures", "doubts", "opt_outs")}
    return f"{told} {Broadcast.Canary(broadcast.canary).label}."


def _trial_is_awaited(broadcast: Broadcast) -> str:
    if broadcast.canary_done_at is None:
        return gettext("The trial batch is being sent; everybody else waits for its outcome.")
    wait = timedelta(minutes=SendingRules.of(broadcast.newsletter).canary_minutes)
    at = local_time(broadcast.canary_done_at + wait, broadcast.newsletter.time_zone)
    return gettext(
        "The trial batch is out. If not too many leave, everybody else follows at %(time)s."
    ) % {"time": at}


def topic_name(topic: Topic) -> str:
    """The topic's name in the reader's language."""
    return topic.name_en if (get_language() or "").startswith("en") else topic.name_de


def _part(kind: str, value: Any, newsletter: Newsletter) -> tuple[str, str]:
    if kind == "topic":
        names = {topic.slug: topic_name(topic) for topic in newsletter.topics.all()}
        return gettext("Topics"), ", ".join(names.get(slug, slug) for slug in value)
    if kind == "language":
        return gettext("Languages"), ", ".join(value)
    if kind == "channel":
        found = newsletter.channels.filter(pk__in=value).values_list("name", flat=True)
        return gettext("Channels"), ", ".join(found)
    if kind == "subscribed_after":
        return gettext("Subscribed after"), str(value)
    if kind == "subscribed_before":
        return gettext("Subscribed before"), str(value)
    return gettext("Audience"), gettext("A rule of its own")
