"""The processing activities of this house, made of the classes of data that the inventory names."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from privacy.inventory import Field, Klass
from privacy.models import RetentionRule
from privacy.records.house import House
from privacy.requests.export.words import class_name
from privacy.retention.defaults import DATA_CLASSES
from privacy.retention.rules import term_of
from privacy.retention.terms import term_words

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

READERS = _("Subscribers of the newsletters")
INTERESTED = _("People who ask to subscribe, or write to us")
FORMER = _("Former subscribers")
STAFF = _("Members of staff")

KLASSES: dict[str, "StrOrPromise"] = {
    Klass.IDENTIFIER: _("Addresses and identifiers at messengers"),
    Klass.PROFILE: _("Name as given at the messenger, language, topics"),
    Klass.CONTENT: _("Texts that people wrote, or that were written to them alone"),
    Klass.CONSENT: _("Consents, objections and their proof"),
    Klass.DELIVERY: _("What was sent when, and whether it arrived"),
    Klass.REFERENCE: _("Random numbers that mean something in this system only"),
    Klass.KEY: _("Keys of encryption"),
    Klass.STAFF: _("Sign-in data and acts of staff"),
}


@dataclass(frozen=True)
class Activity:
    """One entry of the register. `uses_channels`: the providers of channels get these data."""

    key: str
    title: "StrOrPromise"
    classes: tuple[str, ...]
    subjects: tuple["StrOrPromise", ...]
    uses_channels: bool = False


ACTIVITIES = (
    Activity(
        "subscribing",
        _("Subscribing and leaving: double opt-in, choice of topics, withdrawal"),
        ("pending_opt_in", "pending_opt_in_chat", "active_subscription", "consent_lapse"),
        (READERS, INTERESTED),
        uses_channels=True,
    ),
    Activity(
        "sending",
        _("Sending newsletters to messengers"),
        ("delivery_record",),
        (READERS,),
        uses_channels=True,
    ),
    Activity(
        "proof",
        _("Proving consent"),
        ("consent_evidence", "voice_call_consent"),
        (READERS, FORMER),
    ),
    Activity(
        "inbox",
        _("Reading and answering what people write"),
        ("inbox_body", "inbound_text"),
        (READERS, INTERESTED),
        uses_channels=True,
    ),
    Activity("imports", _("Taking over existing lists"), ("import_file",), (READERS,)),
    Activity("suppression", _("Not writing to people again"), ("suppression",), (FORMER,)),
    Activity(
        "requests",
        _("Answering requests of people about their data (Art. 15 to 21 GDPR)"),
        ("request_file", "identity_proof", "export_package", "subject_number", "legal_hold"),
        (READERS, INTERESTED, FORMER),
        uses_channels=True,
    ),
    Activity(
        "security",
        _("Running the system safely and accountably"),
        ("security_log", "audit_entry", "staff_account"),
        (STAFF, READERS),
    ),
    Activity(
        "breaches",
        _("Handling breaches of data protection"),
        ("breach_register",),
        (READERS, FORMER),
    ),
)


def activities(house: House) -> list[Activity]:
    """Those above, and one for each class of data that none of them names: nothing is left out."""
    named = {name for activity in ACTIVITIES for name in activity.classes}
    others = sorted((DATA_CLASSES | {field.retention for _name, field in house.fields}) - named)
    return [
        *ACTIVITIES,
        *(Activity(name, class_name(name), (name,), (READERS,)) for name in others),
    ]


def categories(fields: Iterable[tuple[str, Field]]) -> list[str]:
    """The categories of data of these fields, in words."""
    used = {str(field.klass) for _name, field in fields}
    return [str(words) for klass, words in KLASSES.items() if klass in used]


def rule_words(rule: RetentionRule) -> str:
    """How long, from when, and then: "90 days from the end of the broadcast, then …"."""
    action = str(rule.get_action_display())
    told = {"term": term_words(term_of(rule)), "start": gettext(rule.starts_with), "action": action}
    return gettext("%(term)s, counted from: %(start)s. Then: %(action)s") % told
