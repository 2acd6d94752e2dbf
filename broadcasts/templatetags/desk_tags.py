"""Small helpers of the desk's templates."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import ngettext

from broadcasts.models import Broadcast
from broadcasts.words import TONES, local_time, trial_words

register = template.Library()


@register.filter
def in_zone(at: datetime | None, zone: str) -> str:
    """Date and time by the newsletter's clocks."""
    return local_time(at, zone)


@register.filter
def trial(broadcast: Broadcast) -> str:
    """How its trial batch stands."""
    return trial_words(broadcast)


@register.filter
def tone(status: str) -> str:
    """The colour of a broadcast's badge."""
    return TONES[Broadcast.Status(status)]


@register.filter
def named(names: Mapping[Any, str] | None, key: Any) -> str:
    """The value of a dictionary under a key that is itself a variable; "" if there is none."""
    return (names or {}).get(key, "")


@register.filter
def safe_fragment(html: str) -> SafeString:
    """HTML that an adapter made for our pages: everything in it is escaped already
    (`messengers.contract.Preview`).
    """
    return mark_safe(html)


@register.filter
def svg(width: float) -> str:
    """A number as SVG wants it, whatever the reader's language."""
    return f"{width:.2f}"


@register.filter
def hours(length: timedelta) -> str:
    """A whole number of hours."""
    count = round(length.total_seconds() / 3600)
    return ngettext("%(count)d hour", "%(count)d hours", count) % {"count": count}


@register.filter
def roughly(length: timedelta) -> str:
    """A time that is still to pass, not more exact than we know it."""
    seconds = max(int(length.total_seconds()), 1)
    if seconds < 90:
        return ngettext("%(count)d second", "%(count)d seconds", seconds) % {"count": seconds}
    minutes = round(seconds / 60)
    if minutes < 90:
        return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
    return hours(length)
