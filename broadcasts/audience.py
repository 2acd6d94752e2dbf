"""Who gets a broadcast now: the audience without those who had enough for today.

The cap is per person and newsletter, whatever number of addresses a person has. It is reserved by
the snapshot itself: a start holds the newsletter's row, so the next start sees these deliveries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from broadcasts.errors import BadAudience
from broadcasts.models import SendingRules
from broadcasts.schedule import start_of_day
from messengers.models import MAX_BATCH, Channel, Delivery, Dispatch
from subscriptions.audience import has_customers, recipients_sql
from subscriptions.errors import RuleError
from subscriptions.models import Newsletter

Rule = dict[str, Any]

# What never reached anybody does not count against the cap.
NOT_COUNTED = [
    str(status)
    for status in (
        Delivery.Status.SUPPRESSED,
        Delivery.Status.CANCELLED,
        Delivery.Status.EXPIRED,
        Delivery.Status.FAILED,
    )
]

HAD_ENOUGH = """
SELECT a.subject
FROM messengers_dispatch p
JOIN messengers_delivery d ON d.dispatch_id = p.id
JOIN messengers_address a ON a.id = d.address
WHERE p.kind = %s AND p.newsletter = %s AND p.created_at >= %s AND d.status <> ALL(%s)
GROUP BY a.subject
HAVING count(DISTINCT p.id) >= %s
"""

WITHOUT_THEM = """
SELECT r.address_id, r.gate_id, r.channel_id
FROM ({recipients}) AS r(address_id, gate_id, channel_id)
JOIN messengers_address person ON person.id = r.address_id
WHERE person.subject NOT IN ({had_enough})
"""

COUNT = """
SELECT r.channel_id, count(*)
FROM ({recipients}) AS r(address_id, gate_id, channel_id)
GROUP BY r.channel_id
"""


CUSTOMERS = """
SELECT count(*)
FROM ({recipients}) AS r(address_id, gate_id, channel_id)
JOIN messengers_gate g ON g.id = r.gate_id AND g.needs_footer
"""


@dataclass(frozen=True)
class Share:
    """The part of an audience on one channel."""

    channel: Channel
    people: int

    @property
    def batches(self) -> int:
        return -(-self.people // MAX_BATCH)


@dataclass(frozen=True)
class Reach:
    """How many get a broadcast if it starts now, and how many had enough for today."""

    shares: tuple[Share, ...]
    left_out: int
    customers: int = 0  # of the total: without consent, by section 7(3) UWG

    @property
    def total(self) -> int:
        return sum(share.people for share in self.shares)

    @property
    def batches(self) -> int:
        return sum(share.batches for share in self.shares)


def recipients(
    newsletter: Newsletter,
    rule: Rule,
    channels: Sequence[Channel],
    now: datetime,
    *,
    is_urgent: bool = False,
) -> tuple[str, list[Any]]:
    """SQL and parameters that select (address_id, gate_id, channel_id) of who gets it now.

    `is_urgent` passes the cap where the newsletter's rules say so, and counts against it all the
    same. Raises `BadAudience` for a rule that names what is gone.
    """
    sql, params = _everybody(newsletter, rule, channels)
    day = start_of_day(now, newsletter.time_zone)
    if not _cap_can_bite(newsletter, day, is_urgent):
        return sql, list(params)
    had_enough = [
        str(Dispatch.Kind.BROADCAST), newsletter.pk, day, NOT_COUNTED, newsletter.daily_cap
    ]  # fmt: skip
    wrapped = WITHOUT_THEM.format(recipients=sql, had_enough=HAD_ENOUGH)
    return wrapped, [*params, *had_enough]


def reach(
    newsletter: Newsletter,
    rule: Rule,
    channels: Sequence[Channel],
    now: datetime,
    *,
    is_urgent: bool = False,
) -> Reach:
    """Count the audience by channel; nobody is named and nothing is written. May raise the same."""
    sql, params = _everybody(newsletter, rule, channels)
    everybody = _count(sql, params)
    counted = everybody
    if _cap_can_bite(newsletter, start_of_day(now, newsletter.time_zone), is_urgent):
        sql, params = recipients(newsletter, rule, channels, now, is_urgent=is_urgent)
        counted = _count(sql, params)
    shares = (Share(channel, counted.get(channel.pk, 0)) for channel in channels)
    return Reach(
        tuple(share for share in shares if share.people),
        sum(everybody.values()) - sum(counted.values()),
        _customers(sql, params) if has_customers(newsletter.pk) else 0,
    )


def _everybody(
    newsletter: Newsletter, rule: Rule, channels: Sequence[Channel]
) -> tuple[str, list[Any]]:
    try:
        return recipients_sql(newsletter.pk, rule, channels=[channel.pk for channel in channels])
    except RuleError as error:
        raise BadAudience(str(error)) from None


def _cap_can_bite(newsletter: Newsletter, day: datetime, is_urgent: bool) -> bool:
    """Whether anybody can have had enough: as many broadcasts went out today as the cap allows."""
    if is_urgent and SendingRules.of(newsletter).urgent_passes_cap:
        return False
    today = Dispatch.objects.filter(
        kind=Dispatch.Kind.BROADCAST, newsletter=newsletter.pk, created_at__gte=day
    )
    return 0 < newsletter.daily_cap <= today.count()


def _customers(sql: str, params: Sequence[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(CUSTOMERS.format(recipients=sql), params)
        return int(cursor.fetchone()[0])


def _count(sql: str, params: Sequence[Any]) -> dict[UUID, int]:
    with connection.cursor() as cursor:
        cursor.execute(COUNT.format(recipients=sql), params)
        return dict(cursor.fetchall())
