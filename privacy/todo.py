"""What waits for the officer beside the requests: one line each, whatever room it comes from."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

URGENCIES = ("bad", "wait", "info")


@dataclass(frozen=True)
class Item:
    """One line of the list; `urgency` is the ending of a badge: bad, wait or info."""

    title: str
    text: str
    url: str
    urgency: str
    due_at: datetime | None = None


def most_urgent_first(items: Iterable[Item], now: datetime) -> list[Item]:
    """By urgency, then by what is due; one without a date counts as due now."""
    return sorted(items, key=lambda item: (URGENCIES.index(item.urgency), item.due_at or now))
