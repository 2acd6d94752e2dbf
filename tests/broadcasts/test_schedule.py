"""Local times through both changes of the clocks, and quiet hours past midnight."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcasts.schedule import (
    BadLocalTime,
    Clock,
    moment,
    quiet_until,
    read_local,
    start_of_day,
    zone_of,
)

BERLIN = "Europe/Berlin"


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("local", "clock", "utc", "shown"),
    [
        ("2026-12-01T07:30", Clock.ONCE, "2026-12-01T06:30", "07:30"),
        ("2026-07-01T07:30", Clock.ONCE, "2026-07-01T05:30", "07:30"),
        # 29 March 2026: at 02:00 the clocks go to 03:00.
        ("2026-03-29T01:59", Clock.ONCE, "2026-03-29T00:59", "01:59"),
        ("2026-03-29T02:00", Clock.NEVER, "2026-03-29T01:00", "03:00"),
        ("2026-03-29T02:30", Clock.NEVER, "2026-03-29T01:30", "03:30"),
        ("2026-03-29T03:00", Clock.ONCE, "2026-03-29T01:00", "03:00"),
        # 25 October 2026: at 03:00 the clocks go back to 02:00.
        ("2026-10-25T01:59", Clock.ONCE, "2026-10-24T23:59", "01:59"),
        ("2026-10-25T02:30", Clock.TWICE, "2026-10-25T00:30", "02:30"),
        ("2026-10-25T03:00", Clock.ONCE, "2026-10-25T02:00", "03:00"),
    ],
)
def test_a_local_time_means_one_instant(local, clock, utc, shown):
    meant = moment(read_local(local), BERLIN)

    assert meant.clock == clock
    assert meant.at == at(utc)
    assert meant.shown.strftime("%H:%M") == shown


def test_a_zone_that_moves_by_half_an_hour():
    """Lord Howe Island puts its clocks forward from 02:00 to 02:30."""
    meant = moment(read_local("2026-10-04T02:10"), "Australia/Lord_Howe")

    assert (meant.clock, meant.shown.strftime("%H:%M")) == (Clock.NEVER, "02:40")


@pytest.mark.parametrize("text", ["", "2026-02-30T10:00", "2026-12-01 07:30", "25:00", "x" * 999])
def test_what_is_no_local_time_is_refused(text):
    with pytest.raises(BadLocalTime):
        read_local(text)


@pytest.mark.parametrize("name", ["", "Europe/Nowhere", "../../etc/passwd", "/etc/passwd"])
def test_an_unknown_zone_is_refused(name):
    with pytest.raises(BadLocalTime):
        zone_of(name)


@pytest.mark.parametrize(
    ("utc", "until"),
    [
        ("2026-12-01T20:59", None),  # 21:59 on the wall
        ("2026-12-01T21:00", "2026-12-02T06:00"),  # 22:00
        ("2026-12-01T23:30", "2026-12-02T06:00"),  # after midnight
        ("2026-12-02T05:59", "2026-12-02T06:00"),
        ("2026-12-02T06:00", None),  # 07:00
        ("2026-03-28T22:00", "2026-03-29T05:00"),  # the short night
        ("2026-10-24T22:00", "2026-10-25T06:00"),  # the long night
    ],
)
def test_quiet_hours_past_midnight(utc, until):
    assert quiet_until(at(utc), BERLIN, time(22), time(7)) == (at(until) if until else None)


def test_quiet_hours_within_a_day():
    assert quiet_until(at("2026-12-01T12:00"), BERLIN, time(12), time(15)) == at("2026-12-01T14:00")
    assert quiet_until(at("2026-12-01T14:00"), BERLIN, time(12), time(15)) is None


@pytest.mark.parametrize(("begin", "end"), [(None, None), (time(22), None), (time(7), time(7))])
def test_no_quiet_hours(begin, end):
    assert quiet_until(at("2026-12-01T23:00"), BERLIN, begin, end) is None


@given(
    st.datetimes(min_value=datetime(2024, 1, 1), max_value=datetime(2030, 1, 1)),
    st.times(),
    st.times(),
)
def test_the_end_of_quiet_hours_is_near_and_not_quiet(naive, begin, end):
    now = naive.replace(tzinfo=UTC)

    until = quiet_until(now, BERLIN, begin, end)

    if until is not None:
        assert now < until <= now + timedelta(hours=25)
        assert quiet_until(until, BERLIN, begin, end) is None


def test_a_day_begins_at_midnight_on_the_wall():
    assert start_of_day(at("2026-12-01T22:59"), BERLIN) == at("2026-11-30T23:00")
    assert start_of_day(at("2026-12-01T23:00"), BERLIN) == at("2026-12-01T23:00")
