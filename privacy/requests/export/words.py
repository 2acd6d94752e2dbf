"""Words for values that are codes: only in columns that hold nothing else, never in people's
texts.
"""

from typing import Any

from django.utils.translation import gettext_lazy as _

from privacy.models import Request, RetentionRule
from privacy.requests.purposes import Purpose

STATES = {
    "requested": _("Asked to subscribe"),
    "given": _("Said yes"),
    "refused": _("Said no"),
    "withdrawn": _("Withdrew"),
    "renewed": _("Said yes again"),
    "expired": _("Expired"),
    "invalidated": _("Declared invalid"),
    "objected": _("Objected to messages"),
}
STATUSES = {
    "imported": _("Imported, waiting for approval"),
    "confirmed": _("Confirmed"),
    "withdrawn": _("Withdrawn"),
    "lapsed": _("Lapsed"),
    "objected": _("Objected"),
}
LOOKS = {
    "person.read": _("Person looked at"),
    "person.found": _("Person found"),
    "person.exported": _("Package looked at by staff"),
    "consent.read": _("Proof of consent looked at"),
}
NOTICES = {
    "listed": _("Not told yet"),
    "told": _("You were told"),
    "unreachable": _("We had no address to tell you at"),
}
# What classes of data with a retention rule are called.
CLASSES = {
    "pending_opt_in": _("Requests to subscribe, not yet confirmed"),
    "pending_opt_in_chat": _("Requests to subscribe by chat, not yet confirmed"),
    "active_subscription": _("Subscriptions"),
    "consent_lapse": _("Consents that nobody uses"),
    "consent_evidence": _("Proof of consent"),
    "voice_call_consent": _("Consents to telephone calls"),
    "inbox_body": _("What came in, as it came"),
    "inbound_text": _("Messages from people"),
    "delivery_record": _("What was sent to whom"),
    "import_file": _("Imported lists"),
    "suppression": _("Suppression list"),
    "request_file": _("Files of requests"),
    "identity_proof": _("Proofs of identity"),
    "export_package": _("Export packages"),
    "security_log": _("Security log"),
    "audit_entry": _("Audit log"),
    "breach_register": _("Register of data breaches"),
    "legal_hold": _("Legal holds"),
    "staff_account": _("Accounts of staff"),
    "subject_number": _("Random numbers of people"),
}
CODES: dict[str, dict[str, Any]] = {
    "act": LOOKS,
    "action": dict(RetentionRule.Action.choices),
    "kind": dict(Request.Kind.choices),
    "outcome": dict(Request.Outcome.choices),
    "purpose": dict(Purpose.choices),
    "state": STATES | NOTICES,
    "status": STATUSES,
}


def decoded(key: str, value: Any) -> Any:
    """The word for a code in the column `key`; everything else as it is."""
    words = CODES.get(key, {})
    return str(words[value]) if isinstance(value, str) and value in words else value


def class_name(data_class: str) -> str:
    return str(CLASSES.get(data_class, data_class))
