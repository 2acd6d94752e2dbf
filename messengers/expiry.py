"""What came in and what was sent, when its time is over; and both counted in SQL of its own."""

from datetime import datetime

from messengers.sql import run
from privacy.retention import holds
from privacy.retention.rules import starts_before, zone
from privacy.retention.stock import keeps

EVENTS_AT_A_TIME = 10_000
# Ten thousand rows at a time, so that nothing else waits for it.
FORGET_EVENTS = """
    DELETE FROM messengers_inboundevent WHERE id IN (
        SELECT id FROM messengers_inboundevent WHERE day < %s LIMIT %s)"""
FORGET_DELIVERIES = """
    DELETE FROM messengers_delivery WHERE id IN (
        SELECT d.id FROM messengers_delivery d JOIN messengers_dispatch s ON s.id = d.dispatch_id
         WHERE s.finished_at < %s AND s.status IN ('finished', 'cancelled', 'expired')
           AND NOT EXISTS (SELECT 1 FROM messengers_address a
                            WHERE a.id = d.address AND a.subject = ANY(%s))
         LIMIT 10000)"""


def forget_events(now: datetime) -> int:
    """One batch of rows of days before the term; nobody is known of them, so no hold concerns them.

    A hold on the whole class is kept by the engine.
    """
    before = starts_before("inbox_body", now).astimezone(zone()).date()
    return run(FORGET_EVENTS, [before, EVENTS_AT_A_TIME])


def forget_deliveries(now: datetime) -> int:
    """One batch of deliveries of dispatches that ended before the term; their counts stay."""
    before = starts_before("delivery_record", now)
    return run(FORGET_DELIVERIES, [before, list(holds.held("delivery_record"))])


keeps(
    "inbox_body",
    "messengers_inboundevent",
    due="day < (%(before)s AT TIME ZONE %(zone)s)::date",
)
keeps(
    "delivery_record",
    "messengers_delivery",
    due="SELECT count(*) FROM messengers_dispatch s"
    " JOIN messengers_delivery d ON d.dispatch_id = s.id"
    " LEFT JOIN messengers_address a ON a.id = d.address"
    " WHERE s.status NOT IN ('running', 'paused') AND s.finished_at < %(before)s"
    " AND (a.subject IS NULL OR a.subject <> ALL(%(held)s::uuid[]))",
)
keeps("delivery_record", "messengers_parkedreceipt", due="at < %(before)s")
