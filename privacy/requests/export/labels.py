"""Plain words for the names of columns, so that a package can be read by the person it is about."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

LABELS = {
    "act": gettext_lazy("What was done"),
    "action": gettext_lazy("What happens then"),
    "address": gettext_lazy("Address"),
    "addresses": gettext_lazy("Addresses"),
    "age_declared": gettext_lazy("Age declared"),
    "answer": gettext_lazy("Answer"),
    "at": gettext_lazy("When"),
    "aware_at": gettext_lazy("Known to us since"),
    "authority": gettext_lazy("Supervisory authority"),
    "broadcast": gettext_lazy("Broadcast"),
    "broadcasts": gettext_lazy("Broadcasts"),
    "channel": gettext_lazy("Channel"),
    "confirmed_at": gettext_lazy("Confirmed"),
    "consent_records": gettext_lazy("Consent records"),
    "coupled_offer": gettext_lazy("Given for the consent"),
    "created": gettext_lazy("Created"),
    "created_at": gettext_lazy("Created"),
    "days": gettext_lazy("Days"),
    "dpo_contact": gettext_lazy("Data-protection officer"),
    "decided_at": gettext_lazy("Decided by the officer"),
    "due_at": gettext_lazy("Answer due"),
    "email": gettext_lazy("E-mail"),
    "ended_at": gettext_lazy("Ended"),
    "entry": gettext_lazy("Exact record"),
    "erased_at_the_latest": gettext_lazy("Erased at the latest"),
    "evidence": gettext_lazy("Evidence"),
    "first_name": gettext_lazy("First name"),
    "handled_at": gettext_lazy("Handled"),
    "id": gettext_lazy("Random number"),
    "identifier": gettext_lazy("Address"),
    "imported_at": gettext_lazy("Imported"),
    "imprint_url": gettext_lazy("Imprint"),
    "is_suppressed": gettext_lazy("On the suppression list"),
    "kind": gettext_lazy("Kind"),
    "language": gettext_lazy("Language"),
    "last_name": gettext_lazy("Last name"),
    "last_used_at": gettext_lazy("Last message"),
    "limit": gettext_lazy("Age asked for"),
    "leaf": gettext_lazy("Fingerprint"),
    "legal_basis": gettext_lazy("Legal basis"),
    "messages": gettext_lazy("Messages to the person"),
    "messenger": gettext_lazy("Messenger"),
    "message_id": gettext_lazy("Message number"),
    "method": gettext_lazy("How"),
    "name": gettext_lazy("Name"),
    "newsletter": gettext_lazy("Newsletter"),
    "notice": gettext_lazy("Privacy notice"),
    "number": gettext_lazy("Number"),
    "open": gettext_lazy("Open"),
    "open_question": gettext_lazy("Waits for a confirmation"),
    "outcome": gettext_lazy("Outcome"),
    "profile": gettext_lazy("Profile"),
    "provider": gettext_lazy("Provider"),
    "purpose": gettext_lazy("Purpose"),
    "received_at": gettext_lazy("Received"),
    "reason": gettext_lazy("Reason"),
    "replies": gettext_lazy("Messages from the person"),
    "requested_at": gettext_lazy("Requested"),
    "question": gettext_lazy("Question"),
    "request": gettext_lazy("Request"),
    "sale": gettext_lazy("Sale"),
    "sender": gettext_lazy("Sender"),
    "sent_at": gettext_lazy("Sent"),
    "similar_offers": gettext_lazy("Similar goods or services"),
    "since": gettext_lazy("Since"),
    "sold_at": gettext_lazy("Sold"),
    "source": gettext_lazy("Source"),
    "starts_with": gettext_lazy("Counted from"),
    "state": gettext_lazy("Declaration"),
    "state_since": gettext_lazy("State since"),
    "subscriptions": gettext_lazy("Subscriptions"),
    "status": gettext_lazy("Status"),
    "test_address": gettext_lazy("Address for tests"),
    "text": gettext_lazy("Text"),
    "title": gettext_lazy("Title"),
    "told": gettext_lazy("Told at the sale"),
    "told_at": gettext_lazy("Told"),
    "topics": gettext_lazy("Topics"),
    "values": gettext_lazy("Filled in"),
    "wording": gettext_lazy("Wording shown"),
    "years_to_year_end": gettext_lazy("Years, to the end of the year"),
}
TITLES = {
    "addresses": gettext_lazy("Addresses"),
    "broadcasts": gettext_lazy("Broadcasts you received"),
    "consent": gettext_lazy("What you agreed to"),
    "gates": gettext_lazy("Whether we may write to you"),
    "messages": gettext_lazy("Messages to you"),
    "messages_to_us": gettext_lazy("Messages from you"),
    "notices": gettext_lazy("Privacy notices shown to you"),
    "pending_requests": gettext_lazy("Requests not yet confirmed"),
    "received": gettext_lazy("Messages from you, not yet answered"),
    "wordings": gettext_lazy("Wordings you agreed to"),
    "subscriber": gettext_lazy("About you"),
    "subscriptions": gettext_lazy("Subscriptions"),
}

DESK_TITLES = {
    "addresses": gettext_lazy("Addresses"),
    "broadcasts": gettext_lazy("Broadcasts"),
    "consent": gettext_lazy("Consent records"),
    "gates": gettext_lazy("Whether we may write"),
    "messages": gettext_lazy("Messages to the person"),
    "messages_to_us": gettext_lazy("Messages from the person"),
    "notices": gettext_lazy("Privacy notices shown"),
    "pending_requests": gettext_lazy("Requests not yet confirmed"),
    "received": gettext_lazy("Messages from the person, not yet handled"),
    "subscriber": gettext_lazy("About the person"),
    "subscriptions": gettext_lazy("Subscriptions"),
    "wordings": gettext_lazy("Wordings shown"),
}


def label(name: str) -> str:
    """A column's name as words: the known ones translated, the others with their underscores
    gone.
    """
    return str(LABELS[name]) if name in LABELS else name.replace("_", " ").capitalize()


def section_title(table: str) -> str:
    key = table.lower()
    return str(TITLES[key]) if key in TITLES else label(table)


def desk_title(table: str) -> str:
    """The same for staff, who read about somebody else."""
    key = table.lower()
    return str(DESK_TITLES[key]) if key in DESK_TITLES else label(table)


def value_text(value: Any) -> str:
    """A value as a person reads it: yes and no, local times, lists with commas."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        is_plain = not any(isinstance(item, dict) for item in value)
        return (", " if is_plain else "\n").join(map(_in_one_line, value))
    if isinstance(value, dict):
        return "\n".join(f"{label(key)}: {value_text(item)}" for key, item in value.items())
    if value is None:
        return ""
    return _moment(value) if isinstance(value, str) and _looks_like_a_time(value) else str(value)


def _in_one_line(value: Any) -> str:
    if not isinstance(value, dict):
        return value_text(value)
    known = {key: item for key, item in value.items() if item not in (None, "", [])}
    return " · ".join(f"{label(key)}: {value_text(item)}" for key, item in known.items())


def cell(value: Any) -> str:
    """A value as one cell of a CSV: nested ones as JSON."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _looks_like_a_time(text: str) -> bool:
    return len(text) >= 20 and text[4] == text[7] == "-" and text[10] == "T" and text[-1] == "Z"


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text).astimezone(ZoneInfo(settings.DISPLAY_TIME_ZONE))
    except ValueError:
        return text
    return date_format(moment, "DATETIME_FORMAT")
