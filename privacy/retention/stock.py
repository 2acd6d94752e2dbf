"""What is stored of each class, and which rows are past their time: counted apart from removing.

Each app says it in SQL beside its removal, and in words of its own: a fault in the removal must not
hide in the count. Every statement may name these parameters:

    %(before)s  what began before this moment is over (a rule without a term gives no moment)
    %(now)s     the moment itself, for rows that know their own end
    %(held)s    people whose data of this class must stay, as an array of UUIDs
    %(zone)s    whose days count

What lies in files is counted by a function (`keeps_files`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections

from privacy.retention import holds, registry
from privacy.retention.defaults import DATA_CLASSES
from privacy.retention.rules import NoTerm, rule_of, starts_before, term_of, zone
from privacy.retention.terms import Term

NOBODY: list[UUID] = []


@dataclass(frozen=True)
class Count:
    """Rows of one class: stored, past their time, and past it but held."""

    total: int = 0
    due: int = 0
    held: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.total + other.total, self.due + other.due, self.held + other.held)


@dataclass(frozen=True)
class Stock:
    """What of a class lies in one place. `due` is empty where nothing can be overdue."""

    data_class: str
    table: str
    total: str = ""
    due: str = ""
    database: str = "default"
    files: Callable[[datetime], Count] | None = None


@dataclass(frozen=True)
class Notice:
    """Something of a class that will be over soon: whose, how much, since when, until when."""

    data_class: str
    label: str
    count: int
    since: datetime
    ends_at: datetime


_warnings: dict[str, str] = {}
_stocks: dict[tuple[str, str], Stock] = {}


def keeps(
    data_class: str, table: str, *, due: str = "", total: str = "", database: str = "default"
) -> Stock:
    """Register what of a class is stored in a table.

    `due` is the condition of rows past their time, or a whole SELECT; `total` counts the table's
    rows unless it says otherwise.
    """
    if due and not due.startswith("SELECT"):
        due = f"SELECT count(*) FROM {table} WHERE {due}"
    total = total or f"SELECT count(*) FROM {table}"
    return _register(Stock(data_class, table, total, due, database))


def keeps_files(data_class: str, place: str, count: Callable[[datetime], Count]) -> Stock:
    """Register files of a class: `count` tells, apart from removing, how many there are and due."""
    return _register(Stock(data_class, place, files=count))


def warns(data_class: str, sql: str) -> None:
    """Register what a rule's `warn_months` warns of: rows of (label, count, oldest start)."""
    _warnings[data_class] = sql


def warnings(now: datetime) -> list[Notice]:
    """What will be over soon, the most urgent first."""
    registry.discover()
    found: list[Notice] = []
    for name, sql in _warnings.items():
        rule = rule_of(name, now.astimezone(zone()).date())
        if rule.warn_months is None:
            continue
        since = Term(months=rule.warn_months).starts_before(now, zone())
        with connections["default"].cursor() as cursor:
            cursor.execute(sql, {"since": since})
            rows = cursor.fetchall()
        term = term_of(rule)
        found += [
            Notice(name, label, count, oldest, term.ends_at(oldest, zone()))
            for label, count, oldest in rows
        ]
    return sorted(found, key=lambda one: one.ends_at)


def stocks(data_class: str = "") -> list[Stock]:
    """What was registered, of one class or of all."""
    registry.discover()
    return [one for one in _stocks.values() if data_class in ("", one.data_class)]


def count(data_class: str, now: datetime) -> Count:
    """All rows of a class, and those due at `now`. A held class has nothing due."""
    parts = [_count(one, now) for one in stocks(data_class)]
    whole = sum(parts, Count())
    if holds.is_class_held(data_class):
        return Count(whole.total, 0, whole.due + whole.held)
    return whole


def due(data_class: str, now: datetime) -> int:
    """How many rows are past their time at `now` and not held: must be 0 after the night."""
    return (
        0 if holds.is_class_held(data_class) else sum(_due(one, now) for one in stocks(data_class))
    )


def total(data_class: str, now: datetime) -> int:
    """How much is stored: rows and files."""
    return sum(
        one.files(now).total if one.files else _ask(one, one.total, {})
        for one in stocks(data_class)
    )


def _register(stock: Stock) -> Stock:
    if stock.data_class not in DATA_CLASSES:
        raise ValueError(f"{stock.data_class} is no class of data with a retention rule.")
    _stocks[stock.data_class, stock.table] = stock
    return stock


def _count(stock: Stock, now: datetime) -> Count:
    if stock.files:
        return stock.files(now)
    all_due = _due(stock, now, held=NOBODY)
    free = _due(stock, now) if "%(held)s" in stock.due else all_due
    return Count(_ask(stock, stock.total, {}), free, all_due - free)


def _due(stock: Stock, now: datetime, held: list[UUID] | None = None) -> int:
    if stock.files:
        return stock.files(now).due
    if not stock.due:
        return 0
    known: dict[str, Any] = {"now": now, "zone": str(zone())}
    if "%(held)s" in stock.due:
        known["held"] = list(holds.held(stock.data_class)) if held is None else held
    if "%(before)s" in stock.due:
        try:
            known["before"] = starts_before(stock.data_class, now)
        except NoTerm:
            return 0
    return _ask(stock, stock.due, known)


def _ask(stock: Stock, sql: str, known: Mapping[str, Any]) -> int:
    with connections[stock.database].cursor() as cursor:
        cursor.execute(sql, known)
        row = cursor.fetchone()
    return int(row[0]) if row else 0
