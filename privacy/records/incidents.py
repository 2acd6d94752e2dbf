"""The file of a breach: clock, what happened, whose data it was, decisions (Art. 33, 34 GDPR).

Whatever is done adds a line that nobody can rewrite; together they are the register of Art. 33(5).
"""

import json
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import Incident, IncidentEntry, IncidentScope, IncidentSubject
from privacy.records.affected import Found, find
from privacy.records.errors import (
    IncidentClosed,
    ReasonsMissing,
    TextFrozen,
    Unreported,
)
from privacy.records.terms import BREACH_REPORT, hours_on
from privacy.requests import approvals
from privacy.retention.rules import starts_before
from privacy.vault import Where, open_system, seal_system

RIGHT: Final = "request.work"
Keys, Risk, State = Incident.Keys, Incident.Risk, IncidentSubject.State
# What staff write in their own words; kept sealed, because it may name people.
TEXTS = {
    "title": _("What it is called here"),
    "what": _("What happened"),
    "discovered": _("How it became known"),
    "consequences": _("What may follow for people"),
    "measures": _("What was done, and what is planned"),
    "late": _("Why the report comes late (Art. 33(1) GDPR)"),
    "message_de": _("Text to the people concerned, in German"),
    "message_en": _("Text to the people concerned, in English"),
}
SENT = ("message_de", "message_en")
# What a second person is asked about: telling the people. Registered in privacy/records/wave.py.
NOTICE = "incident.tell"
LOCK = "SELECT pg_advisory_xact_lock(hashtext('privacy_incident'))"
ROWS_AT_ONCE = 2_000
Facts = dict[str, int | str | bool]


@transaction.atomic
def open_incident(
    *,
    aware_at: datetime,
    texts: dict[str, str],
    actor: Actor,
    began_at: datetime | None = None,
    ended_at: datetime | None = None,
) -> Incident:
    """Begin a file. The clock runs from when somebody of the house knew, not from the entry."""
    require(actor, RIGHT)
    day = aware_at.astimezone(ZoneInfo(settings.DISPLAY_TIME_ZONE)).date()
    incident = Incident(
        number=_next_number(day.year),
        aware_at=aware_at,
        report_due_at=aware_at + timedelta(hours=hours_on(BREACH_REPORT, day)),
        began_at=began_at,
        ended_at=ended_at,
    )
    incident.texts_sealed = _sealed(incident, {key: texts.get(key, "") for key in TEXTS})
    incident.save(force_insert=True)
    note(incident, "opened", actor, text=texts.get("title", ""))
    return incident


@transaction.atomic
def change_facts(
    *,
    incident: Incident,
    actor: Actor,
    texts: dict[str, str],
    keys: str,
    began_at: datetime | None,
    ended_at: datetime | None,
) -> Incident:
    """What is known by now. Everything stays visible in the file by its lines."""
    held = hold(incident, actor)
    before = texts_of(held)
    if _is_frozen(held) and any(texts.get(key, before.get(key)) != before.get(key) for key in SENT):
        raise TextFrozen
    changed = {key: text for key, text in texts.items() if text.strip() != before.get(key, "")}
    held.keys = Keys(keys)
    held.began_at, held.ended_at = began_at, ended_at
    held.texts_sealed = _sealed(held, before | {k: text.strip() for k, text in changed.items()})
    held.save()
    facts: Facts = {"keys": str(held.keys)} | dict.fromkeys(changed, True)
    note(held, "facts", actor, facts=facts, text=json.dumps(changed, ensure_ascii=False))
    return held


@transaction.atomic
def add_scope(
    *,
    incident: Incident,
    kind: str,
    actor: Actor,
    ref: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> IncidentScope:
    """One more answer to "whose data was it?". Raises `BadScope`."""
    held = hold(incident, actor)
    found = find(kind, ref, since, until)
    scope = IncidentScope.objects.create(
        incident=held,
        kind=kind,
        ref=ref,
        since=since,
        until=until,
        people=len(found.people),
        gone=len(found.gone),
    )
    _list_people(held)
    facts: Facts = {"kind": kind, "people": scope.people, "gone": scope.gone}
    note(held, "scope_added", actor, facts=facts)
    return scope


@transaction.atomic
def remove_scope(*, scope: IncidentScope, actor: Actor) -> None:
    """It was not that: who is named by no other answer, and was not told yet, leaves the list."""
    held = hold(scope.incident, actor)
    kind = scope.kind
    scope.delete()
    _list_people(held)
    note(held, "scope_removed", actor, facts={"kind": kind})


@transaction.atomic
def list_again(*, incident: Incident, actor: Actor) -> int:
    """Ask every answer once more: who was erased meanwhile is counted, and listed no longer."""
    held = hold(incident, actor)
    number = _list_people(held)
    note(held, "listed_again", actor, facts={"people": number, "gone": held.gone})
    return number


@transaction.atomic
def decide(*, incident: Incident, risk: str, reasons: str, actor: Actor) -> Incident:
    """How high the risk is: with reasons, because an authority will ask for them."""
    held = hold(incident, actor)
    if not reasons.strip():
        raise ReasonsMissing
    held.risk = Risk(risk)
    held.save(update_fields=["risk"])
    note(held, "decided", actor, facts={"risk": str(held.risk)}, text=reasons)
    return held


@transaction.atomic
def report_made(*, incident: Incident, at: datetime, reference: str, actor: Actor) -> Incident:
    """The authority has been told. Too late needs reasons (Art. 33(1) sentence 2)."""
    held = hold(incident, actor)
    if at > held.report_due_at and not texts_of(held).get("late"):
        raise ReasonsMissing
    held.reported_at = at
    held.save(update_fields=["reported_at"])
    facts: Facts = {"late": at > held.report_due_at}
    note(held, "reported", actor, facts=facts, text=reference)
    return held


@transaction.atomic
def close(*, incident: Incident, actor: Actor) -> Incident:
    """Nothing more is to be done. The file stays for its term."""
    held = hold(incident, actor)
    if held.risk == Risk.OPEN:
        raise ReasonsMissing
    if held.risk in (Risk.NORMAL, Risk.HIGH) and held.reported_at is None:
        raise Unreported
    held.closed_at = timezone.now()
    held.save(update_fields=["closed_at"])
    note(held, "closed", actor)
    return held


def suggested_risk(incident: Incident) -> str:
    """What the keys say: sealed data without keys mean nothing to whoever has them (34(3)(a))."""
    if incident.keys == Keys.SAFE:
        return Risk.NONE
    return Risk.NORMAL if incident.keys == Keys.PARTLY else Risk.HIGH


def texts_of(incident: Incident) -> dict[str, str]:
    if incident.texts_sealed is None:
        return {}
    found: dict[str, str] = json.loads(open_system(_where(incident), bytes(incident.texts_sealed)))
    return found


def entry_text(entry: IncidentEntry) -> str:
    if entry.text_sealed is None:
        return ""
    return open_system(_entry_where(entry), bytes(entry.text_sealed)).decode()


def open_ones() -> QuerySet[Incident]:
    return Incident.objects.filter(closed_at=None).order_by("report_due_at")


def people_of(incident: Incident) -> dict[str, int]:
    """How many are listed, by state, and how many are gone."""
    rows = incident.people.values_list("state", flat=True)
    counts = dict.fromkeys(State.values, 0)
    for state in rows.iterator(chunk_size=ROWS_AT_ONCE):
        counts[state] += 1
    return counts | {"gone": incident.gone, "all": sum(counts.values())}


def expired(now: datetime) -> QuerySet[Incident]:
    """Files whose term is over."""
    return Incident.objects.filter(closed_at__lt=starts_before("breach_register", now))


def remove_expired(now: datetime) -> int:
    """Delete them, with their lines and lists. May run twice."""
    with transaction.atomic():
        due = list(expired(now).select_for_update().values_list("pk", flat=True))
        Incident.objects.filter(pk__in=due).delete()
    return len(due)


def _list_people(incident: Incident) -> int:
    """Make the list what all answers together say. Who was told stays on it."""
    found = Found()
    for scope in incident.scopes.all():
        found |= find(scope.kind, scope.ref, scope.since, scope.until)
    known = dict(incident.people.values_list("subject", "state"))
    stale = [one for one in known if one not in found.people and known[one] != State.TOLD]
    for start in range(0, len(stale), ROWS_AT_ONCE):
        incident.people.filter(subject__in=stale[start : start + ROWS_AT_ONCE]).delete()
    new = [IncidentSubject(incident=incident, subject=one) for one in found.people - known.keys()]
    IncidentSubject.objects.bulk_create(new, batch_size=ROWS_AT_ONCE, ignore_conflicts=True)
    incident.gone = len(found.gone - {one for one in known if known[one] == State.TOLD})
    incident.save(update_fields=["gone"])
    return len(found.people)


def hold(incident: Incident, actor: Actor) -> Incident:
    require(actor, RIGHT)
    held = Incident.objects.select_for_update().get(pk=incident.pk)
    if held.closed_at is not None:
        raise IncidentClosed
    return held


def note(
    incident: Incident, kind: str, actor: Actor, *, facts: Facts | None = None, text: str = ""
) -> None:
    """A line in the file and an entry in the audit log; the words stay sealed in the file."""
    entry = IncidentEntry(
        incident=incident, at=timezone.now(), actor=str(actor), kind=kind, facts=facts or {}
    )
    if text.strip():
        entry.text_sealed = seal_system(_entry_where(entry), text.strip().encode())
    entry.save(force_insert=True)
    action = f"incident.{kind}"
    record(action, actor=actor, obj="incident", ref=incident.pk, facts=facts or {})


def _next_number(year: int) -> str:
    """`2026-01`: counted without gaps within a year."""
    with transaction.get_connection().cursor() as cursor:
        cursor.execute(LOCK)
    numbers = Incident.objects.filter(number__startswith=f"{year}-").values_list(
        "number", flat=True
    )
    last = max((int(number.partition("-")[2]) for number in numbers), default=0)
    return f"{year}-{last + 1:02d}"


def _sealed(incident: Incident, texts: dict[str, Any]) -> bytes:
    return seal_system(_where(incident), json.dumps(texts).encode())


def _where(incident: Incident) -> Where:
    return Where("privacy_incident", "texts_sealed", incident.pk)


def _entry_where(entry: IncidentEntry) -> Where:
    return Where("privacy_incidententry", "text_sealed", entry.pk)


def _is_frozen(incident: Incident) -> bool:
    """Whether the text was given to a second person, who answers for what they read."""
    return incident.told_at is not None or approvals.is_waiting(NOTICE, incident.pk)


def subjects_of(incident: Incident) -> set[UUID]:
    return set(incident.people.values_list("subject", flat=True))
