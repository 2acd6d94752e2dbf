"""Writing an entry: in the transaction of the act, so that neither exists without the other."""

from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from privacy.access.actors import Actor
from privacy.audit import words
from privacy.audit.canonical import canonical
from privacy.audit.emit import emit
from privacy.audit.errors import OutsideTransaction
from privacy.audit.tree import leaf_hash
from privacy.ids import uuid7
from privacy.models import AuditEntry

SCHEMA = "jawort-audit/1"


def record(
    action: str,
    *,
    actor: Actor,
    obj: str,
    ref: UUID | str,
    purpose: str = "",
    result: str = "done",
    facts: dict[str, int | str | bool] | None = None,
) -> AuditEntry:
    """Add what `actor` did to the log, as exact bytes.

    `obj` and `ref` name what it was done to, by kind and random id. Raises `NotForTheLog` for
    anything that might be about a person, `OutsideTransaction` if there is no act it belongs to.
    """
    if not transaction.get_connection().in_atomic_block:
        raise OutsideTransaction("call record() inside the transaction of the act it tells of.")
    now = timezone.now()
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as exact as the bytes are
    entry = AuditEntry(
        id=uuid7(),
        action=words.action(action),
        actor=str(actor),
        object=words.word("obj", obj),
        ref=words.word("ref", str(ref), may_be_empty=True),
        at=now,
    )
    entry.entry = entry_bytes(
        entry,
        purpose=words.word("purpose", purpose, may_be_empty=True),
        result=words.word("result", result),
        facts=words.facts(facts or {}),
    )
    entry.leaf = leaf_hash(entry.entry)
    entry.save(force_insert=True)
    transaction.on_commit(partial(emit, entry.id, entry.leaf), robust=True)
    return entry


def entry_bytes(
    entry: AuditEntry, *, purpose: str, result: str, facts: dict[str, int | str | bool]
) -> bytes:
    """The bytes that the hash is made of; the columns beside them are for finding only."""
    return canonical(
        {
            "schema": SCHEMA,
            "id": entry.id,
            "at": entry.at,
            "action": entry.action,
            "actor": entry.actor,
            "object": entry.object,
            "ref": entry.ref,
            "purpose": purpose,
            "result": result,
            "facts": facts,
        }
    )
