"""The night's plan: how much of each class is due, and whether that is unusually much."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from privacy.access import Actor
from privacy.models import RetentionItem, RetentionPlan
from privacy.requests import approvals
from privacy.retention import stock
from privacy.retention.registry import expiries, of_the_night
from privacy.retention.rules import rule_of, zone

Status = RetentionItem.Status
RETENTION = Actor.system("retention")
OUTLIER = "retention.outlier"
# So long a person's "no" to an unusual removal holds before the question comes again.
REFUSAL_HOLDS = timedelta(days=7)
# Until the night's work must be done: what was due at midnight may still be there before that.
NIGHT = timedelta(hours=6)
# The minute's tick may be late by as much before what it removes counts as overdue.
LATE_TICK = timedelta(minutes=10)


@dataclass(frozen=True)
class Planned:
    """One class: rows due and stored, rows due but held, and whether an officer must look first."""

    data_class: str
    due: int
    total: int
    held: int
    is_outlier: bool


def plan(now: datetime) -> list[Planned]:
    """What this night would remove, counted; nothing is changed."""
    return [_planned(name, now) for name in sorted(of_the_night())]


def overdue(now: datetime) -> dict[str, int]:
    """Rows past their time that the work before `now` should have removed; all must be 0.

    Counted by SQL of its own, and also when the work never ran.
    """
    nightly = of_the_night()
    names = sorted({one.data_class for one in stock.stocks()} | set(expiries()))
    return {
        name: stock.due(name, last_midnight(now) if name in nightly else now - LATE_TICK)
        for name in names
    }


def last_midnight(now: datetime) -> datetime:
    """The beginning of the newest day whose night must be over by now."""
    local = (now - NIGHT).astimezone(zone())
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


@transaction.atomic
def open_plan(now: datetime) -> RetentionPlan | None:
    """The plan of this day, if there is none yet; counted and written in one transaction."""
    day = now.astimezone(zone()).date()
    made, is_new = RetentionPlan.objects.get_or_create(day=day, defaults={"at": now})
    if not is_new:
        return None
    waiting = set(_undecided().values_list("data_class", flat=True))
    refused = set(_refused_lately(now).values_list("data_class", flat=True))
    items = [_item(made, one, refused) for one in plan(now) if one.data_class not in waiting]
    RetentionItem.objects.bulk_create(items)
    for item in items:
        if item.status == Status.WAITING:
            facts: approvals.Facts = {"data_class": item.data_class, "due": item.due}
            approvals.ask(OUTLIER, item.pk, RETENTION, facts | {"total": item.total})
    return made


def _planned(data_class: str, now: datetime) -> Planned:
    found = stock.count(data_class, now)
    rule = rule_of(data_class, now.astimezone(zone()).date())
    is_much = found.due > rule.outlier_rows
    is_outlier = is_much and found.due * 100 > found.total * rule.outlier_percent
    return Planned(data_class, found.due, found.total, found.held, is_outlier)


def _item(made: RetentionPlan, one: Planned, refused: set[str]) -> RetentionItem:
    status = Status.WAITING if one.is_outlier else Status.PLANNED
    if one.is_outlier and one.data_class in refused:
        status = Status.REFUSED
    return RetentionItem(
        plan=made,
        data_class=one.data_class,
        due=one.due,
        total=one.total,
        held=one.held,
        status=status,
    )


def _undecided() -> QuerySet[RetentionItem]:
    """What an earlier night left: it waits for a person, or has an approval and is worked on."""
    return RetentionItem.objects.filter(status__in=[Status.WAITING, Status.APPROVED])


def _refused_lately(now: datetime) -> QuerySet[RetentionItem]:
    since = now - REFUSAL_HOLDS
    return RetentionItem.objects.filter(status=Status.REFUSED, finished_at__gt=since)
