"""Free text of staff about a request: reasons, remarks. Sealed, because it may name people."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from django.utils import timezone

from privacy.models import Request
from privacy.vault import Where, open_system, seal_system

EXTENSION = "extension"
REFUSAL = "refusal"
REMARK = "remark"
WISH = "wish"  # what the person wants corrected, in their own words
PROPOSAL = "proposal"  # reasons of a refusal that waits for a second person
EVIDENCE = "evidence"  # what shows the reasons; never told


@dataclass(frozen=True)
class Note:
    at: str  # RFC 3339
    kind: str
    text: str

    @property
    def written_at(self) -> datetime:
        return datetime.fromisoformat(self.at)


def notes_of(request: Request) -> list[Note]:
    """Everything that was written down, oldest first."""
    if not request.note_sealed:
        return []
    rows = json.loads(open_system(_where(request), bytes(request.note_sealed)))
    return [Note(**row) for row in rows]


def add_note(request: Request, kind: str, text: str) -> None:
    """Append a note; the caller holds the row's lock and its transaction."""
    notes = [*notes_of(request), Note(timezone.now().isoformat(), kind, text.strip())]
    sealed = seal_system(_where(request), json.dumps([asdict(note) for note in notes]).encode())
    Request.objects.filter(pk=request.pk).update(note_sealed=sealed)
    request.note_sealed = sealed


def rewrite_notes(request: Request, rewritten: Callable[[Note], str]) -> bool:
    """Replace the text of each note by what `rewritten` makes of it; whether any has changed. The
    caller holds the row's lock and its transaction.
    """
    notes = notes_of(request)
    changed = [replace(note, text=rewritten(note)) for note in notes]
    if changed == notes:
        return False
    sealed = seal_system(_where(request), json.dumps([asdict(note) for note in changed]).encode())
    Request.objects.filter(pk=request.pk).update(note_sealed=sealed)
    request.note_sealed = sealed
    return True


def _where(request: Request) -> Where:
    return Where("privacy_request", "note_sealed", request.pk)
