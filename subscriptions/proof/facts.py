"""All that is known about one consent record, gathered once for package, paper, page and receipt.

Nothing here fails because something is missing: evidence may be erased, an address gone, an entry
pruned to its hash, an index not given yet. Whoever shows the facts says so.
"""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from messengers.addresses import reveal
from messengers.models import Address, Channel
from privacy.audit import InclusionProof, Log, proof_of
from privacy.models import Controller
from privacy.vault import KeyDestroyed
from subscriptions.consent import commit_identity, open_evidence
from subscriptions.models import ConsentRecord, Newsletter, Notice, Subscription, Wording

CUSTOMER = "existing_customer"  # what the ledger calls the way in of somebody who bought something
YES = (ConsentRecord.State.GIVEN, ConsentRecord.State.RENEWED)


@dataclass(frozen=True)
class Facts:
    """One record, opened as far as it can be opened."""

    record: ConsentRecord
    openings: dict[str, str] | None = field(repr=False)  # r1, r2, r3, evidence; None once erased
    address: str | None = field(repr=False)  # as its adapter spells it; None if none is stored
    newsletter: Newsletter | None
    wording: Wording | None
    notice: Notice | None
    channel: Channel | None
    controller: Controller | None
    legal_basis: str
    inclusion: InclusionProof | None  # None while no checkpoint covers the record

    @property
    def raw(self) -> bytes:
        """The exact bytes; empty once they were pruned after their term."""
        return bytes(self.record.entry)

    @property
    def leaf(self) -> str:
        return bytes(self.record.leaf).hex()

    @property
    def entry(self) -> dict[str, Any]:
        entry: dict[str, Any] = json.loads(self.raw) if self.raw else {}
        return entry

    @property
    def evidence(self) -> dict[str, Any]:
        """Request and answer, with their times and ids; empty once erased."""
        opened: dict[str, Any] = json.loads(self.openings["evidence"]) if self.openings else {}
        return opened

    @property
    def is_customer(self) -> bool:
        """Whether it stands for an existing customer (§ 7(3) UWG), who has agreed to nothing."""
        return self.entry.get("method") == CUSTOMER

    @property
    def coupled_offer(self) -> dict[str, Any]:
        """What was given for the consent: text, and when an officer decided it; mostly nothing."""
        told: dict[str, Any] = self.evidence.get("coupled_offer") or {}
        return told

    @property
    def age_limit(self) -> int | None:
        """The age that the person said to have reached, where one was asked for."""
        told = self.evidence.get("age_declared") or {}
        return int(told["limit"]) if told.get("limit") else None

    @property
    def language(self) -> str:
        return self.wording.language if self.wording else "de"


def facts_of(record: ConsentRecord) -> Facts:
    """Gather them; three queries more than the record, and one look into the ledger."""
    try:
        openings = open_evidence(record)
    except KeyDestroyed:
        openings = None
    entry = json.loads(bytes(record.entry)) if record.entry else {}
    known = _addresses(record.subject, entry.get("channel", ""))
    named = Wording.objects.select_related("notice").filter(pk=record.wording).first()
    return Facts(
        record=record,
        openings=openings,
        address=_fitting(known, entry, openings),
        newsletter=Newsletter.objects.filter(pk=record.newsletter).first(),
        wording=named,
        notice=named.notice if named else None,
        channel=known[0].channel if known else None,
        controller=Controller.objects.first(),
        legal_basis=_legal_basis(record, entry.get("method", "")),
        inclusion=proof_of(Log.CONSENT, record.pk),
    )


def _legal_basis(record: ConsentRecord, method: str) -> str:
    """What the record says; else what the subscription rests on, and consent where it is gone."""
    if method == CUSTOMER:
        return Subscription.LegalBasis.EXISTING_CUSTOMER
    if record.subscription is None or record.state in YES:
        return Subscription.LegalBasis.CONSENT
    found = Subscription.objects.filter(pk=record.subscription).first()
    return found.legal_basis if found else Subscription.LegalBasis.CONSENT


def _addresses(subject: UUID, kind: str) -> list[Address]:
    rows = Address.objects.filter(subject=subject, channel__kind=kind)
    return list(rows.select_related("channel").order_by("pk"))


def _fitting(
    known: list[Address], entry: dict[str, Any], openings: dict[str, str] | None
) -> str | None:
    """The address that the record commits to; else whichever is stored, for the page to doubt."""
    spelled = [reveal(address) for address in known]
    if openings and entry:
        secret = bytes.fromhex(openings["r2"])
        for one in spelled:
            if commit_identity(secret, entry["channel"], one) == entry["c_identity"]:
                return one
    return spelled[0] if spelled else None
