"""Whose data was it? The people of a channel, a broadcast, a backup, a time; as random numbers.

What was erased since cannot be told to anybody any more: it is counted, as far as that is known.
A person whose row was being written at the very moment of a backup is listed: rather one too many.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from privacy.models import AuditEntry, DataSubject
from privacy.records.errors import BadScope
from privacy.records.places import BROADCAST, CHANNEL, NEWSLETTER, people_of
from privacy.requests.export.lookups import LOOKUPS
from privacy.vault import store

BACKUP: Final = "backup"
EPOCH: Final = "epoch"
STAFF: Final = "staff"
EVERYBODY: Final = "everybody"
KINDS = {
    BACKUP: _("A backup of the data"),
    CHANNEL: _("A channel"),
    NEWSLETTER: _("A newsletter"),
    BROADCAST: _("A broadcast"),
    EPOCH: _("Keys of one epoch"),
    STAFF: _("What a member of staff looked at"),
    EVERYBODY: _("Everybody, in a span of time"),
}
BACKUP_MADE = "backup.made"
AT_A_TIME = 5_000
# The entry stands in the log before the copy begins, and the copy shows what is there when it does.
COPY_BEGINS_WITHIN = timedelta(minutes=1)
ERASED = DataSubject.Status.ERASED
# The columns that both tables of people who are gone have.
GONE_SINCE = "SELECT subject FROM keystore_tombstone WHERE erased_at > %s"
EPOCH_SPAN = "SELECT created_at, retired_at FROM keystore_keyepoch WHERE number = %s"
EPOCHS = "SELECT number, created_at, retired_at FROM keystore_keyepoch ORDER BY number DESC"


@dataclass
class Found:
    """People who can be told, and people concerned who have been erased since."""

    people: set[UUID] = field(default_factory=set)
    gone: set[UUID] = field(default_factory=set)

    def __or__(self, other: "Found") -> "Found":
        return Found(self.people | other.people, self.gone | other.gone)


@dataclass(frozen=True)
class Backup:
    """A backup that the audit log knows: when it was made, and of what."""

    ref: str
    at: datetime


def find(
    kind: str, ref: str = "", since: datetime | None = None, until: datetime | None = None
) -> Found:
    """The people of one answer. Raises `BadScope` if it names nothing."""
    if kind == BACKUP:
        return _in_backup(*_span_of_backup(ref, until))
    if kind == EPOCH:
        return _under_epoch(ref)
    if kind == STAFF:
        return _sorted_out(_looked_at(ref, since, until))
    if kind == EVERYBODY:
        return _between(since, until)
    if kind in (CHANNEL, NEWSLETTER, BROADCAST):
        return _sorted_out(people_of(kind, _uuid(ref), since, until))
    raise BadScope


def backups() -> list[Backup]:
    """Backups of the data that the audit log names, newest first."""
    rows = AuditEntry.objects.filter(action=BACKUP_MADE).order_by("-at")
    return [Backup(row.ref, row.at) for row in rows]


def epochs() -> list[tuple[int, datetime, datetime | None]]:
    """Number, beginning and end of every epoch of keys, newest first."""
    return [(int(number), since, until) for number, since, until in store.read(EPOCHS, [])]


def _span_of_backup(ref: str, at: datetime | None) -> tuple[datetime, datetime]:
    """Between which moments the copy shows the table; one moment, if a person names it."""
    if ref:
        noted = AuditEntry.objects.filter(action=BACKUP_MADE, ref=ref).values_list("at", flat=True)
        at = noted.first()
    if at is None:
        raise BadScope
    return at, at + COPY_BEGINS_WITHIN if ref else at


def _in_backup(first: datetime, last: datetime) -> Found:
    """Who had a row at such a moment: made before the last, and not erased before the first."""
    there = DataSubject.objects.filter(created_at__lte=last)
    people = set(there.exclude(status=ERASED).values_list("id", flat=True))
    erased = there.filter(status=ERASED, erased_at__gt=first)
    gone = set(erased.values_list("id", flat=True)) | _forgotten(first, last)
    return Found(people, gone - people)


def _between(since: datetime | None, until: datetime | None) -> Found:
    """Who had a row at any time of the span."""
    rows = DataSubject.objects.filter(created_at__lte=until) if until else DataSubject.objects.all()
    people = set(rows.exclude(status=ERASED).values_list("id", flat=True))
    erased = rows.filter(status=ERASED)
    if since:
        erased = erased.filter(erased_at__gte=since)
    gone = set(erased.values_list("id", flat=True))
    return Found(people, gone | _forgotten(since, until) if since and until else gone)


def _under_epoch(ref: str) -> Found:
    """Whose keys were wrapped under that epoch: everybody who was there while it was in use."""
    rows = store.read(EPOCH_SPAN, [int(ref)]) if ref.isdigit() else []
    if not rows:
        raise BadScope
    since, until = rows[0]
    return _between(since, until or datetime.now(UTC))


def _looked_at(user: str, since: datetime | None, until: datetime | None) -> set[UUID]:
    """Whose data this member of staff opened in that time, by the audit log."""
    rows = AuditEntry.objects.filter(actor=f"staff:{_uuid(user)}", action__in=LOOKUPS)
    if since:
        rows = rows.filter(at__gte=since)
    if until:
        rows = rows.filter(at__lte=until)
    refs = rows.exclude(ref="").values_list("ref", flat=True).distinct()
    return {UUID(ref) for ref in refs}


def _sorted_out(subjects: Iterable[UUID]) -> Found:
    """Who of them is still there, and who has been erased since."""
    named, people = list(subjects), set[UUID]()
    for start in range(0, len(named), AT_A_TIME):
        rows = DataSubject.objects.filter(pk__in=named[start : start + AT_A_TIME])
        people.update(rows.filter(~Q(status=ERASED)).values_list("id", flat=True))
    return Found(people, set(named) - people)


def _forgotten(since: datetime, until: datetime) -> set[UUID]:
    """Who was made by `until` and erased after `since`, by the tombstones in the key store.

    They outlast the row; when a person was made stands in the random number itself (RFC 9562).
    """
    rows = store.read(GONE_SINCE, [since])
    return {subject for (subject,) in rows if _made_at(subject) <= until}


def _made_at(subject: UUID) -> datetime:
    return datetime.fromtimestamp((subject.int >> 80) / 1000, UTC)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadScope from None
