"""The two logs: who is entered in which, and under what name the world knows each."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from privacy.models import Log


@dataclass(frozen=True)
class Source:
    """Where a log's entries stand. Ids, hashes and exact bytes have the same names in both."""

    log: Log
    table: str
    path: str  # the last part of the log's name
    # Columns that tell again what the bytes tell, and the bytes' names for it.
    shown: tuple[tuple[str, str], ...]


SOURCES = {
    Log.AUDIT: Source(
        Log.AUDIT,
        "privacy_auditentry",
        "audit",
        (
            ("action", "action"),
            ("actor", "actor"),
            ("object", "object"),
            ("ref", "ref"),
            ("at", "at"),
        ),
    ),
    Log.CONSENT: Source(
        Log.CONSENT,
        "subscriptions_consentrecord",
        "consent",
        (("state", "state"), ("newsletter", "list"), ("wording", "wording_id"), ("at", "time")),
    ),
}


def origin(log: Log) -> str:
    """The name in the first line of each checkpoint: `news.example.org/audit`."""
    return f"{urlsplit(settings.JAWORT_ORIGIN).netloc}/{SOURCES[log].path}"
