"""Give up the bytes of old log entries through the one function that may: their hashes stay."""

from datetime import datetime
from enum import IntEnum
from uuid import UUID

from django.db import connection


class Log(IntEnum):
    """The two logs, by the numbers the database's function knows them by."""

    AUDIT = 1
    CONSENT = 2


def prune(log: Log, entries: list[UUID], before: datetime) -> int:
    """Keep only the leaf hash of these; how many. The database looks at each term again."""
    if not entries:
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT privacy_prune_entry(%s, %s, %s)", [int(log), entries, before])
        return int(cursor.fetchone()[0])
