"""Consent that nobody uses: the newsroom is warned, then nothing more may be sent on it.

"Used" means that a broadcast reached the person. That somebody opens, reads or answers a message is
no use: nobody knows by it that they still expect the newsletter. How long is a dated rule,
`consent_lapse`; only a new double opt-in leads back.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Min, QuerySet
from django.db.models.functions import Greatest
from django.db.models.lookups import LessThan

from privacy.retention import holds
from privacy.retention.rules import NoTerm, rule_of, starts_before, zone
from privacy.retention.terms import Term
from subscriptions.actions.withdrawal import lapse
from subscriptions.models import Newsletter, Subscription

RULE = "consent_lapse"
# The last broadcast, or the consent if it is newer: a renewed consent is as young as its renewal,
# whatever was sent before. Whoever was imported may be written to since the approval.
USED_AT = Greatest("last_used_at", "confirmed_at", F("imported_by__decided_at"))
AT_A_TIME = 500


@dataclass(frozen=True)
class Unused:
    """Long unused consents of a newsletter: how many, the oldest use, when the first one ends."""

    newsletter: Newsletter
    count: int
    last_use: datetime
    first_ends_at: datetime


def lapse_unused(now: datetime) -> int:
    """End consents on which nothing was sent for too long; one batch. May run twice."""
    try:
        before = starts_before(RULE, now)
    except NoTerm:
        return 0
    due = last_used_before(before).exclude(subscriber__in=holds.held(RULE))
    rows = due.select_related("address", "newsletter")[:AT_A_TIME]
    return sum(lapse(subscription=one, event_at=now) for one in rows)


def to_warn_about(now: datetime) -> list[Unused]:
    """What a newsroom should use, renew or let go, by newsletter, the most urgent first."""
    rule = rule_of(RULE, now.astimezone(zone()).date())
    if rule.warn_months is None:
        return []
    since = Term(months=rule.warn_months).starts_before(now, zone())
    found = (
        last_used_before(since)
        .values("newsletter")
        .annotate(count=Count("pk"), last_use=Min(USED_AT))
        .order_by("last_use")
    )
    rows = list(found)
    known = Newsletter.objects.in_bulk([row["newsletter"] for row in rows])
    term = Term(rule.period, rule.months, rule.years_to_year_end)
    return [
        Unused(
            known[row["newsletter"]],
            row["count"],
            row["last_use"],
            term.ends_at(row["last_use"], zone()),
        )
        for row in rows
    ]


def last_used_before(moment: datetime) -> QuerySet[Subscription]:
    """Confirmed subscriptions without a use since then."""
    confirmed = Subscription.objects.filter(status=Subscription.Status.CONFIRMED)
    return confirmed.filter(LessThan(USED_AT, moment))
