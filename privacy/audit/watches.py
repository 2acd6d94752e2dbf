"""Remembering how it stands with those who watch the logs, for the officer's page."""

from datetime import datetime
from typing import Any

from privacy.models import Watch


def well(name: str, now: datetime, size: int, **facts: Any) -> None:
    changes: dict[str, Any] = {"tried_at": now, "well_at": now, "trouble": "", "size": size}
    if facts:
        changes["facts"] = facts
    Watch.objects.update_or_create(name=name, defaults=changes)


def in_trouble(name: str, now: datetime, trouble: str, size: int = 0) -> None:
    """`trouble` in one word; what they knew last stays."""
    changes: dict[str, Any] = {"tried_at": now, "trouble": trouble}
    if size:
        changes["size"] = size
    Watch.objects.update_or_create(name=name, defaults=changes)
