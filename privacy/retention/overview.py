"""What the officer sees of each class: rule, amount, what is due, when it goes, whether it did."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max

from privacy.models import RetentionItem, RetentionRule, RetentionRun
from privacy.requests.export.words import class_name
from privacy.retention import plans, stock
from privacy.retention.registry import of_the_minute, of_the_night
from privacy.retention.rules import rules_on, term_of, zone
from privacy.retention.terms import term_words

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Row:
    """One class. `overdue` counts rows that the work up to now should have removed: 0 is good."""

    rule: RetentionRule
    called: str
    term: str
    count: stock.Count
    overdue: int
    is_often: bool
    next_run: datetime | None
    last_run: datetime | None
    places: list[str]


def rows(now: datetime) -> list[Row]:
    """Every class with the rule that holds today, in the order of its name."""
    late = plans.overdue(now)
    latest = RetentionRun.objects.values_list("data_class").annotate(Max("at"))
    runs = dict(latest.order_by())
    often, nightly = set(of_the_minute()), set(of_the_night())
    night = next_night(now)
    found = [
        Row(
            rule=rule,
            called=class_name(rule.data_class),
            term=term_words(term_of(rule)),
            count=stock.count(rule.data_class, now),
            overdue=late.get(rule.data_class, 0),
            is_often=rule.data_class in often,
            next_run=night if rule.data_class in often | nightly else None,
            last_run=runs.get(rule.data_class),
            places=[one.table for one in stock.stocks(rule.data_class)],
        )
        for rule in rules_on(now.astimezone(zone()).date())
    ]
    return sorted(found, key=lambda row: row.called.casefold())


def next_night(now: datetime) -> datetime:
    """The next midnight of the house: the first tick after it makes the plan."""
    tomorrow = now.astimezone(zone()).date() + DAY
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone())


def chart(found: list[Row]) -> dict[str, object]:
    """What is stored by class, the most on top, and the longest bar."""
    stored = sorted((row for row in found if row.count.total), key=lambda row: -row.count.total)
    bars = [(row.called, row.count.total) for row in stored]
    return {"bars": bars, "top": max((count for _label, count in bars), default=1)}


def progress(items: list[RetentionItem]) -> dict[str, int]:
    """How far a plan is, in rows."""
    done = sum(min(item.removed, item.due) for item in items)
    return {"done": done, "due": sum(item.due for item in items)}
