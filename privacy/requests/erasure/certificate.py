"""The certificate: exact bytes that say what was erased, what stays, how long and why.

Not a word about who it was: counts, dates, names of tables and of laws. Its SHA-256 stands in the
audit log, so that anybody who holds the file can show that it is the one we issued.
"""

import json
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from privacy.access import Actor
from privacy.audit import canonical, record
from privacy.models import Certificate, Controller, Request, RequestStep
from privacy.requests.closing import finish
from privacy.requests.export.labels import value_text
from privacy.requests.print import pdf
from privacy.vault import token_hash

SCHEMA = "jawort/erasure-certificate/1"
# §§ 195, 199(1) BGB: three years, counted from the end of the year.
EVIDENCE_YEARS = 3
KEY_NAMES = {
    "ops": gettext_lazy("of daily work"),
    "evidence": gettext_lazy("of the proof of consent"),
}


@transaction.atomic
def issue(request: Request, actor: Actor) -> Certificate:
    """Write the certificate and close the request. Called again, it returns the one there is."""
    held = Request.objects.select_for_update().get(pk=request.pk)
    issued = Certificate.objects.filter(request=held).first()
    if issued:
        return issued
    steps = {step.name: step for step in held.steps.all()}
    now = timezone.now()
    body = canonical(content(held, steps, now))
    token = steps["recipients"].facts.get("token_hash")
    certificate = Certificate.objects.create(
        request=held,
        body=body,
        sha256=sha256(body).hexdigest(),
        token_hash=bytes.fromhex(token) if token else None,
        issued_at=now,
    )
    finish(held, Request.Outcome.FULFILLED, actor)
    facts: dict[str, int | str | bool] = {"sha256": certificate.sha256}
    record("erasure.certified", actor=actor, obj="request", ref=held.pk, facts=facts)
    return certificate


def content(request: Request, steps: dict[str, RequestStep], now: datetime) -> dict[str, Any]:
    """Only words of ours, counts and dates; `canonical` takes nothing else."""
    controller = Controller.objects.filter(pk=1).first()
    deleted, shredded, scanned = (steps[name].facts for name in ("delete", "shred", "scan"))
    return {
        "schema": SCHEMA,
        "number": request.number,
        "controller": controller.name if controller else "",
        "received_at": request.received_at,
        "issued_at": now,
        "steps": [
            {"name": step.name, "done_at": step.done_at}
            for step in steps.values()
            if step.done_at is not None
        ],
        "deleted": deleted.get("rows", {}),
        "packages_destroyed": steps["recipients"].facts.get("packages", 0),
        "recipients": steps["recipients"].facts.get("recipients", []),
        "keys_destroyed": ["ops"] if shredded["keep_evidence"] else ["ops", "evidence"],
        "kept": _kept(deleted, shredded, now.date()),
        "scan": {
            "forms": scanned["forms"],
            "places": scanned["places"],
            "residues": len(scanned["residues"]),
        },
    }


def read(certificate: Certificate) -> dict[str, Any]:
    """The content of the exact bytes."""
    found: dict[str, Any] = json.loads(bytes(certificate.body))
    return found


def by_token(token: str) -> Certificate | None:
    return Certificate.objects.filter(token_hash=token_hash("certificate", token)).first()


def is_on_its_way(token: str) -> bool:
    """Whether an erasure that will answer to this link has begun and is not yet certified."""
    hashed = token_hash("certificate", token).hex()
    return RequestStep.objects.filter(name="recipients", facts__token_hash=hashed).exists()


def end_of_evidence(ended: date) -> date:
    """31 December of the third year after the one in which consent ended."""
    return date(ended.year + EVIDENCE_YEARS, 12, 31)


def as_pdf(certificate: Certificate) -> bytes:
    return pdf("certificate", document(certificate))


def document(certificate: Certificate) -> dict[str, Any]:
    """The certificate in sentences, for page and PDF alike."""
    facts = read(certificate)
    return {
        "title": _("Certificate of erasure %(number)s") % {"number": facts["number"]},
        "publisher": facts["controller"],
        "footer": facts["controller"],
        "words": {"hash": _("SHA-256 of the exact certificate")},
        "sha256": certificate.sha256,
        "lead": [
            _("%(publisher)s has erased the personal data that this request was about.")
            % {"publisher": facts["controller"] or "Jawort"},
            _("Received: %(received)s · Certified: %(issued)s")
            % {
                "received": value_text(facts["received_at"]),
                "issued": value_text(facts["issued_at"]),
            },
        ],
        "sections": [
            _steps_section(facts),
            _deleted_section(facts),
            _kept_section(facts),
            _scan_section(facts),
            _recipients_section(facts),
        ],
    }


def _kept(deleted: dict[str, Any], shredded: dict[str, Any], today: date) -> list[dict[str, str]]:
    until = end_of_evidence(today).isoformat()
    kept = [{"what": "request_file", "until": until, "basis": "Art. 5(2), 17(3)(e) GDPR"}]
    if shredded["keep_evidence"]:
        kept.append({"what": "evidence", "until": until, "basis": "Art. 17(3)(e) GDPR"})
    if deleted.get("suppressed"):
        kept.append({"what": "suppression", "until": "", "basis": "Art. 21(3), 17(3)(b) GDPR"})
    kept.append({"what": "ledger", "until": until, "basis": "Art. 5(2) GDPR"})
    return kept


def _names() -> dict[str, str]:
    """Words for what the certificate names."""
    return {
        "block": _("Sending stopped at once"),
        "verify": _("Request proven, time to think again over"),
        "recipients": _("Exports and links cancelled, last message sent"),
        "delete": _("Rows and files deleted"),
        "shred": _("Keys destroyed; copies in backups cannot be read any more"),
        "scan": _("Searched everywhere, nothing found"),
        "request_file": _("The file of this request, without identifiers"),
        "evidence": _("Sealed proof of the consent that was given"),
        "suppression": _("A keyed hash that keeps the address from being imported again"),
        "Art. 5(2), 17(3)(e) GDPR": _("Art. 5(2), 17(3)(e) GDPR"),
        "Art. 17(3)(e) GDPR": _("Art. 17(3)(e) GDPR"),
        "Art. 21(3), 17(3)(b) GDPR": _("Art. 21(3), 17(3)(b) GDPR"),
        "Art. 5(2) GDPR": _("Art. 5(2) GDPR"),
        "apps": _("every app"),
        "tables": _("every table of the database"),
        "cache": _("the cache"),
        "exports": _("export packages"),
        "media": _("pictures"),
        "broker": _("the task queue"),
        "logs": _("the logs"),
        "ledger": _("Entries of the audit log and consent ledger, with random numbers only"),
    }


def name_of(word: str) -> str:
    return _names().get(word, word)


def _steps_section(facts: dict[str, Any]) -> dict[str, Any]:
    rows = [[name_of(step["name"]), value_text(step["done_at"])] for step in facts["steps"]]
    return _section(_("What was done"), [_("Step"), _("Done")], rows)


def _deleted_section(facts: dict[str, Any]) -> dict[str, Any]:
    rows = [[table, str(count)] for table, count in facts["deleted"].items()]
    keys = _("Destroyed keys: %(keys)s. Destroyed export packages: %(packages)s.") % {
        "keys": ", ".join(str(KEY_NAMES[key]) for key in facts["keys_destroyed"]),
        "packages": facts["packages_destroyed"],
    }
    return _section(_("What was deleted"), [_("Table"), _("Rows")], rows, [keys])


def _kept_section(facts: dict[str, Any]) -> dict[str, Any]:
    rows = [[name_of(item["what"]), _kept_text(item)] for item in facts["kept"]]
    return _section(_("What stays, how long and why"), [_("What"), _("Until, by law")], rows)


def _kept_text(item: dict[str, str]) -> str:
    if item["until"]:
        until = date_format(date.fromisoformat(item["until"]), "DATE_FORMAT")
    else:
        until = _("as long as it is needed, reviewed every 3 years")
    return f"{until} · {name_of(item['basis'])}"


def _scan_section(facts: dict[str, Any]) -> dict[str, Any]:
    sentence = _(
        "%(forms)s spellings of the identifiers were looked for in: %(places)s."
        " Found: %(residues)s."
    ) % {
        "forms": facts["scan"]["forms"],
        "places": ", ".join(map(name_of, facts["scan"]["places"])),
        "residues": facts["scan"]["residues"],
    }
    return _section(_("Verification"), [], [], [sentence])


def _recipients_section(facts: dict[str, Any]) -> dict[str, Any]:
    rows = [[name, ""] for name in facts["recipients"]]
    text = [] if rows else [_("Nobody but us.")]
    return _section(_("Who had received the data"), [_("Name"), ""], rows, text)


def _section(
    title: str, head: list[str], rows: list[list[str]], text: list[str] | None = None
) -> dict[str, Any]:
    return {"title": title, "head": head, "rows": rows, "text": text or []}
