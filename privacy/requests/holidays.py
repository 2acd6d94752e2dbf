"""Public holidays in Germany, by Land, computed for any year from 1991 on.

Only days that are free in the whole Land count. Where a holiday holds in some municipalities alone
(Assumption in Bavaria, Corpus Christi in Saxony and Thuringia, the peace festival of Augsburg), we
take the day for a working day: a deadline then ends earlier, which harms nobody.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache

from django.utils.translation import gettext_lazy as _

LANDS = (
    ("BW", _("Baden-Württemberg")),
    ("BY", _("Bavaria")),
    ("BE", _("Berlin")),
    ("BB", _("Brandenburg")),
    ("HB", _("Bremen")),
    ("HH", _("Hamburg")),
    ("HE", _("Hesse")),
    ("MV", _("Mecklenburg-Vorpommern")),
    ("NI", _("Lower Saxony")),
    ("NW", _("North Rhine-Westphalia")),
    ("RP", _("Rhineland-Palatinate")),
    ("SL", _("Saarland")),
    ("SN", _("Saxony")),
    ("ST", _("Saxony-Anhalt")),
    ("SH", _("Schleswig-Holstein")),
    ("TH", _("Thuringia")),
)

# (month, day, Land, first year); the Land "" means everywhere.
FIXED = (
    (1, 1, "", 0),
    (5, 1, "", 0),
    (10, 3, "", 0),
    (12, 25, "", 0),
    (12, 26, "", 0),
    *((1, 6, land, 0) for land in ("BW", "BY", "ST")),
    (3, 8, "BE", 2019),
    (3, 8, "MV", 2023),
    (8, 15, "SL", 0),
    (9, 20, "TH", 2019),
    *((10, 31, land, 0) for land in ("BB", "MV", "SN", "ST", "TH")),
    *((10, 31, land, 2018) for land in ("HB", "HH", "NI", "SH")),
    *((11, 1, land, 0) for land in ("BW", "BY", "NW", "RP", "SL")),
)
# Days after Easter Sunday, and where.
GOOD_FRIDAY, EASTER, EASTER_MONDAY, ASCENSION, PENTECOST, WHIT_MONDAY, CORPUS_CHRISTI = (
    -2,
    0,
    1,
    39,
    49,
    50,
    60,
)
MOVING = (
    *((days, "") for days in (GOOD_FRIDAY, EASTER_MONDAY, ASCENSION, WHIT_MONDAY)),
    *((days, "BB") for days in (EASTER, PENTECOST)),
    *((CORPUS_CHRISTI, land) for land in ("BW", "BY", "HE", "NW", "RP", "SL")),
)
# Holidays of one year only.
ONCE = {
    date(2017, 10, 31): "",  # 500 years of the Reformation
    date(2020, 5, 8): "BE",
    date(2025, 5, 8): "BE",
    date(2028, 6, 17): "BE",
}


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous algorithm, Nature 1876)."""
    golden, (century, rest) = year % 19, divmod(year, 100)
    leaps, century_rest = divmod(century, 4)
    moon = (19 * golden + century - leaps - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    week = (32 + 2 * century_rest + 2 * (rest // 4) - moon - rest % 4) % 7
    shift = (golden + 11 * moon + 22 * week) // 451
    month, day = divmod(moon + week - 7 * shift + 114, 31)
    return date(year, month, day + 1)


@lru_cache(maxsize=256)
def holidays(year: int, land: str = "") -> frozenset[date]:
    """Every public holiday of `year` in `land` ("BY"), or those of all Länder for an empty one."""
    return frozenset(_holidays(year, land))


def is_working_day(day: date, land: str = "") -> bool:
    """No Saturday, no Sunday, no public holiday (Art. 2 of Regulation 1182/71)."""
    return day.weekday() < 5 and day not in holidays(day.year, land)


def _holidays(year: int, land: str) -> Iterator[date]:
    here = ("", land)
    yield from (
        date(year, month, day)
        for month, day, where, since in FIXED
        if where in here and year >= since
    )
    sunday = easter(year)
    yield from (sunday + timedelta(days=days) for days, where in MOVING if where in here)
    yield from (day for day, where in ONCE.items() if where in here and day.year == year)
    if land == "SN":
        yield _day_of_repentance(year)


def _day_of_repentance(year: int) -> date:
    """The Wednesday before 23 November."""
    before = date(year, 11, 22)
    return before - timedelta(days=(before.weekday() - 2) % 7)
