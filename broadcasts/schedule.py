"""Local times, as an editor means them: through the change of the clocks, and around quiet hours.

Two local times of the year are not what they seem. One hour in spring does not exist, one hour in
autumn exists twice. The rule, as in RFC 5545: a time that does not exist moves forward with the
clocks (02:30 becomes 03:30); of a time that exists twice the first one counts. Whoever schedules
is told so.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

LOCAL_FORMAT = "%Y-%m-%dT%H:%M"


class Clock(StrEnum):
    """What the clocks of the zone say about a local time."""

    ONCE = "once"
    NEVER = "never"  # skipped when the clocks go forward
    TWICE = "twice"  # repeated when the clocks go back


@dataclass(frozen=True)
class Moment:
    """A local time and the instant it means. `shown` is the local time that will really come."""

    at: datetime  # in UTC
    shown: datetime  # in the zone
    clock: Clock


class BadLocalTime(ValueError):
    """The text is no local time like 2026-12-01T07:30, or the zone is unknown."""


@cache
def zone_of(name: str) -> ZoneInfo:
    """The zone of this name. Raises `BadLocalTime`; never reads a path outside the zone files."""
    if name not in available_timezones():
        raise BadLocalTime("This time zone is unknown: give one like Europe/Berlin.")
    return ZoneInfo(name)


def read_local(text: str) -> datetime:
    """The naive local time that `text` says, to the minute."""
    try:
        return datetime.strptime(text, LOCAL_FORMAT)
    except ValueError:
        raise BadLocalTime("A local time looks like 2026-12-01T07:30.") from None


def moment(local: datetime, zone_name: str) -> Moment:
    """The one instant that the naive `local` means in this zone."""
    zone = zone_of(zone_name)
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    at = first.astimezone(UTC)
    shown = at.astimezone(zone)
    if shown.replace(tzinfo=None) != local:
        clock = Clock.NEVER
    elif first.utcoffset() != second.utcoffset():
        clock = Clock.TWICE
    else:
        clock = Clock.ONCE
    return Moment(at, shown, clock)


def quiet_until(
    at: datetime, zone_name: str, quiet_from: time | None, quiet_to: time | None
) -> datetime | None:
    """The end of the quiet hours that `at` falls into, in UTC; None outside of them.

    Quiet hours are told by the clock on the wall; they may reach past midnight. A night from 22:00
    to 22:00 would be a whole day of silence, so equal times mean no quiet hours.
    """
    if quiet_from is None or quiet_to is None or quiet_from == quiet_to:
        return None
    local = at.astimezone(zone_of(zone_name))
    now = local.time()
    over_midnight = quiet_from > quiet_to
    is_quiet = (
        (now >= quiet_from or now < quiet_to) if over_midnight else quiet_from <= now < quiet_to
    )
    if not is_quiet:
        return None
    days = 1 if over_midnight and now >= quiet_from else 0
    return moment(datetime.combine(local.date() + timedelta(days=days), quiet_to), zone_name).at


def start_of_day(at: datetime, zone_name: str) -> datetime:
    """When the calendar day of `at` began in this zone, in UTC."""
    local = at.astimezone(zone_of(zone_name))
    return moment(datetime.combine(local.date(), time.min), zone_name).at
