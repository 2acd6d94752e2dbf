"""Everything that Art. 15 GDPR asks for, gathered from every app into one plain structure."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from privacy import inventory, suppression
from privacy.audit.canonical import timestamp
from privacy.models import (
    Certificate,
    Controller,
    DataSubject,
    ExportPackage,
    RecipientNotice,
    Request,
    RetentionRule,
    Suppression,
)
from privacy.requests.export.breaches import breaches_of
from privacy.requests.export.language import language_of
from privacy.requests.export.lookups import lookups_of
from privacy.requests.export.transfers import transfers_of
from privacy.requests.notes import notes_of
from privacy.requests.recipients import reply_of
from privacy.requests.rights import history_of
from privacy.requests.verbs import (
    export_everywhere,
    identifiers_of,
    portable_of,
    recipients_of,
)
from privacy.retention import holds
from privacy.retention.rules import NoTerm, rules_on, term_of, zone

SCHEMA = "jawort/subject-export/1"
Rows = list[dict[str, Any]]


def collect(request: Request) -> dict[str, Any]:
    """The whole answer as JSON-able data; its shape is `schema/subject-export-1.json`."""
    assert request.subject
    stored = plain(export_everywhere(request.subject))
    return {
        "schema": SCHEMA,
        "generated_at": timestamp(timezone.now()),
        "request": _request(request),
        "controller": _controller(),
        "subject": str(request.subject),
        "person": _person(request.subject),
        "data": stored,
        "fields": fields(),
        "recipients": recipients_of(request.subject),
        "transfers": transfers_of(request.subject),
        "recipients_told": _notices(request.subject),
        "sources": _sources(),
        "retention": _retention(),
        "suppression": _suppression(request.subject),
        "holds": _holds(request.subject),
        "breaches": breaches_of(request.subject, language_of({"data": stored})),
        "lookups": lookups_of(request.subject),
        "requests": [_request(other) for other in _requests_of(request.subject)],
        "portable": plain(portable_of(request.subject)),
        "redactions": 0,
        "rights": _rights(),
    }


def plain(value: Any) -> Any:
    """`value` with times, ids and numbers written as JSON can carry them."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return timestamp(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value.isoformat() if isinstance(value, date) else str(value)


def fields() -> Rows:
    """What kinds of data are kept at all, and for what: the inventory of every app."""
    return [
        {
            "app": app.app,
            "field": name,
            "class": str(field.klass),
            "purpose": str(field.purpose),
            "retention": str(field.retention),
        }
        for app in inventory.apps()
        for name, field in inventory.personal_fields(app)
        if field.export
    ]


def _request(request: Request) -> dict[str, Any]:
    return {
        "number": request.number,
        "kind": request.kind,
        "received_at": timestamp(request.received_at),
        "due_at": timestamp(request.due_at),
        "outcome": request.outcome,
        "origin": request.origin,
        "status": request.status,
        "extended_at": timestamp(request.extended_at) if request.extended_at else "",
        "closed_at": timestamp(request.closed_at) if request.closed_at else "",
        "is_verified": request.is_verified,
        "paused_days": request.paused_days,
        "steps": [
            {"step": step.name, "done_at": timestamp(step.done_at) if step.done_at else ""}
            for step in request.steps.all()
        ],
        "remarks": [plain(asdict(note)) for note in notes_of(request)],
        "corrections": plain(history_of(request)),
        "certificate": _certificate(request),
        "packages": [_package(one) for one in request.packages.order_by("created_at")],
    }


def _person(subject: UUID) -> dict[str, str]:
    """What the house knows of the number itself."""
    row = DataSubject.objects.filter(pk=subject).first()
    if row is None:
        return {}
    return {"status": str(row.status), "known_since": timestamp(row.created_at)}


def _certificate(request: Request) -> str:
    found = Certificate.objects.filter(request=request).first()
    return found.sha256 if found else ""


def _package(package: ExportPackage) -> dict[str, Any]:
    done = package.downloaded_at
    return {
        "made_at": timestamp(package.created_at),
        "downloaded_at": timestamp(done) if done else "",
        "sha256": package.sha256,
    }


def _requests_of(subject: UUID) -> list[Request]:
    return list(Request.objects.filter(subject=subject).order_by("received_at"))


def _controller() -> dict[str, str]:
    controller = Controller.objects.filter(pk=1).first()
    if controller is None:
        return {}
    names = ("name", "address", "email", "imprint_url", "dpo_contact", "authority")
    return {name: getattr(controller, name) for name in names}


def _retention() -> Rows:
    """The rule of each class that holds today."""
    return [
        {
            "class": rule.data_class,
            "starts_with": _(rule.starts_with),
            "days": rule.period.days if rule.period is not None else None,
            "months": rule.months,
            "years_to_year_end": rule.years_to_year_end,
            "until": _until(rule),
            "action": rule.action,
            "legal_basis": _(rule.legal_basis),
        }
        for rule in rules_on(timezone.now().date())
    ]


def _until(rule: RetentionRule) -> str:
    """Until when something stays whose time began today; empty: as long as its purpose."""
    try:
        return term_of(rule).ends_at(timezone.now(), zone()).astimezone(zone()).date().isoformat()
    except NoTerm:
        return ""


def _holds(subject: UUID) -> Rows:
    """What has to stay although its time may be over (Art. 17(3)(e)); not what the claim is."""
    return [
        {
            "class": hold.data_class or "",
            "since": timestamp(hold.since),
            "review_at": plain(hold.review_at),
        }
        for hold in holds.of(subject)
    ]


def _notices(subject: UUID) -> Rows:
    """Which recipients were told of a correction, erasure or restriction (Art. 19 sentence 2)."""
    return [
        {
            "request": one.request.number,
            "recipient": one.recipient,
            "status": str(one.get_status_display()),
            "asked_at": timestamp(one.asked_at) if one.asked_at else "",
            "answered_at": timestamp(one.answered_at) if one.answered_at else "",
            "reply": reply_of(one),
        }
        for one in RecipientNotice.objects.filter(request__subject=subject)
        .select_related("request")
        .order_by("request__number", "recipient")
    ]


def _suppression(subject: UUID) -> Rows:
    """Whether an address of the person stands on the list of those we must not write to."""
    found = []
    for kind, canonical in identifiers_of(subject):
        rows = Suppression.objects.filter(fingerprint=suppression.fingerprint(kind, canonical))
        found.append(
            {
                "kind": kind,
                "is_suppressed": rows.exists(),
                "entries": [
                    {"reason": row.reason, "since": timestamp(row.since)}
                    for row in rows.order_by("since")
                ],
            }
        )
    return found


def _sources() -> list[str]:
    return [
        _("From you: what you wrote to us, or entered on our pages."),
        _("From the messenger: the sender of your messages and whether ours arrived."),
        _("From a list of the publisher, where a subscription says so (source: import)."),
    ]


def _rights() -> list[str]:
    return [
        _("You may have wrong data corrected (Art. 16 GDPR)."),
        _("You may have your data erased (Art. 17) or their use restricted (Art. 18)."),
        _("You may take your data with you (Art. 20): this package is made for that."),
        _("You may object to our messages at any time (Art. 21(2)); one STOP is enough."),
        _("You may withdraw your consent at any time, as easily as you gave it (Art. 7(3))."),
        _("You may complain to a supervisory authority (Art. 77)."),
        _("Nothing is decided by automatic means, and no profile is made (Art. 22)."),
    ]
