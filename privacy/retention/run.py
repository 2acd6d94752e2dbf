"""One run of the tick: every registered function once, each result written down."""

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from privacy.access import Actor
from privacy.audit import record
from privacy.models import RetentionRun
from privacy.retention.registry import Expiry, expiries

log = structlog.get_logger("jawort.retention")
# A class with nothing to remove is written down once in this time, to show that it was looked at.
PROOF_OF_LIFE = timedelta(days=1)


def run(now: datetime) -> dict[str, int]:
    """Remove all that is due at `now`; how much of each class. One failure stops no other class."""
    removed = {name: _removed(name, functions, now) for name, functions in expiries().items()}
    for name, count in removed.items():
        if count or not _was_looked_at(name, now):
            _write_down(name, count, now)
    return removed


def _removed(data_class: str, functions: list[Expiry], now: datetime) -> int:
    total = 0
    for function in functions:
        try:
            total += function(now)
        except Exception:
            log.exception("retention failed", reason=data_class)
    return total


def _was_looked_at(data_class: str, now: datetime) -> bool:
    recent = RetentionRun.objects.filter(data_class=data_class, at__gt=now - PROOF_OF_LIFE)
    return recent.exists()


@transaction.atomic
def _write_down(data_class: str, count: int, now: datetime) -> None:
    RetentionRun.objects.create(at=now, data_class=data_class, removed=count)
    if count:
        record(
            "retention.removed",
            actor=Actor.system("retention"),
            obj="data_class",
            ref=data_class,
            facts={"rows": count},
        )
