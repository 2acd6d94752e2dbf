"""privacy/retention/terms: when a time is over; year ends, leap years, clocks that change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils.translation import override
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.retention.terms import NoTerm, Term, add_months, term_words

BERLIN = ZoneInfo("Europe/Berlin")
DAYS_30, MONTHS_18, YEARS_3 = Term(timedelta(days=30)), Term(months=18), Term(years_to_year_end=3)

# (term, start, the first moment at which it must be gone)
ENDS = [
    (YEARS_3, "2026-01-01T00:00:00+01:00", "2030-01-01T00:00:00+01:00"),
    (YEARS_3, "2026-12-31T23:59:59+01:00", "2030-01-01T00:00:00+01:00"),
    # In Germany the year has begun an hour before it has in UTC.
    (YEARS_3, "2026-12-31T23:30:00+00:00", "2031-01-01T00:00:00+01:00"),
    (YEARS_3, "2024-02-29T12:00:00+01:00", "2028-01-01T00:00:00+01:00"),
    (Term(years_to_year_end=0), "2026-06-01T12:00:00+02:00", "2027-01-01T00:00:00+01:00"),
    # A month that is too short ends with its last day; leap years have one more.
    (MONTHS_18, "2026-08-31T09:00:00+02:00", "2028-03-01T00:00:00+01:00"),
    (MONTHS_18, "2025-08-31T09:00:00+02:00", "2027-03-01T00:00:00+01:00"),
    (MONTHS_18, "2026-05-21T23:59:00+02:00", "2027-11-22T00:00:00+01:00"),
    (Term(months=12), "2028-02-29T12:00:00+01:00", "2029-03-01T00:00:00+01:00"),
    (Term(months=60), "2026-11-21T12:00:00+01:00", "2031-11-22T00:00:00+01:00"),
    # A span is a span: 24 hours over the night in which a clock has 25 or 23 of them.
    (Term(timedelta(days=1)), "2026-10-24T12:00:00+02:00", "2026-10-25T11:00:00+01:00"),
    (Term(timedelta(days=1)), "2027-03-27T12:00:00+01:00", "2027-03-28T13:00:00+02:00"),
    (DAYS_30, "2028-02-01T00:00:00+01:00", "2028-03-02T00:00:00+01:00"),
    # Months end at midnight there, also in the weeks in which that is another hour in UTC.
    (Term(months=1), "2027-02-27T12:00:00+01:00", "2027-03-28T00:00:00+01:00"),
    (Term(months=1), "2027-02-28T12:00:00+01:00", "2027-03-29T00:00:00+02:00"),
]


@pytest.mark.parametrize(("term", "start", "end"), ENDS)
def test_a_term_ends_then_and_not_a_second_sooner(term, start, end):
    begun, over = datetime.fromisoformat(start), datetime.fromisoformat(end)

    assert term.ends_at(begun, BERLIN) == over
    assert is_due(term, begun, over)
    assert not is_due(term, begun, over - timedelta(seconds=1))


def is_due(term: Term, start: datetime, now: datetime) -> bool:
    """As the removals ask: a span takes what began at the moment, days and years do not."""
    limit = term.starts_before(now, BERLIN)
    return start <= limit if term.period is not None else start < limit


moments = st.datetimes(datetime(2018, 5, 25), datetime(2060, 1, 1), timezones=st.just(UTC))
terms = st.one_of(
    st.builds(Term, period=st.timedeltas(timedelta(0), timedelta(days=4000))),
    st.builds(Term, months=st.integers(0, 130)),
    st.builds(Term, years_to_year_end=st.integers(0, 12)),
)
zones = st.sampled_from(["Europe/Berlin", "UTC", "America/St_Johns", "Pacific/Apia"])


@settings(max_examples=50, deadline=None)
@given(terms, moments, moments, zones)
def test_what_is_due_is_what_has_ended(term, start, now, name):
    """Two roads to one answer: forwards from the start, backwards from now."""
    zone = ZoneInfo(name)
    limit = term.starts_before(now, zone)
    due = start <= limit if term.period is not None else start < limit

    assert due == (term.ends_at(start, zone) <= now)


@settings(max_examples=50, deadline=None)
@given(terms, moments, moments)
def test_what_began_later_ends_later(term, one, other):
    first, second = sorted((one, other))

    assert term.ends_at(first, BERLIN) <= term.ends_at(second, BERLIN)


@settings(max_examples=50, deadline=None)
@given(terms, moments)
def test_its_length_lies_between_the_shortest_and_the_longest(term, start):
    days = (term.ends_at(start, BERLIN) - start) / timedelta(days=1)

    assert term.shortest_days() - 4 <= days <= term.longest_days() + 4


def test_months_are_added_as_calendars_do():
    assert add_months(date(2026, 8, 31), 6) == date(2027, 2, 28)
    assert add_months(date(2027, 8, 31), 6) == date(2028, 2, 29)
    assert add_months(date(2026, 12, 15), 1) == date(2027, 1, 15)
    assert add_months(date(2026, 3, 31), 0) == date(2026, 3, 31)


def test_no_term_gives_no_date():
    with pytest.raises(NoTerm):
        Term().ends_at(datetime(2026, 1, 1, tzinfo=UTC), BERLIN)
    with pytest.raises(NoTerm):
        Term().starts_before(datetime(2026, 1, 1, tzinfo=UTC), BERLIN)


@pytest.mark.parametrize(
    ("term", "words"),
    [
        (YEARS_3, "3 Jahre, bis zum 31. Dezember"),
        (Term(months=1), "1 Monat"),
        (DAYS_30, "30 Tage"),
        (Term(timedelta(hours=36)), "36 Stunden"),  # not "1 day"
        (Term(timedelta(0)), "sofort"),
        (Term(), "solange nötig"),
    ],
)
def test_a_term_in_words(term, words):
    with override("de"):
        assert term_words(term) == words
