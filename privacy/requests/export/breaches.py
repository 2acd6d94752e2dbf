"""Which breaches of data protection concerned a person, and what they were told (Art. 34 GDPR)."""

from typing import Any
from uuid import UUID

from privacy.audit.canonical import timestamp
from privacy.models import IncidentSubject
from privacy.records.incidents import texts_of


def breaches_of(subject: UUID, language: str) -> list[dict[str, Any]]:
    """Each breach whose list the person stands on, the oldest first.

    `text`: the words that went to the people, in `language`; empty while nobody was told, because
    only what a second person has approved leaves the house.
    """
    rows = IncidentSubject.objects.filter(subject=subject).select_related("incident")
    return [_told(one, language) for one in rows.order_by("incident__aware_at", "pk")]


def _told(row: IncidentSubject, language: str) -> dict[str, Any]:
    incident = row.incident
    texts = texts_of(incident) if incident.told_at else {}
    return {
        "number": incident.number,
        "aware_at": timestamp(incident.aware_at),
        "state": row.state,
        "told_at": timestamp(row.told_at) if row.told_at else "",
        "text": texts.get(f"message_{language}") or texts.get("message_de", ""),
    }
