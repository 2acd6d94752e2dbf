"""Having the state of each log signed, again and again, and keeping what was signed."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from privacy.audit import tree
from privacy.audit.errors import SignerSays
from privacy.audit.keys import learn_keys, signed_by_log
from privacy.audit.logs import origin
from privacy.audit.nodes import StoredTree, size_of
from privacy.audit.note import Head, Note
from privacy.audit.signing import add_checkpoint, has_signer, socket_path
from privacy.audit.watches import in_trouble, well
from privacy.models import Checkpoint, Log

# A log that grows is signed so often.
EVERY = timedelta(seconds=30)


def latest(log: Log) -> Checkpoint | None:
    return Checkpoint.objects.filter(log=log).order_by("-size", "-id").first()


def make_checkpoints(now: datetime) -> list[Checkpoint]:
    """Sign what has grown. Troubles are remembered for the officer's page, never raised."""
    if not has_signer():
        return []
    return [made for log in Log if (made := _make(log, now))]


def _make(log: Log, now: datetime) -> Checkpoint | None:
    last, size = latest(log), size_of(log)
    if last and now - last.at < EVERY:
        return None
    name = watch_name(log)
    try:
        if size == 0 or (last and last.size == size):
            return None
        learn_keys(log)
        made = sign(log, size, last.size if last else 0, now)
    except SignerSays as error:
        in_trouble(name, now, error.trouble, error.size)
        return None
    well(name, now, size)
    return made


def sign(log: Log, size: int, old: int, now: datetime | None = None) -> Checkpoint:
    """Have the log's first `size` entries signed and keep the note. Raises `SignerSays`.

    `old` is what was signed last, as far as we know; a signer that was told more (and died, or we
    did) says so and is asked again from there.
    """
    stored = StoredTree(log)
    root = tree.root_at(size, stored)
    text = str(Head(origin(log), size, root))
    try:
        lines = _ask(stored, old, size, text)
    except SignerSays as error:
        if error.trouble != "other_size":
            raise
        if error.size > size:
            raise SignerSays("log_is_shorter", error.size) from None
        if error.size in (old, size) and error.size == old:
            raise SignerSays("other_root", error.size) from None
        lines = _ask(stored, error.size, size, text)
    note = f"{text}\n{lines}"
    if not signed_by_log(log, Note.parse(note)):
        raise SignerSays("key_unknown")
    with transaction.atomic():
        return Checkpoint.objects.create(
            log=log, size=size, root=root, note=note, at=now or timezone.now()
        )


def watch_name(log: Log) -> str:
    return f"signer/{log.name.lower()}"


def _ask(stored: StoredTree, old: int, size: int, text: str) -> str:
    return add_checkpoint(socket_path(), old, tree.consistency_path(old, size, stored), text)
