"""The months in which deliveries lie: made ahead, dropped whole, and looked after.

Tables are the owner's, and no process of ours may make or drop one. Two functions of the owner do,
and look again themselves: `messengers_make_partitions` and `messengers_drop_month`.
"""

import re
from datetime import UTC, date, datetime
from uuid import UUID

import structlog
from django.db import OperationalError, transaction

from messengers.sql import rows

log = structlog.get_logger("jawort.partitions")

DELIVERIES = "messengers_delivery"
# From here on an operator is told; a new month is made at every start and every hour.
MONTHS_AHEAD_AT_LEAST = 2

PARTS = """
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = %s::regclass ORDER BY c.relname"""
MAKE = "SELECT messengers_make_partitions()"
DROP = "SELECT messengers_drop_month(%s, %s)"
STRAYS = f"SELECT count(*) FROM (SELECT FROM {DELIVERIES}_rest LIMIT 1000) AS few"


def make_ahead() -> int:
    """Make the partitions of the next months where they are missing; how many.

    Harmless at any time and any number of times. Raises Django's database errors, among them
    `OperationalError` where the table was busy for too long: then the next call makes them.
    """
    with transaction.atomic():
        return int(rows(MAKE)[0][0])


def keep_ahead(now: datetime) -> None:
    """`make_ahead`, and an error in the log for whatever is not as it should be afterwards."""
    try:
        make_ahead()
    except OperationalError as error:
        log.warning("partitions_not_made", error=type(error).__name__)
    if number := strays():
        log.error("rows_without_partition", count=number)
    if missing := _missing(now):
        log.error("partitions_missing", count=len(missing))


def months() -> list[date]:
    """The months that have a partition, the oldest first."""
    found = (re.fullmatch(rf"{DELIVERIES}_(\d{{4}})_(\d\d)", row[0]) for row in _parts())
    return sorted(date(int(month[1]), int(month[2]), 1) for month in found if month)


def drop_month(month: date, before: datetime) -> int:
    """Drop a month of deliveries whose dispatches all ended before `before`; how many rows it had.

    Raises a database error and drops nothing if the month is not over for that term, if one of its
    dispatches has not ended, or if somebody among its people is held.
    """
    return int(rows(DROP, [month, before])[0][0])


def first_id(month: date) -> UUID:
    """The smallest time-ordered id of a month: no dispatch from before has a greater one."""
    began = datetime(month.year, month.month, 1, tzinfo=UTC)
    return UUID(int=int(began.timestamp() * 1000) << 80)


def strays() -> int:
    """Rows that no month was ready for, counted up to 1,000: there must be none."""
    return int(rows(STRAYS)[0][0])


def problems(now: datetime) -> list[str]:
    """What an operator should know of, in words; nothing when all is well."""
    found = [f"no partition of {DELIVERIES} for {month:%Y-%m}" for month in _missing(now)]
    if number := strays():
        found.append(f"{number} rows of {DELIVERIES} have no month: run manage.py partitions")
    return found


def missing_ahead() -> int:
    """How many of this month and the next two have no partition: must be 0."""
    return len(_missing(datetime.now(UTC)))


def next_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def month_before(day: date) -> date:
    """The first day of the month before that of `day`."""
    return date(day.year - (day.month == 1), (day.month - 2) % 12 + 1, 1)


def _missing(now: datetime) -> list[date]:
    wanted = [now.astimezone(UTC).date().replace(day=1)]
    for _ in range(MONTHS_AHEAD_AT_LEAST):
        wanted.append(next_month(wanted[-1]))
    known = set(months())
    return [month for month in wanted if month not in known]


def _parts() -> list[tuple[str]]:
    return [(row[0],) for row in rows(PARTS, [DELIVERIES])]
