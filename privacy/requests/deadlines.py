"""How long we have: Art. 12(3) GDPR, counted as Regulation 1182/71 counts.

The day of receipt does not count; a period of months ends with the day of the same date, or with
the month's last day where there is none; if that is no working day, with the next one (Art. 3(1),
3(2)(c) and 3(4)). Pure: the clock, the Land and the time zone are given.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from privacy.requests.holidays import is_working_day

FIRST_MONTHS = 1
EXTENDED_MONTHS = 3  # "by two further months" (Art. 12(3) sentence 2)
SOON_DAYS = 7
LAST_MOMENT = time(23, 59, 59)


class Urgency(TextChoices):
    """How a clock looks. Always shown with its word, never by colour alone."""

    STOPPED = "off", _("Answered")
    PAUSED = "info", _("Paused for proof of identity")
    CALM = "good", _("In time")
    SOON = "wait", _("Due soon")
    LATE = "bad", _("Overdue")


@dataclass(frozen=True)
class Clock:
    """What a page shows of a deadline; `days_left` counts calendar days, 0 on the last day."""

    due_on: date
    days_left: int
    urgency: Urgency


def add_months(start: date, months: int) -> date:
    """The same date `months` later, or that month's last day where it has no such date."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


def due_on(received: date, *, months: int = FIRST_MONTHS, land: str = "", paused: int = 0) -> date:
    """The last day for the answer. `paused`: days of waiting for a proof (Art. 12(6))."""
    day = add_months(received, months) + timedelta(days=paused)
    while not is_working_day(day, land):
        day += timedelta(days=1)
    return day


def due_at(
    received_at: datetime, *, zone: str, months: int = FIRST_MONTHS, land: str = "", paused: int = 0
) -> datetime:
    """The last second of the last day in the controller's time zone, in UTC."""
    here = ZoneInfo(zone)
    day = due_on(received_at.astimezone(here).date(), months=months, land=land, paused=paused)
    return datetime.combine(day, LAST_MOMENT, tzinfo=here).astimezone(UTC)


def clock(due: datetime, now: datetime, *, zone: str, paused: bool, closed: bool) -> Clock:
    here = ZoneInfo(zone)
    last_day = due.astimezone(here).date()
    left = (last_day - now.astimezone(here).date()).days
    return Clock(last_day, left, _urgency(left, paused=paused, closed=closed))


def _urgency(days_left: int, *, paused: bool, closed: bool) -> Urgency:
    if closed:
        return Urgency.STOPPED
    if paused:
        return Urgency.PAUSED
    if days_left < 0:
        return Urgency.LATE
    return Urgency.SOON if days_left <= SOON_DAYS else Urgency.CALM
