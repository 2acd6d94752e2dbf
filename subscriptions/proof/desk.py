"""What the DPO's desk shows of the consent ledger: a person's yes and no, and the proof of each."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from messengers.registry import ADAPTERS
from subscriptions.models import ConsentRecord, Newsletter, Wording
from subscriptions.proof import bundle, dpv
from subscriptions.proof.facts import Facts, facts_of
from subscriptions.proof.receipts import encoded, signed
from subscriptions.proof.verify import Finding, verify

OPENINGS = ("r1", "r2", "r3")
# What `verify` calls a check, and what the record calls the commitment behind it.
COMMITMENTS = {
    "person": "c_subject",
    "address": "c_identity",
    "evidence": "c_evidence",
    "entry": "leaf",
}


# How something was said, for people.
METHODS = {
    "keyword": _("by a word in the chat"),
    "button": _("by a button in the chat"),
    "reply": _("by an answer in the chat"),
    "link": _("by the button behind the link"),
    "web": _("on the web page"),
    "web_form": _("by the form on the web"),
    "import": _("on an imported list"),
    "existing_customer": _("on an imported list of customers, § 7(3) UWG"),
    "request": _("by a request about their data"),
    "unused": _("because it was not used for too long"),
}


def consent(subject: UUID) -> list[dict[str, Any]]:
    """Every change of consent of the person, with the wording that was shown."""
    records = list(ConsentRecord.objects.filter(subject=subject).order_by("at", "id"))
    newsletters = Newsletter.objects.in_bulk({one.newsletter for one in records})
    wordings = Wording.objects.in_bulk({one.wording for one in records if one.wording})
    return [
        _change(one, newsletters.get(one.newsletter), wordings.get(one.wording)) for one in records
    ]


def _change(
    one: ConsentRecord, newsletter: Newsletter | None, wording: Wording | None
) -> dict[str, Any]:
    """One change. Entries past their term have no bytes any more, so no method or channel."""
    entry = json.loads(bytes(one.entry)) if one.entry else {"method": "", "channel": ""}
    adapter = ADAPTERS.get(entry["channel"])
    return {
        "record": one.pk,
        "at": one.at,
        "state": one.state,
        "newsletter": newsletter.name if newsletter else "",
        "method": str(METHODS.get(entry["method"], entry["method"])),
        "channel": str(adapter.label) if adapter else entry["channel"],
        "wording": wording.text if wording else "",
        "notice_url": reverse("notice", args=[wording.notice_id]) if wording else "",
        "leaf": bytes(one.leaf).hex(),
    }


def prove(subject: UUID, record: UUID) -> dict[str, Any] | None:
    """One record of the person with its evidence, openings and everything checked.

    None if it is not theirs, or if its evidence is destroyed. `unchecked` names the commitment to
    the address when no address of the person is stored any more.
    """
    facts = _facts(subject, record)
    if facts is None or facts.openings is None:
        return None
    found = verify(bundle.checkable(facts))
    return {
        "entry": facts.raw.decode(),
        "leaf": facts.leaf,
        "state": facts.record.state,
        "wording": facts.wording.text if facts.wording else "",
        "evidence": facts.evidence,
        "openings": {name: facts.openings[name] for name in OPENINGS},
        "faults": _named(found, "fails"),
        "unchecked": _named(found, "open"),
        "findings": [_shown(one) for one in found],
        "logged": facts.inclusion is not None,
    }


def proof_file(subject: UUID, record: UUID | None, form: str) -> bytes | None:
    """One record of the person to take along; None if it is not theirs.

    `form`: zip, pdf, jsonld (TS 27560 record) or jws (the receipt), in the active language.
    Without a record: all of them as one JSON-LD graph.
    """
    if record is None:
        rows = ConsentRecord.objects.filter(subject=subject).order_by("id")
        return encoded(dpv.records_of([facts_of(one) for one in rows]), pretty=True)
    facts = _facts(subject, record)
    return FORMS[form](facts) if facts else None


def _zip(facts: Facts) -> bytes:
    return bundle.package(facts.record, _language())


def _pdf(facts: Facts) -> bytes:
    return bundle.pdf(facts.record, _language())


def _jsonld(facts: Facts) -> bytes:
    return encoded(dpv.record_of(facts), pretty=True)


def _jws(facts: Facts) -> bytes:
    return signed(facts).encode()


FORMS: dict[str, Callable[[Facts], bytes]] = {
    "zip": _zip, "pdf": _pdf, "jsonld": _jsonld, "jws": _jws,
}  # fmt: skip


def _facts(subject: UUID, record: UUID) -> Facts | None:
    one = ConsentRecord.objects.filter(pk=record, subject=subject).first()
    return facts_of(one) if one else None


def _named(found: list[Finding], state: str) -> list[str]:
    names = {one.check for one in found if one.state == state}
    return [COMMITMENTS.get(name, name) for name in sorted(names)]


def _shown(finding: Finding) -> dict[str, str]:
    return {"state": finding.state, "text": finding.text(_language())}


def _language() -> str:
    return "en" if (get_language() or "de").startswith("en") else "de"
