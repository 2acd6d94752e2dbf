"""When a time is over, and how it is called: arithmetic of dates, without a database.

Three kinds of terms, each with its own idea of an end:

* a span (`timedelta`) ends to the second, whatever clocks do in between;
* calendar months end with the day that bears the same number, or with the last of a shorter month
  (sections 187(1), 188(2), (3) BGB);
* years to the end of a year end with 31 December, so many years after the year of the start
  (section 199(1) BGB counts like that).

Days and years are those of the house's time zone, not of UTC.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DAYS_PER_YEAR = 365.2425
DAYS_PER_MONTH = DAYS_PER_YEAR / 12


class NoTerm(LookupError):
    """This class of data stays as long as its purpose: no date can be computed."""


@dataclass(frozen=True)
class Term:
    """At most one of the three is set; none means: as long as the purpose."""

    period: timedelta | None = None
    months: int | None = None
    years_to_year_end: int | None = None

    @property
    def is_open(self) -> bool:
        return self.period is None and self.months is None and self.years_to_year_end is None

    def ends_at(self, start: datetime, zone: ZoneInfo) -> datetime:
        """The first moment at which what began at `start` must be gone. Raises `NoTerm`."""
        day = start.astimezone(zone).date()
        if self.years_to_year_end is not None:
            return _midnight(date(day.year + self.years_to_year_end + 1, 1, 1), zone)
        if self.months is not None:
            return _midnight(add_months(day, self.months) + timedelta(days=1), zone)
        if self.period is not None:
            return start + self.period
        raise NoTerm("this class of data has no term.")

    def starts_before(self, now: datetime, zone: ZoneInfo) -> datetime:
        """What began before this moment is over at `now`; of a span, also what began at it."""
        today = now.astimezone(zone).date()
        if self.years_to_year_end is not None:
            return _midnight(date(today.year - self.years_to_year_end, 1, 1), zone)
        if self.months is not None:
            return _midnight(_first_day_not_over(today, self.months), zone)
        if self.period is not None:
            return now - self.period
        raise NoTerm("this class of data has no term.")

    def shortest_days(self) -> float:
        """How long at least something stays, in days, whenever it began."""
        if self.years_to_year_end is not None:
            return self.years_to_year_end * DAYS_PER_YEAR
        if self.months is not None:
            return self.months * DAYS_PER_MONTH
        return self.period / timedelta(days=1) if self.period is not None else float("inf")

    def longest_days(self) -> float:
        """How long at most something stays, in days, whenever it began."""
        whole_year = DAYS_PER_YEAR if self.years_to_year_end is not None else 0.0
        return self.shortest_days() + whole_year


def add_months(day: date, months: int) -> date:
    """The day with the same number so many months later, or the last of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _first_day_not_over(today: date, months: int) -> date:
    """The earliest day whose so many months have not ended before `today`."""
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    if today.day <= monthrange(year, month + 1)[1]:
        return date(year, month + 1, today.day)
    return add_months(date(year, month + 1, 1), 1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone)


def term_words(term: Term) -> str:
    """ "30 days", "3 years, to 31 December", or "while needed"."""
    if term.years_to_year_end is not None:
        years = term.years_to_year_end
        words = ngettext("%(n)d year, to 31 December", "%(n)d years, to 31 December", years)
        return words % {"n": years}
    if term.months is not None:
        return ngettext("%(n)d month", "%(n)d months", term.months) % {"n": term.months}
    if term.period is None:
        return _("while needed")
    if not term.period:
        return _("at once")
    if term.period % DAY:
        hours = round(term.period / HOUR)
        return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
    return ngettext("%(n)d day", "%(n)d days", term.period.days) % {"n": term.period.days}
