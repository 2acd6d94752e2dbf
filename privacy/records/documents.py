"""Versions of register and assessment: made, stored, compared, and written as files.

A version is known by the SHA-256 of its exact bytes. Storing the same content again makes none, so
number and date are those of the last change, and a file made today has the bytes of yesterday's.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from privacy.access import Actor
from privacy.audit import canonical, record
from privacy.models import ProcessingRecord
from privacy.records.assessment import assessment, new_since
from privacy.records.house import House, house_on
from privacy.records.layout import Change, Document, compare
from privacy.records.register import processor_register, register
from privacy.requests.print import breakable, pdf

Kind = ProcessingRecord.Kind
LANGUAGES = ("de", "en")
# One at a time: the versions of a kind are counted without gaps.
LOCK = "SELECT pg_advisory_xact_lock(hashtext('privacy_processingrecord'))"
MAKERS: dict[str, Callable[[House, str], Document]] = {
    Kind.CONTROLLER: register,
    Kind.PROCESSOR: processor_register,
    Kind.ASSESSMENT: assessment,
}
HASH_SHOWN = 16


@dataclass(frozen=True)
class State:
    """How a kind of document stands: its last stored version, and what it would say now."""

    kind: str
    stored: ProcessingRecord | None
    body: bytes

    @property
    def is_outdated(self) -> bool:
        return self.stored is None or self.stored.sha256 != sha256(self.body).hexdigest()

    @property
    def label(self) -> str:
        return str(Kind(self.kind).label)


def as_data(kind: str, language: str, house: House | None = None) -> dict[str, Any]:
    """What the document says now, or of a house that was gathered before, in one language."""
    with translation.override(language):
        return MAKERS[kind](house or house_on(today()), language).data()


def today() -> date:
    from zoneinfo import ZoneInfo

    return timezone.now().astimezone(ZoneInfo(settings.DISPLAY_TIME_ZONE)).date()


def made_of(house: House, kind: str) -> bytes:
    """The exact bytes of both languages, as they would be stored."""
    return canonical({language: as_data(kind, language, house) for language in LANGUAGES})


def state_of(kind: str, house: House | None = None) -> State:
    return State(kind, latest(kind), made_of(house or house_on(today()), kind))


def states() -> list[State]:
    """All kinds; the processor's register only where somebody is named on whose behalf we send."""
    house = house_on(today())
    kinds = [Kind.CONTROLLER, Kind.ASSESSMENT]
    if house.text_of("clients", "de") or latest(Kind.PROCESSOR):
        kinds.insert(1, Kind.PROCESSOR)
    return [state_of(kind, house) for kind in kinds]


def latest(kind: str) -> ProcessingRecord | None:
    return ProcessingRecord.objects.filter(kind=kind).order_by("version").last()


@transaction.atomic
def store(*, kind: str, actor: Actor) -> tuple[ProcessingRecord, bool]:
    """Store what the document says now; (version, whether it is new). May run twice."""
    with transaction.get_connection().cursor() as cursor:
        cursor.execute(LOCK)
    now = state_of(kind)
    if not now.is_outdated and now.stored is not None:
        return now.stored, False
    made = ProcessingRecord.objects.create(
        kind=kind,
        version=now.stored.version + 1 if now.stored else 1,
        valid_from=today(),
        sha256=sha256(now.body).hexdigest(),
        body=now.body,
        stored_by=str(actor),
    )
    facts: dict[str, int | str | bool] = {"version": made.version, "sha256": made.sha256}
    record("record.stored", actor=actor, obj="record", ref=kind, facts=facts)
    return made, True


def document_of(stored: ProcessingRecord, language: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(stored.body))[language]
    return found


def changes(before: ProcessingRecord | None, after: bytes, language: str) -> list[Change]:
    """What a version, or what would be stored now, says otherwise than the one before."""
    old = document_of(before, language) if before else {}
    return compare(old, json.loads(after)[language])


def needs_new_look(state: State) -> list[str]:
    """What an assessment has not looked at: Art. 35(11) asks for a review when the risk changes."""
    if state.kind != Kind.ASSESSMENT or state.stored is None:
        return []
    return new_since(document_of(state.stored, "en"), json.loads(state.body)["en"])


def as_json(stored: ProcessingRecord, language: str) -> bytes:
    """The file of one version. No time of making is in it: the same version, the same bytes."""
    return canonical({**_imprint(stored), "document": document_of(stored, language)}) + b"\n"


def as_pdf(stored: ProcessingRecord, language: str) -> bytes:
    with translation.override(language):
        return pdf("record", _printed(document_of(stored, language), stored))


def draft_pdf(state: State, language: str) -> bytes:
    """What is not stored yet, marked as a draft."""
    with translation.override(language):
        return pdf("record", _printed(json.loads(state.body)[language], None))


def _imprint(stored: ProcessingRecord) -> dict[str, Any]:
    return {
        "version": stored.version,
        "valid_from": stored.valid_from.isoformat(),
        "sha256": stored.sha256,
    }


def _printed(document: dict[str, Any], stored: ProcessingRecord | None) -> dict[str, Any]:
    sections = [
        {
            "title": section["title"],
            "rows": [
                [row["label"], [breakable(item) for item in row["items"]]]
                for row in section["rows"]
            ],
        }
        for section in document["sections"]
    ]
    if stored is None:
        said, footer = _("Draft: this has not been stored as a version."), _("Draft")
    else:
        facts = {"version": stored.version, "day": stored.valid_from.isoformat()}
        said = _("Version %(version)s, as it stands since %(day)s") % facts
        footer = f"{said} · {stored.sha256[:HASH_SHOWN]}"
    return {"title": document["title"], "lead": [said], "footer": footer, "sections": sections}
