"""What the verification scan looks for: a person's identifiers, kept sealed until it is done.

They have to outlive the rows, so they are collected first and sealed under a key of their own, the
key of a made-up person. The scan destroys that key when it is done.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.db import transaction

from privacy.models import DataSubject, RequestStep
from privacy.requests.erasure.spellings import Identifier, forms
from privacy.vault import KeyRing, Where, new_subject, seal, shred_all

__all__ = ["Sought", "forget", "forms", "keep", "kept", "kept_of"]


@dataclass(frozen=True)
class Sought:
    """Of one person: what reaches them, and the random numbers of their rows."""

    identifiers: list[Identifier]
    rows: list[UUID]


@transaction.atomic
def keep(step: RequestStep, identifiers: list[Identifier], rows: Sequence[UUID] = ()) -> None:
    """Seal what the step will need. Done once: a second call changes nothing."""
    held = RequestStep.objects.select_for_update().get(pk=step.pk)
    if held.sealed:
        return
    keeper = new_subject()
    plain = json.dumps({"identifiers": identifiers, "rows": [str(row) for row in rows]})
    held.sealed = seal(keeper, "ops", _where(held), plain.encode())
    held.facts = {**held.facts, "keeper": str(keeper)}
    held.save(update_fields=["sealed", "facts"])


def kept(step: RequestStep) -> Sought:
    return kept_of([step])[step.pk]


def kept_of(steps: Sequence[RequestStep]) -> dict[int, Sought]:
    """What each step looks for, opened with one query for all keys."""
    keepers = {step.pk: UUID(step.facts["keeper"]) for step in steps}
    ring = KeyRing.load(keepers.values(), "ops")
    found = {}
    for step in steps:
        assert step.sealed
        plain = json.loads(ring.open(keepers[step.pk], _where(step), bytes(step.sealed)))
        identifiers = [(kind, canonical) for kind, canonical in plain["identifiers"]]
        found[step.pk] = Sought(identifiers, [UUID(row) for row in plain["rows"]])
    return found


def forget(step: RequestStep) -> None:
    """Destroy what was kept: bytes and made-up person now, the key once that is committed.

    Killed in between, the key is an orphan and goes with the next sweep of keys.
    """
    keeper = UUID(step.facts.pop("keeper"))
    step.sealed = None
    step.save(update_fields=["sealed", "facts"])
    DataSubject.objects.filter(pk=keeper).delete()
    transaction.on_commit(partial(shred_all, keeper))


def _where(step: RequestStep) -> Where:
    return Where("privacy_requeststep", "sealed", step.pk)
