"""Letting somebody outside see the checkpoints, so that nobody inside can tell two stories."""

from datetime import datetime, timedelta

from django.utils import timezone

from privacy.audit import tree
from privacy.audit.checkpoints import latest
from privacy.audit.errors import SignerSays
from privacy.audit.keys import Witness, witnesses
from privacy.audit.nodes import StoredTree
from privacy.audit.note import Note
from privacy.audit.proofs import cosigned
from privacy.audit.signing import add_checkpoint
from privacy.audit.watches import in_trouble, well
from privacy.models import Anchor, Checkpoint, Log, Watch

# An anchor counts as active for so long after the last one of its kind.
ACTIVE = {
    Anchor.Kind.WITNESS: timedelta(days=2),
    Anchor.Kind.REPORT: timedelta(days=40),
    Anchor.Kind.TIMESTAMP: timedelta(days=2),
}


def anchors_active(now: datetime | None = None) -> bool:
    """Whether anybody outside has seen a checkpoint of late; otherwise the desk warns."""
    moment = now or timezone.now()
    return any(
        Anchor.objects.filter(kind=kind, at__gt=moment - span).exists()
        for kind, span in ACTIVE.items()
    )


def submit(now: datetime) -> list[Anchor]:
    """Show the latest checkpoint of each log to every witness that has not seen it."""
    made = []
    for log in Log:
        checkpoint = latest(log)
        if checkpoint is None:
            continue
        seen = set(
            checkpoint.anchors.filter(kind=Anchor.Kind.WITNESS).values_list("name", flat=True)
        )
        for witness in witnesses():
            if witness.name not in seen and (anchor := _submit(checkpoint, witness, now)):
                made.append(anchor)
    return made


def _submit(checkpoint: Checkpoint, witness: Witness, now: datetime) -> Anchor | None:
    name = watch_name(witness, Log(checkpoint.log))
    known = Watch.objects.filter(name=name).values_list("size", flat=True).first() or 0
    try:
        lines = _cosign(checkpoint, witness, min(known, checkpoint.size))
    except SignerSays as error:
        in_trouble(name, now, error.trouble, error.size)
        return None
    well(name, now, checkpoint.size)
    return Anchor.objects.create(
        checkpoint=checkpoint,
        kind=Anchor.Kind.WITNESS,
        name=witness.name,
        proof=lines.encode(),
        at=now,
    )


def _cosign(checkpoint: Checkpoint, witness: Witness, old: int) -> str:
    """The witness's valid signature lines. `SignerSays` names what it objects to."""
    stored = StoredTree(Log(checkpoint.log))

    def ask(old: int) -> str:
        proof = tree.consistency_path(old, checkpoint.size, stored)
        return add_checkpoint(witness.url, old, proof, checkpoint.note)

    try:
        lines = ask(old)
    except SignerSays as error:
        if error.trouble != "other_size":
            raise
        if error.size > checkpoint.size:
            raise SignerSays("log_is_shorter", error.size) from None
        if error.size == old:
            raise SignerSays("other_root", error.size) from None
        lines = ask(error.size)
    note = Note.parse(checkpoint.note + lines)
    if not note.signed_by(witness.key):
        raise SignerSays("bad_signature")
    return lines


def watch_name(witness: Witness, log: Log) -> str:
    return f"witness/{witness.name}/{log.name.lower()}"


def is_cosigned(checkpoint: Checkpoint, witness: Witness) -> bool:
    """Whether this checkpoint carries a valid cosignature of the witness."""
    return Note.parse(cosigned(checkpoint)).signed_by(witness.key) is not None
