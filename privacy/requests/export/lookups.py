"""Who looked at a person's data, when and what for (C-579/21, *Pankki S*): from the audit log.

The names of employees are not told, as the court allows; dates and purposes are.
"""

import json
from typing import Any
from uuid import UUID

from privacy.audit.canonical import timestamp
from privacy.models import AuditEntry

# Everything that shows a person's data to staff.
LOOKUPS = ("person.read", "person.found", "person.exported", "consent.read")


def lookups_of(subject: UUID) -> list[dict[str, Any]]:
    """Dates, acts and purposes, oldest first."""
    entries = AuditEntry.objects.filter(
        ref=str(subject), action__in=LOOKUPS, actor__startswith="staff:"
    )
    return [_told(entry) for entry in entries.order_by("at", "id")]


def _told(entry: AuditEntry) -> dict[str, Any]:
    written = json.loads(bytes(entry.entry))
    return {"at": timestamp(entry.at), "act": entry.action, "purpose": written.get("purpose", "")}
