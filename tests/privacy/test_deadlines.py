"""Deadlines by Regulation 1182/71, against dates worked out by hand from printed calendars."""

from datetime import UTC, date, datetime, timedelta

import pytest

from privacy.requests.deadlines import Urgency, clock, due_at, due_on
from privacy.requests.holidays import LANDS, easter, holidays, is_working_day

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("received", "land", "last_day"),
    [
        ("2026-03-05", "", "2026-04-07"),  # 5 April is Easter Sunday, the 6th Easter Monday
        ("2026-01-31", "", "2026-03-02"),  # no 31 February; the 28th is a Saturday
        ("2025-01-31", "", "2025-02-28"),  # a Friday
        ("2028-01-31", "", "2028-02-29"),  # leap year, a Tuesday
        ("2028-01-29", "", "2028-02-29"),
        ("2027-01-29", "", "2027-03-01"),  # 28 February is a Sunday
        ("2026-08-31", "", "2026-09-30"),
        ("2026-05-31", "", "2026-06-30"),
        ("2026-02-28", "", "2026-03-30"),  # 28 March is a Saturday: same date, not the month's end
        ("2025-11-24", "", "2025-12-24"),  # Christmas Eve is a working day
        ("2025-11-25", "", "2025-12-29"),  # 25 and 26 are holidays, then a weekend
        ("2025-12-01", "", "2026-01-02"),  # New Year
        ("2026-12-06", "BY", "2027-01-07"),  # Epiphany in Bavaria
        ("2026-12-06", "BE", "2027-01-06"),
        ("2026-09-30", "SN", "2026-10-30"),
        ("2025-09-30", "SN", "2025-10-30"),
        ("2024-09-30", "HH", "2024-10-30"),
        ("2024-10-01", "BY", "2024-11-04"),  # All Saints on a Friday
        ("2024-10-01", "HH", "2024-11-01"),
        ("2025-10-18", "SN", "2025-11-18"),
        ("2025-10-19", "SN", "2025-11-20"),  # Day of Repentance, 19 November 2025
        ("2025-10-19", "TH", "2025-11-19"),
        ("2026-05-04", "NW", "2026-06-05"),  # Corpus Christi, 4 June 2026
        ("2026-05-04", "BE", "2026-06-04"),
        ("2026-04-14", "", "2026-05-15"),  # Ascension, 14 May 2026
        ("2026-04-25", "", "2026-05-26"),  # Whit Monday, 25 May 2026
        ("2024-02-29", "", "2024-04-02"),  # Good Friday to Easter Monday in one go
        ("2026-02-08", "MV", "2026-03-09"),  # International Women's Day is a Sunday
        ("2027-02-08", "MV", "2027-03-09"),
        ("2027-02-08", "HH", "2027-03-08"),
    ],
)
def test_first_month_ends_on(received, land, last_day):
    assert due_on(date.fromisoformat(received), land=land) == date.fromisoformat(last_day)


@pytest.mark.parametrize(
    ("received", "last_day"),
    [
        ("2025-11-30", "2026-03-02"),  # 28 February 2026 is a Saturday
        ("2026-01-31", "2026-04-30"),
        ("2026-10-01", "2027-01-04"),  # New Year, then a weekend
    ],
)
def test_extension_counts_three_months_from_receipt(received, last_day):
    assert due_on(date.fromisoformat(received), months=3) == date.fromisoformat(last_day)


def test_pause_moves_the_end_by_its_days():
    assert due_on(date(2026, 6, 1)) == date(2026, 7, 1)
    assert due_on(date(2026, 6, 1), paused=3) == date(2026, 7, 6)  # 4 July is a Saturday


def test_day_of_receipt_is_the_day_in_the_newsroom_not_in_utc():
    late_in_the_evening = datetime(2026, 6, 30, 22, 30, tzinfo=UTC)  # already 1 July in Berlin

    due = due_at(late_in_the_evening, zone=BERLIN)

    assert due == datetime(2026, 8, 3, 21, 59, 59, tzinfo=UTC)  # 1 August is a Saturday
    assert due_at(late_in_the_evening, zone="UTC") == datetime(2026, 7, 30, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("year", "sunday"),
    [
        (1818, "03-22"),
        (1943, "04-25"),
        (2000, "04-23"),
        (2008, "03-23"),
        (2011, "04-24"),
        (2024, "03-31"),
        (2025, "04-20"),
        (2026, "04-05"),
        (2027, "03-28"),
        (2038, "04-25"),
        (2285, "03-22"),
    ],
)
def test_easter(year, sunday):
    assert easter(year) == date.fromisoformat(f"{year}-{sunday}")


def test_easter_is_always_a_sunday_of_spring():
    for year in range(1900, 2300):
        assert easter(year).weekday() == 6
        assert date(year, 3, 22) <= easter(year) <= date(year, 4, 25)


@pytest.mark.parametrize(
    ("land", "number"),
    [
        ("", 9), ("BE", 10), ("BB", 12), ("BW", 12), ("BY", 12), ("HB", 10), ("HE", 10),
        ("HH", 10), ("MV", 11), ("NI", 10), ("NW", 11), ("RP", 11), ("SH", 10), ("SL", 12),
        ("SN", 11), ("ST", 11), ("TH", 11),
    ],
)  # fmt: skip
def test_number_of_holidays_in_2026(land, number):
    assert len(holidays(2026, land)) == number


def test_every_land_has_a_row():
    assert len(LANDS) == 16


def test_a_deadline_never_ends_on_a_free_day():
    for land, _name in LANDS:
        for offset in range(0, 800, 7):
            last = due_on(date(2026, 1, 3) + timedelta(days=offset), land=land)
            assert is_working_day(last, land)


@pytest.mark.parametrize(
    ("now", "paused", "closed", "days", "urgency"),
    [
        ("2026-07-01T08:00", False, False, 30, Urgency.CALM),
        ("2026-07-23T21:59", False, False, 8, Urgency.CALM),
        ("2026-07-23T22:01", False, False, 7, Urgency.SOON),
        ("2026-07-31T20:00", False, False, 0, Urgency.SOON),
        ("2026-07-31T22:01", False, False, -1, Urgency.LATE),
        ("2026-08-30T22:01", True, False, -31, Urgency.PAUSED),
        ("2026-08-30T22:01", True, True, -31, Urgency.STOPPED),
    ],
)
def test_clock_says_how_urgent_it_is(now, paused, closed, days, urgency):
    due = datetime(2026, 7, 31, 21, 59, 59, tzinfo=UTC)

    shown = clock(
        due, datetime.fromisoformat(now + "+00:00"), zone=BERLIN, paused=paused, closed=closed
    )

    assert (shown.days_left, shown.urgency) == (days, urgency)
