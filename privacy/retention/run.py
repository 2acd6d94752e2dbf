"""The tick: terms of minutes and hours at once, everything else in the night's plan."""

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from privacy.models import RetentionRun
from privacy.retention import holds, night
from privacy.retention.registry import Expiry, of_the_minute

log = structlog.get_logger("jawort.retention")
# A class with nothing to remove is written down once in this time, to show that it was looked at.
PROOF_OF_LIFE = timedelta(days=1)


def run(now: datetime) -> dict[str, int]:
    """Remove what is due at `now`; how much of each class. One failure stops no other class."""
    removed = of_this_minute(now)
    for name, count in night.execute(now).items():
        removed[name] = removed.get(name, 0) + count
    return removed


def of_this_minute(now: datetime) -> dict[str, int]:
    removed = {name: _removed(name, them, now) for name, them in of_the_minute().items()}
    for name, count in removed.items():
        if count or not _was_looked_at(name, now):
            with transaction.atomic():
                night.write_down(name, count, now)
    return removed


def _removed(data_class: str, functions: list[Expiry], now: datetime) -> int:
    if holds.is_class_held(data_class):
        return 0
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
