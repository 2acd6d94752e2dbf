"""Newsletters directed at children: who may say yes alone (Art. 8(1) GDPR).

What is asked is one thing, whether the age is reached, and that is all that is kept: no birth date.
"""

from datetime import date
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from subscriptions.models import Newsletter


def age_limit(day: date) -> int:
    """From which age somebody may consent alone on this day, by `JAWORT_AGE_LIMITS`.

    The law leaves it to the member states and has been changed before: so each limit has a date.
    """
    begun = [years for since, years in limits() if since <= day]
    return begun[-1] if begun else limits()[0][1]


def limits() -> list[tuple[date, int]]:
    """Each limit with its first day, the oldest first, from a text like "2018-05-25:16"."""
    try:
        pairs = [one.split(":") for one in settings.JAWORT_AGE_LIMITS.split(",") if one.strip()]
        found = sorted((date.fromisoformat(day.strip()), int(years)) for day, years in pairs)
    except ValueError:
        found = []
    if not found or any(not 13 <= years <= 18 for _day, years in found):
        raise ImproperlyConfigured(
            "JAWORT_AGE_LIMITS: give pairs of a day and 13 to 18 years, like 2018-05-25:16."
        )
    return found


def limit_of(newsletter: Newsletter) -> int | None:
    """The age to ask for before the consent; None for a newsletter that is not for children."""
    if not newsletter.for_children:
        return None
    return age_limit(timezone.now().astimezone(ZoneInfo(newsletter.time_zone)).date())
