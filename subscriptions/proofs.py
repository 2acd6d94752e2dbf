"""What the DPO's desk shows of the consent ledger: a person's yes and no, and the proof of each."""

import json
from typing import Any
from uuid import UUID

from messengers.addresses import reveal
from messengers.models import Address
from privacy.vault import KeyDestroyed, Where, open_sealed
from subscriptions import consent as ledger
from subscriptions.models import ConsentRecord, Evidence, Newsletter, Wording

OPENINGS = ("r1", "r2", "r3")


def consent(subject: UUID) -> list[dict[str, Any]]:
    """Every change of consent of the person, with the wording that was shown."""
    records = list(ConsentRecord.objects.filter(subject=subject).order_by("at", "id"))
    newsletters = Newsletter.objects.in_bulk({one.newsletter for one in records})
    wordings = Wording.objects.in_bulk({one.wording for one in records if one.wording})
    return [
        {
            "record": one.pk,
            "at": one.at,
            "state": one.state,
            "newsletter": newsletters[one.newsletter].name if one.newsletter in newsletters else "",
            "method": json.loads(bytes(one.entry))["method"],
            "wording": wordings[one.wording].text if one.wording in wordings else "",
            "leaf": bytes(one.leaf).hex(),
        }
        for one in records
    ]


def prove(subject: UUID, record: UUID) -> dict[str, Any] | None:
    """One record of the person with its evidence, openings and checked commitments.

    None if it is not theirs, or if its evidence is destroyed. `unchecked` names the commitment to
    the address when no address of the person is stored any more.
    """
    one = ConsentRecord.objects.filter(pk=record, subject=subject).first()
    evidence = Evidence.objects.filter(record=record).first()
    if one is None or evidence is None:
        return None
    place = Where("subscriptions_evidence", "sealed", one.pk)
    try:
        opened = json.loads(open_sealed(subject, "evidence", place, bytes(evidence.sealed)))
    except KeyDestroyed:
        return None
    proof, is_identity_checked = _checked(one)
    wording = Wording.objects.filter(pk=one.wording).first()
    return {
        "entry": bytes(one.entry).decode(),
        "leaf": bytes(one.leaf).hex(),
        "state": one.state,
        "wording": wording.text if wording else "",
        "evidence": proof.evidence,
        "openings": {name: opened[name] for name in OPENINGS},
        "faults": [name for name in proof.faults if name != "c_identity" or is_identity_checked],
        "unchecked": [] if is_identity_checked else ["c_identity"],
    }


def _checked(one: ConsentRecord) -> tuple[ledger.Proof, bool]:
    """The proof against whichever address of the person fits, and whether there was one to try."""
    kind = json.loads(bytes(one.entry))["channel"]
    addresses = Address.objects.filter(subject=one.subject, channel__kind=kind)
    known = [reveal(address) for address in addresses.select_related("channel")]
    proofs = [ledger.prove(one, channel_kind=kind, address=address) for address in known or [""]]
    return min(proofs, key=lambda proof: len(proof.faults)), bool(known)
