"""The consent ledger: what somebody agreed to or took back, as exact bytes that only grow.

An entry holds commitments instead of identities: HMACs under fresh random keys that lie only in the
sealed evidence. With the evidence, everything can be shown to be true; once its key is destroyed,
nobody can test a guessed number against the entry, not even we.
"""

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from messengers.addresses import reveal
from messengers.models import Address
from privacy.access import Actor
from privacy.audit import canonical, record
from privacy.audit.tree import leaf_hash
from privacy.ids import uuid7
from privacy.vault import KeyDestroyed, KeyRing, Where, open_sealed, seal
from subscriptions.models import ConsentRecord, Evidence, Wording

SCHEMA = "jawort-consent/1"
PURPOSE = "news"  # the one purpose people are asked for; another one needs another question
SECRET_BYTES = 32
State = ConsentRecord.State
# What the audit log calls each change.
ACTIONS = {
    State.REQUESTED: "consent.requested",
    State.GIVEN: "consent.given",
    State.RENEWED: "consent.renewed",
    State.WITHDRAWN: "consent.withdrawn",
    State.EXPIRED: "consent.expired",
    State.INVALIDATED: "consent.invalidated",
    State.OBJECTED: "consent.objected",
    State.REFUSED: "consent.refused",
}


@dataclass(frozen=True)
class Change:
    """One change of consent, before it is written. `evidence` is JSON-able and goes in sealed."""

    subject: UUID
    subscription: UUID
    newsletter: UUID
    channel_kind: str
    canonical: str = field(repr=False)  # the address as its adapter spells it
    state: ConsentRecord.State
    method: str
    at: datetime
    wording: str = ""  # hash of the text shown; "" where none was (withdrawals, old lists)
    notice: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict, repr=False)


def change_of(
    address: Address,
    *,
    subscription: UUID,
    newsletter: UUID,
    state: ConsentRecord.State,
    method: str,
    at: datetime,
    evidence: Mapping[str, Any],
    wording: Wording | None = None,
) -> Change:
    """A change by the holder of `address`."""
    return Change(
        subject=address.subject,
        subscription=subscription,
        newsletter=newsletter,
        channel_kind=address.channel.kind,
        canonical=reveal(address),
        state=state,
        method=method,
        at=at,
        wording=wording.pk if wording else "",
        notice=wording.notice_id if wording else "",
        evidence=evidence,
    )


def record_consent(change: Change, *, actor: Actor) -> ConsentRecord:
    """Write record, sealed evidence and audit entry into the caller's transaction."""
    made, openings = prepare(change)
    made.save(force_insert=True)
    Evidence.objects.create(
        record=made,
        subject=change.subject,
        sealed=seal(change.subject, "evidence", _where(made.pk), openings),
    )
    record(
        ACTIONS[change.state],
        actor=actor,
        obj="subscription",
        ref=change.subscription,
        facts={"method": change.method, "record": str(made.pk)},
    )
    return made


def prepare(change: Change) -> tuple[ConsentRecord, bytes]:
    """The unsaved record, and the canonical bytes to seal as its evidence."""
    record_id = uuid7()
    r1, r2, r3 = (secrets.token_bytes(SECRET_BYTES) for _ in range(3))
    evidence = canonical(dict(change.evidence))
    entry = canonical(
        {
            "schema": SCHEMA,
            "id": record_id,
            "state": str(change.state),
            "purpose": PURPOSE,
            "channel": change.channel_kind,
            "list": change.newsletter,
            "method": change.method,
            "wording_id": change.wording,
            "notice_id": change.notice,
            "time": change.at,
            "c_subject": commit_subject(r1, change.subject),
            "c_identity": commit_identity(r2, change.channel_kind, change.canonical),
            "c_evidence": commit_evidence(r3, evidence),
            "blind": secrets.token_hex(SECRET_BYTES),
        }
    )
    made = ConsentRecord(
        id=record_id,
        subject=change.subject,
        subscription=change.subscription,
        newsletter=change.newsletter,
        state=change.state,
        wording=change.wording,
        at=change.at,
        entry=entry,
        leaf=leaf_hash(entry),
    )
    openings = {"r1": r1.hex(), "r2": r2.hex(), "r3": r3.hex(), "evidence": evidence.decode()}
    return made, canonical(openings)


def commit_subject(r1: bytes, subject: UUID) -> str:
    return hmac.digest(r1, str(subject).encode(), "sha256").hex()


def commit_identity(r2: bytes, channel_kind: str, address: str) -> str:
    return hmac.digest(r2, f"{channel_kind}|{address}".encode(), "sha256").hex()


def commit_evidence(r3: bytes, evidence: bytes) -> str:
    return sha256(r3 + evidence).hexdigest()


@dataclass(frozen=True)
class Proof:
    """A record with its evidence opened; `faults` is empty if everything fits together."""

    entry: dict[str, Any]
    evidence: dict[str, Any] = field(repr=False)
    faults: tuple[str, ...]


def prove(one: ConsentRecord, *, channel_kind: str, address: str) -> Proof:
    """Open a record's evidence and check every commitment against it.

    Raises `KeyDestroyed` once the evidence is erased.
    """
    openings = open_evidence(one)
    entry = json.loads(bytes(one.entry))
    r1, r2, r3 = (bytes.fromhex(openings[name]) for name in ("r1", "r2", "r3"))
    body = openings["evidence"].encode()
    expected = {
        "c_subject": commit_subject(r1, one.subject),
        "c_identity": commit_identity(r2, channel_kind, address),
        "c_evidence": commit_evidence(r3, body),
    }
    faults = [name for name, value in expected.items() if entry[name] != value]
    if leaf_hash(bytes(one.entry)) != bytes(one.leaf):
        faults.append("leaf")
    return Proof(entry, json.loads(body), tuple(faults))


def open_evidence(one: ConsentRecord) -> dict[str, str]:
    """`r1`, `r2`, `r3` in hex and `evidence` as canonical JSON: what the commitments open to.

    Raises `KeyDestroyed` once the evidence, or the key of it, is erased.
    """
    row = Evidence.objects.filter(record=one).first()
    if row is None:
        raise KeyDestroyed("the evidence of this record was erased.")
    openings: dict[str, str] = json.loads(
        open_sealed(one.subject, "evidence", _where(one.pk), bytes(row.sealed))
    )
    return openings


def opened_evidence(subject: UUID) -> dict[UUID, dict[str, Any]]:
    """All evidence about a person, opened, by record; for exports. Without what is shredded."""
    ring = KeyRing.load([subject], "evidence")
    if not ring.has(subject):
        return {}
    rows = Evidence.objects.filter(subject=subject)
    return {
        row.pk: json.loads(
            json.loads(ring.open(subject, _where(row.pk), bytes(row.sealed)))["evidence"]
        )
        for row in rows
    }


def seal_many(ring: KeyRing, pairs: list[tuple[ConsentRecord, bytes]]) -> list[Evidence]:
    """Unsaved evidence of many records, sealed under the ring's keys."""
    return [
        Evidence(
            record=made,
            subject=made.subject,
            sealed=ring.seal(made.subject, _where(made.pk), openings),
        )
        for made, openings in pairs
    ]


def _where(record_id: UUID) -> Where:
    return Where("subscriptions_evidence", "sealed", record_id)
