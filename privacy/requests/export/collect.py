"""Everything that Art. 15 GDPR asks for, gathered from every app into one plain structure."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from privacy import inventory, suppression
from privacy.audit.canonical import timestamp
from privacy.models import Controller, Request
from privacy.requests.export.lookups import lookups_of
from privacy.requests.verbs import export_everywhere, identifiers_of, recipients_of
from privacy.retention.rules import rules_on

SCHEMA = "jawort/subject-export/1"
Rows = list[dict[str, Any]]


def collect(request: Request) -> dict[str, Any]:
    """The whole answer as JSON-able data; its shape is `schema/subject-export-1.json`."""
    assert request.subject
    return {
        "schema": SCHEMA,
        "generated_at": timestamp(timezone.now()),
        "request": _request(request),
        "controller": _controller(),
        "subject": str(request.subject),
        "data": plain(export_everywhere(request.subject)),
        "fields": fields(),
        "recipients": recipients_of(request.subject),
        "sources": _sources(),
        "retention": _retention(),
        "suppression": _suppression(request.subject),
        "lookups": lookups_of(request.subject),
        "requests": [_request(other) for other in _requests_of(request.subject)],
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
            "years_to_year_end": rule.years_to_year_end,
            "action": rule.action,
            "legal_basis": _(rule.legal_basis),
        }
        for rule in rules_on(timezone.now().date())
    ]


def _suppression(subject: UUID) -> Rows:
    """Whether an address of the person stands on the list of those we must not write to."""
    found = []
    for kind, canonical in identifiers_of(subject):
        fingerprint = suppression.fingerprint(kind, canonical)
        found.append({"kind": kind, "is_suppressed": suppression.is_suppressed(fingerprint, None)})
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
