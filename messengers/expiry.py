"""What came in and what was sent, when its time is over; and both counted in SQL of its own.

Deliveries go by whole months: when the last day of a month is past the term, its partition is
dropped, however many rows it has. Where somebody among them is held, or a dispatch went on for
long, the rows whose time is over go one batch after the other and the others stay.
"""

from datetime import UTC, date, datetime
from uuid import UUID

import structlog
from django.db import OperationalError, transaction

from messengers import partitions
from messengers.sql import rows, run
from privacy.retention import holds
from privacy.retention.rules import starts_before, zone
from privacy.retention.stock import keeps

log = structlog.get_logger("jawort.retention")

EVENTS_AT_A_TIME = 10_000
DELIVERIES_AT_A_TIME = 10_000
# Ten thousand rows at a time, so that nothing else waits for it.
FORGET_EVENTS = """
    DELETE FROM messengers_inboundevent WHERE id IN (
        SELECT id FROM messengers_inboundevent WHERE day < %s LIMIT %s)"""
# Whether all of a month has ended for the term, and nobody among its people is held.
MAY_GO = """
    SELECT NOT EXISTS (SELECT 1 FROM messengers_dispatch
                        WHERE id >= %(first)s AND id < %(next)s
                          AND (status IN ('running', 'paused') OR finished_at IS NULL
                               OR finished_at >= %(before)s))
       AND NOT EXISTS (SELECT 1 FROM messengers_address a
                         JOIN messengers_delivery d ON d.address = a.id
                        WHERE a.subject = ANY(%(held)s)
                          AND d.dispatch_id >= %(first)s AND d.dispatch_id < %(next)s)"""
FORGET_DELIVERIES = """
    DELETE FROM messengers_delivery WHERE dispatch_id < %(next)s AND (id, dispatch_id) IN (
        SELECT d.id, d.dispatch_id
          FROM messengers_delivery d JOIN messengers_dispatch s ON s.id = d.dispatch_id
         WHERE d.dispatch_id < %(next)s AND s.finished_at < %(before)s
           AND s.status IN ('finished', 'cancelled', 'expired')
           AND NOT EXISTS (SELECT 1 FROM messengers_address a
                            WHERE a.id = d.address AND a.subject = ANY(%(held)s))
         LIMIT %(number)s)"""


def forget_events(now: datetime) -> int:
    """One batch of rows of days before the term; nobody is known of them, so no hold concerns them.

    A hold on the whole class is kept by the engine.
    """
    before = starts_before("inbox_body", now).astimezone(zone()).date()
    return run(FORGET_EVENTS, [before, EVENTS_AT_A_TIME])


def forget_deliveries(now: datetime) -> int:
    """A month of deliveries, or one batch of those whose month cannot go whole; counts stay."""
    before = starts_before("delivery_record", now)
    this_month = before.astimezone(UTC).date().replace(day=1)
    held = list(holds.held("delivery_record"))
    for month in partitions.months():
        if month < this_month and _may_go(month, before, held) and (gone := _drop(month, before)):
            return gone
    known = {"next": partitions.first_id(this_month), "before": before, "held": held}
    return run(FORGET_DELIVERIES, {**known, "number": DELIVERIES_AT_A_TIME})


def _may_go(month: date, before: datetime, held: list[UUID]) -> bool:
    first, after = partitions.first_id(month), partitions.first_id(partitions.next_month(month))
    known = {"first": first, "next": after, "before": before, "held": held}
    return bool(rows(MAY_GO, known)[0][0])


def _drop(month: date, before: datetime) -> int:
    """How many rows went with the month: 0 where the table was busy for too long, or it was empty.

    Then rows go batch by batch, and the next call asks for the whole month again.
    """
    try:
        with transaction.atomic():
            return partitions.drop_month(month, before)
    except OperationalError as error:
        log.warning("month_not_dropped", error=type(error).__name__)
        return 0


keeps(
    "inbox_body",
    "messengers_inboundevent",
    due="day < (%(before)s AT TIME ZONE %(zone)s)::date",
)
# All of the ended months, less those of people who are held: the people who are held are few.
keeps(
    "delivery_record",
    "messengers_delivery",
    due="SELECT (SELECT count(*) FROM messengers_delivery d"
    " WHERE d.dispatch_id < messengers_first_id(date_trunc('month', %(before)s, 'UTC'))"
    " AND d.dispatch_id IN (SELECT s.id FROM messengers_dispatch s"
    " WHERE s.status NOT IN ('running', 'paused') AND s.finished_at < %(before)s))"
    " - (SELECT count(*) FROM messengers_address a JOIN messengers_delivery d ON d.address = a.id"
    " JOIN messengers_dispatch s ON s.id = d.dispatch_id"
    " WHERE a.subject = ANY(%(held)s::uuid[])"
    " AND d.dispatch_id < messengers_first_id(date_trunc('month', %(before)s, 'UTC'))"
    " AND s.status NOT IN ('running', 'paused') AND s.finished_at < %(before)s)",
)
keeps("delivery_record", "messengers_receiptgroup", due="at < %(before)s")
