"""Is the state of each subscription what the ledger says? Replays all of it, in the database.

The tables that decide whether somebody is written to are a projection of the ledger. Here the last
record of each subscription, read from its exact bytes, is compared with its status and its gate,
in one statement, so that only differences come to us.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction

from privacy.access import Actor
from privacy.audit import record
from privacy.models import AuditEntry

NAMED_AT_MOST = 100
VERIFIED = "consent.verified"
NIGHT = time(3)  # local time from when on the comparison of a day is due
# What each last record leaves behind.
STATUSES = {
    "given": ("confirmed",),
    "renewed": ("confirmed", "imported"),  # topics may be chosen before the approval, too
    "requested": ("imported",),
    "withdrawn": ("withdrawn", "objected"),
    "objected": ("objected", "withdrawn"),
    "expired": ("lapsed",),
}
FITTING = ", ".join(
    f"('{state}', '{status}')" for state, fits in STATUSES.items() for status in fits
)
# The exact bytes, not the columns beside them: those are for finding only. A pattern and no cast to
# JSON, because one broken entry must be named and not stop the comparison.
TOLD = r"""substring(encode(entry, 'escape') from '"{}":"([^"\\]*)"')"""
LAST = f"""
    SELECT DISTINCT ON (subscription) subscription, subject, {TOLD.format("state")} AS state
    FROM subscriptions_consentrecord WHERE subscription IS NOT NULL
    ORDER BY subscription, id DESC"""
COMPARE = f"""
    WITH last AS ({LAST}), compared AS (
        SELECT coalesce(one.id, last.subscription) AS id, CASE
            WHEN last.subscription IS NULL THEN 'no_record'
            WHEN one.id IS NULL THEN CASE
                WHEN last.state IN ('given', 'renewed') AND person.status <> 'erased'
                THEN 'no_subscription' END
            WHEN (last.state, one.status) NOT IN ({FITTING}) OR last.state IS NULL THEN 'status'
            WHEN gate.is_open AND last.state NOT IN ('given', 'renewed') THEN 'open_gate'
            WHEN gate.is_open AND one.status <> 'confirmed' THEN 'open_gate'
        END AS wrong, last.state, one.status
        FROM last FULL JOIN subscriptions_subscription AS one ON one.id = last.subscription
        LEFT JOIN messengers_gate AS gate ON gate.id = one.id
        LEFT JOIN privacy_datasubject AS person ON person.id = last.subject)
    SELECT wrong, id, coalesce(state, ''), coalesce(status, '') FROM compared
    WHERE wrong IS NOT NULL ORDER BY wrong, id"""
COLUMNS = f"""
    SELECT 'column', id, state, '' FROM subscriptions_consentrecord
    WHERE octet_length(entry) > 0 AND (
        state IS DISTINCT FROM {TOLD.format("state")}
        OR id::text IS DISTINCT FROM {TOLD.format("id")}
        OR wording IS DISTINCT FROM {TOLD.format("wording_id")}
        OR newsletter::text IS DISTINCT FROM {TOLD.format("list")})
    ORDER BY id"""
WORDS = {
    "no_record": "no record in the ledger speaks of it",
    "no_subscription": "the ledger says yes, but there is no such subscription",
    "status": "the ledger says {state}, its status is {status}",
    "open_gate": "its gate is open, though the ledger says {state}",
    "column": "record: a column tells something else than its bytes",
}


@dataclass
class Replay:
    """How many were compared and what differs; `named` holds the first of them in words."""

    subscriptions: int = 0
    records: int = 0
    differences: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    named: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return not self.differences

    def as_json(self) -> dict[str, Any]:
        return {"is_sound": self.is_sound, **asdict(self)}


def replay(progress: Callable[[int], object] = lambda steps: None) -> Replay:
    """Compare everything; changes nothing. `progress` is told each of `STEPS` done."""
    found = Replay()
    for statement in (COMPARE, COLUMNS):
        _collect(statement, found)
        progress(1)
    found.subscriptions = _count("subscriptions_subscription")
    found.records = _count("subscriptions_consentrecord")
    progress(1)
    return found


STEPS = 3


@transaction.atomic
def replay_nightly(now: datetime) -> Replay | None:
    """Once a day, in the night; the result stands in the audit log. None if it is not due.

    May be called at once by several: one holds the lock, the others leave.
    """
    if not _is_due(now) or not _is_alone():
        return None
    found = replay()
    facts: dict[str, int | str | bool] = {
        "subscriptions": found.subscriptions,
        "differences": found.differences,
    }
    result = "done" if found.is_sound else "differs"
    actor = Actor.system("retention")
    record("consent.verified", actor=actor, obj="ledger", ref="", result=result, facts=facts)
    return found


def _is_due(now: datetime) -> bool:
    local = now.astimezone(ZoneInfo(settings.DISPLAY_TIME_ZONE))
    day = local.date() if local.time() >= NIGHT else local.date() - timedelta(days=1)
    since = datetime.combine(day, NIGHT, local.tzinfo)
    return not AuditEntry.objects.filter(action=VERIFIED, at__gte=since).exists()


def _is_alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('subscriptions.replay'))")
        row = cursor.fetchone()
    return bool(row and row[0])


def _collect(statement: str, found: Replay) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        while rows := cursor.fetchmany(1_000):
            for wrong, ref, state, status in rows:
                found.differences += 1
                found.by_kind[wrong] = found.by_kind.get(wrong, 0) + 1
                if len(found.named) < NAMED_AT_MOST:
                    told = WORDS[wrong].format(state=state or "nothing readable", status=status)
                    found.named.append(f"{ref}: {told}")


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        row = cursor.fetchone()
    return int(row[0]) if row else 0
