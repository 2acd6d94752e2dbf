"""The keys that are believed for each log, and how one follows another.

The signer says which key it has. A new one counts only with a note that the old one has signed,
too; the change is an entry of the audit log. Whoever checks from outside pins the first key and
follows the notes.
"""

from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import transaction

from privacy.audit.errors import SignerSays
from privacy.audit.logs import origin
from privacy.audit.note import ED25519, Note, Verifier
from privacy.audit.signing import signer_logs
from privacy.models import Log, Watch

ROTATION = "jawort-key-rotation/1"


def log_keys(log: Log) -> list[Verifier]:
    """All keys ever believed for the log, oldest first."""
    return [Verifier.parse(line) for line in _known(log).get("keys", [])]


def witness_keys() -> list[Verifier]:
    """The keys of the configured witnesses."""
    return [witness.key for witness in witnesses()]


def rotations(log: Log) -> list[str]:
    """The notes by which one key followed another, oldest first."""
    return list(_known(log).get("rotations", []))


def verifier_keys(log: Log) -> list[str]:
    """The keys of the log and of the configured witnesses, one line each, as C2SP writes them."""
    return [str(key) for key in (*log_keys(log), *witness_keys())]


def signed_by_log(log: Log, note: Note) -> bool:
    """Whether a believed key of the log signed this; its Ed25519 signature decides."""
    return any(note.signed_by(key) for key in log_keys(log) if key.kind == ED25519)


class Witness:
    """One line of the setting JAWORT_WITNESSES: `address|key`."""

    def __init__(self, text: str) -> None:
        self.url, _, line = text.strip().partition("|")
        self.key = Verifier.parse(line)

    @property
    def name(self) -> str:
        return self.key.name


def witnesses() -> list[Witness]:
    return [Witness(text) for text in settings.JAWORT_WITNESSES]


def learn_keys(log: Log) -> None:
    """Take over the signer's keys: the first ones on trust, others with the old one's word.

    `SignerSays("key_changed")` if the signer suddenly has another key.
    """
    told = signer_logs().get(origin(log))
    if told is None:
        raise SignerSays("log_unknown")
    known = _known(log)
    keys: list[str] = known.get("keys", [])
    fresh = [line for line in told["keys"] if line not in keys]
    if not fresh:
        return
    if keys and not _is_continued(keys, told["keys"][0], told["rotations"]):
        raise SignerSays("key_changed")
    facts = {"keys": [*keys, *fresh], "rotations": told["rotations"]}
    with transaction.atomic():
        _record_change(log, keys, fresh)
        Watch.objects.update_or_create(
            name=_name(log), defaults={"facts": facts, "tried_at": _now(), "well_at": _now()}
        )


def _is_continued(keys: list[str], newest: str, notes: list[str]) -> bool:
    """Whether notes lead from the last known key to the newest, each signed by both."""
    at = [line for line in keys if Verifier.parse(line).kind == ED25519][-1]
    for raw in notes:
        note = Note.parse(raw)
        kind, _, _, old, new = note.text.splitlines()
        both = Verifier.parse(old), Verifier.parse(new)
        if kind == ROTATION and old == at and all(note.signed_by(key) for key in both):
            at = new
    return at == newest


def _record_change(log: Log, keys: list[str], fresh: list[str]) -> None:
    from privacy.access.actors import Actor
    from privacy.audit.log import record

    record(
        "audit.key_rotated" if keys else "audit.key_learned",
        actor=Actor.system("signer"),
        obj="log",
        ref=log.name.lower(),
        facts={"key": sha256(fresh[0].encode()).hexdigest()},
    )


def _known(log: Log) -> dict[str, Any]:
    found = Watch.objects.filter(name=_name(log)).values_list("facts", flat=True).first()
    return found or {}


def _name(log: Log) -> str:
    return f"keys/{log.name.lower()}"


def _now() -> Any:
    from django.utils import timezone

    return timezone.now()
