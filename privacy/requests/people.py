"""Looking at one person: masked for whoever may see people at all, open only with a purpose."""

from typing import Any
from uuid import UUID

from django.db import transaction

from privacy.access import Actor, require
from privacy.audit import record
from privacy.requests.export.collect import plain
from privacy.requests.purposes import Purpose
from privacy.requests.verbs import (
    consent_of,
    export_everywhere,
    find_everywhere,
    prove_everywhere,
)


@transaction.atomic
def find_person(*, typed: str, purpose: str, actor: Actor) -> list[UUID]:
    """Whoever has this identifier; the look-up is logged for each of them, what was typed is
    not.
    """
    require(actor, "person.read")
    found = sorted(find_everywhere(typed.strip()))
    for subject in found:
        record("person.found", actor=actor, obj="person", ref=subject, purpose=Purpose(purpose))
    if not found:
        record("person.not_found", actor=actor, obj="person", ref="", purpose=Purpose(purpose))
    return found


@transaction.atomic
def open_person(*, subject: UUID, purpose: str, actor: Actor) -> None:
    """Write down that `actor` looks at this person now, and what for."""
    require(actor, "person.read")
    record("person.read", actor=actor, obj="person", ref=subject, purpose=Purpose(purpose))


def opened_person(subject: UUID) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """All that is stored, in clear; only after `open_person`."""
    data: dict[str, dict[str, list[dict[str, Any]]]] = plain(export_everywhere(subject))
    return data


def consent_timeline(subject: UUID) -> list[dict[str, Any]]:
    """Every yes and no of the person, newest first."""
    return sorted(plain(consent_of(subject)), key=lambda row: str(row["at"]), reverse=True)


@transaction.atomic
def read_proof(
    *, subject: UUID, consent: UUID, purpose: str, actor: Actor
) -> dict[str, Any] | None:
    """One consent record with its evidence and its commitments checked; None if it is not
    theirs.
    """
    require(actor, "person.read")
    proof = prove_everywhere(subject, consent)
    if proof is not None:
        facts: dict[str, int | str | bool] = {"record": str(consent)}
        record(
            "consent.read",
            actor=actor,
            obj="person",
            ref=subject,
            purpose=Purpose(purpose),
            facts=facts,
        )
    return proof
