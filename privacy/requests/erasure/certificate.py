"""The certificate: exact bytes that say what was erased, what stays, how long and why.

Not a word about who it was: counts, dates, names of tables and of laws. Its SHA-256 stands in the
audit log, so that anybody who holds the file can show that it is the one we issued.
"""

import json
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from privacy import inventory
from privacy.access import Actor
from privacy.audit import canonical, record
from privacy.inventory import Erase
from privacy.models import Certificate, Controller, Request, RequestStep
from privacy.requests.closing import finish
from privacy.requests.erasure.holds import kept_by
from privacy.requests.export.labels import value_text
from privacy.requests.export.words import CLASSES
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
    rows: dict[str, int] = deleted.get("rows", {})
    return {
        "schema": SCHEMA,
        "number": request.number,
        "controller": controller.name if controller else "",
        "received_at": request.received_at,
        "issued_at": now,
        "decided": _decision(steps["block"]),
        "steps": [
            {"name": step.name, "done_at": step.done_at}
            for step in steps.values()
            if step.done_at is not None
        ],
        "deleted": rows,
        "deleted_by_class": by_class(rows),
        "packages_destroyed": steps["recipients"].facts.get("packages", 0),
        "recipients": steps["recipients"].facts.get("recipients", []),
        "keys_destroyed": ["ops"] if shredded["keep_evidence"] else ["ops", "evidence"],
        "kept": _kept(deleted, shredded, now.date()),
        "holds": kept_by(request.subject) if request.subject else [],
        "scan": {
            "forms": scanned["forms"],
            "places": scanned["places"],
            "bytes": scanned["bytes"],
            "cleared": scanned.get("cleared", 0),
            "residues": len(scanned["residues"]),
            "done_at": datetime.fromisoformat(scanned["scanned_at"]),
        },
    }


def _decision(step: RequestStep) -> dict[str, Any]:
    """Who decided, as a word for their kind, and when."""
    decided = step.facts.get("decided")
    if not decided:
        return {}
    return {"by": decided["by"], "at": datetime.fromisoformat(decided["at"])}


def by_class(rows: dict[str, int]) -> dict[str, int]:
    """Counts by class of data, as the rules of retention name them."""
    class_of: dict[str, str] = {}
    for app in inventory.apps():
        for name, field in inventory.personal_fields(app):
            if field.erase in (Erase.ROW, Erase.CLEAR):
                class_of.setdefault(f"{app.app}.{name.split('.')[0]}", field.retention)
    counts: dict[str, int] = {}
    for table, count in rows.items():
        known = class_of.get(table, "other")
        counts[known] = counts.get(known, 0) + count
    return dict(sorted(counts.items()))


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
            *_decided(facts["decided"]),
        ],
        "sections": [
            _steps_section(facts),
            _deleted_section(facts),
            _holds_section(facts),
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
        "index": _("the blind indexes"),
        "tables": _("every table of the database"),
        "keystore": _("every table of the database of keys"),
        "sealed": _("what the key of the house opens"),
        "sessions": _("sessions"),
        "cache": _("the cache"),
        "exports": _("export packages"),
        "media": _("pictures"),
        "broker": _("the task queue"),
        "queue": _("the task queue"),
        "results": _("results of tasks"),
        "logs": _("the logs"),
        "var": _("files made at run time"),
        "ledger": _("Entries of the audit log and consent ledger, with random numbers only"),
    }


def name_of(word: str) -> str:
    return _names().get(word, word)


def _steps_section(facts: dict[str, Any]) -> dict[str, Any]:
    rows = [[name_of(step["name"]), value_text(step["done_at"])] for step in facts["steps"]]
    return _section(_("What was done"), [_("Step"), _("Done")], rows)


def _decided(decided: dict[str, str]) -> list[str]:
    """Who: by their office. Nobody is erased because a program says so."""
    if not decided:
        return []
    who = {
        "staff": _("the data-protection officer"),
        "token": _("the data-protection officer, by a program of theirs"),
    }.get(decided["by"], _("the house itself"))
    facts = {"who": who, "at": value_text(decided["at"])}
    return [_("Decided by: %(who)s, %(at)s") % facts]


def _deleted_section(facts: dict[str, Any]) -> dict[str, Any]:
    rows = [[str(CLASSES.get(k, _("Other"))), str(n)] for k, n in facts["deleted_by_class"].items()]
    tables = ", ".join(f"{table} {count}" for table, count in facts["deleted"].items())
    keys = _("Destroyed keys: %(keys)s. Destroyed export packages: %(packages)s.") % {
        "keys": ", ".join(str(KEY_NAMES[key]) for key in facts["keys_destroyed"]),
        "packages": facts["packages_destroyed"],
    }
    by_table = _("Rows by table: %(tables)s.") % {"tables": tables or "0"}
    return _section(_("What was deleted"), [_("Class of data"), _("Rows")], rows, [keys, by_table])


def _holds_section(facts: dict[str, Any]) -> dict[str, Any]:
    """Only what stays anyway can be held here: any other hold makes the erasure wait."""
    rows = [
        [
            str(CLASSES.get(hold["class"], hold["class"])),
            _("since %(since)s, looked at again on %(review)s")
            % {"since": _day(hold["since"]), "review": _day(hold["review_at"])},
        ]
        for hold in facts["holds"]
    ]
    text = [] if rows else [_("None.")]
    return _section(_("Legal holds"), [_("Class of data"), _("Held")], rows, text)


def _kept_section(facts: dict[str, Any]) -> dict[str, Any]:
    rows = [[name_of(item["what"]), _kept_text(item)] for item in facts["kept"]]
    return _section(_("What stays, how long and why"), [_("What"), _("Until, by law")], rows)


def _kept_text(item: dict[str, str]) -> str:
    if item["until"]:
        until = _day(item["until"])
    else:
        until = _("as long as it is needed, reviewed every 3 years")
    return f"{until} · {name_of(item['basis'])}"


def _day(text: str) -> str:
    return date_format(date.fromisoformat(text), "DATE_FORMAT")


def _scan_section(facts: dict[str, Any]) -> dict[str, Any]:
    scan = facts["scan"]
    sentence = _(
        "%(forms)s spellings of the identifiers were looked for in: %(places)s."
        " Read: %(size)s. Found: %(residues)s."
    ) % {
        "forms": scan["forms"],
        "places": ", ".join(map(name_of, scan["places"])),
        "size": filesizeformat(scan["bytes"]),
        "residues": scan["residues"],
    }
    cleared = _("Removed from queue and cache on the way: %(count)s.") % {"count": scan["cleared"]}
    text = [sentence, cleared] if scan["cleared"] else [sentence]
    return _section(_("Verification"), [], [], text)


def _recipients_section(facts: dict[str, Any]) -> dict[str, Any]:
    rows = [[name, ""] for name in facts["recipients"]]
    text = [] if rows else [_("Nobody but us.")]
    return _section(_("Who had received the data"), [_("Name"), ""], rows, text)


def _section(
    title: str, head: list[str], rows: list[list[str]], text: list[str] | None = None
) -> dict[str, Any]:
    return {"title": title, "head": head, "rows": rows, "text": text or []}
