"""The draft of a data-protection impact assessment (Art. 35(7) GDPR), filled in as far as known."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from privacy.models import ProcessingRecord
from privacy.records import register
from privacy.records.activities import activities, categories
from privacy.records.house import House
from privacy.records.layout import Document, Section, lines_of
from privacy.records.places import CHANNEL, NEWSLETTER
from privacy.records.processors import warnings_of

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

BASIS = "basis"  # the section that says what was assessed: a change in it asks for a new look


@dataclass(frozen=True)
class Risk:
    """What could happen to people, what stands against it, and how much is left."""

    key: str
    title: "StrOrPromise"
    likelihood: "StrOrPromise"
    severity: "StrOrPromise"
    measures: tuple["StrOrPromise", ...]
    left: "StrOrPromise"


LOW, MEDIUM, HIGH = _("low"), _("medium"), _("high")

RISKS = (
    Risk(
        "disclosure",
        _("Somebody learns who reads what (political, religious or local newsletters)"),
        MEDIUM,
        HIGH,
        (
            _("Addresses and topics of a person hang on a random number; addresses are sealed."),
            _("Roles, second factor, purpose for every look, log of all looks."),
        ),
        LOW,
    ),
    Risk(
        "backup",
        _("A backup or a disk is stolen"),
        MEDIUM,
        HIGH,
        (
            _("Data and keys are in two databases, backed up apart; the root key is in neither."),
            _("The breach workspace lists whose data a backup held."),
        ),
        LOW,
    ),
    Risk(
        "unwanted",
        _("People are written to who did not agree, or who said STOP"),
        MEDIUM,
        MEDIUM,
        (
            _("Double opt-in on the channel itself, proof of consent, withdrawal in one word."),
            _("A closed gate stops a message even in the middle of a broadcast; imports wait for"
              " the officer; the suppression list outlives an erasure."),
        ),
        LOW,
    ),
    Risk(
        "provider",
        _("A messenger's provider uses the data for itself, or a foreign authority reads them"),
        HIGH,
        MEDIUM,
        (
            _("A profile of each channel with contract, country, transfer and warning;"
              " without it a channel cannot go live."),
            _("Kill switch for each channel; e-mail as an alternative; the wording names the"
              " provider before anybody agrees."),
        ),
        MEDIUM,
    ),
    Risk(
        "purpose",
        _("Data are used for something else, or kept for too long"),
        LOW,
        MEDIUM,
        (
            _("Every field has a purpose and a term; a field without them fails the tests."),
            _("Terms run by themselves and are proven; no tracking, no profiles."),
        ),
        LOW,
    ),
    Risk(
        "rights",
        _("People do not get access or erasure, or a stranger gets their data"),
        LOW,
        HIGH,
        (
            _("Requests by one word in the chat, with a clock; data leave by the channel that was"
              " subscribed only."),
            _("An erasure is verified by a search and certified."),
        ),
        LOW,
    ),
    Risk(
        "loss",
        _("Withdrawals or proofs are lost, and nobody notices"),
        LOW,
        MEDIUM,
        (
            _("A withdrawal is committed before the messenger gets its answer; crashes lose"
              " nothing."),
            _("Insert-only ledger, verification of the whole log."),
        ),
        LOW,
    ),
)  # fmt: skip


def assessment(house: House, language: str) -> Document:
    """The draft in the active language."""
    title = gettext("Data-protection impact assessment (Art. 35 GDPR), draft")
    return Document(
        ProcessingRecord.Kind.ASSESSMENT,
        language,
        title,
        [
            register.controller_section(house.controller),
            _basis(house),
            _description(house),
            _necessity(house, language),
            *_risks(house),
            register.measures_section(house, language),
            _people(house, language),
        ],
    )


def _basis(house: House) -> Section:
    """What was looked at. A new channel, newsletter, provider or purpose shows here."""
    section = Section(BASIS, gettext("What was assessed"))
    section.add(
        "channels",
        gettext("Channels"),
        sorted(f"{p.name} ({p.detail})" for p in house.places_of(CHANNEL)),
    )
    section.add(
        "newsletters", gettext("Newsletters"), sorted(p.name for p in house.places_of(NEWSLETTER))
    )
    providers = {f"{row.name} ({row.country})" for row in house.providers if row.name}
    section.add("providers", gettext("Companies that get data"), sorted(providers))
    purposes = {str(field.purpose) for _name, field in house.fields}
    section.add("purposes", gettext("Purposes"), sorted(purposes))
    return section


def _description(house: House) -> Section:
    section = Section("description", gettext("Systematic description (Art. 35(7)(a) GDPR)"))
    section.add(
        "flow",
        gettext("How it works"),
        [
            gettext(
                "People subscribe from their own account at a messenger, or by e-mail, and confirm."
            ),
            gettext(
                "Editors write messages; they leave in batches through the provider of the channel."
            ),
            gettext("One word ends a subscription; everything else is described in the register."),
        ],
    )
    section.add(
        "activities", gettext("Activities"), [str(each.title) for each in activities(house)]
    )
    section.add("data", gettext("Categories of data"), categories(house.fields))
    section.add(
        "transfers",
        gettext("Transfers to third countries"),
        register.transfer_lines(house.providers),
    )
    return section


def _necessity(house: House, language: str) -> Section:
    section = Section("necessity", gettext("Necessity and proportionality (Art. 35(7)(b) GDPR)"))
    section.add(
        "built",
        gettext("What the software does for it"),
        [
            gettext(
                "Consent by newsletter and channel, free of conditions, with its wording kept."
            ),
            gettext(
                "No telephone number is asked for: the account writes first. No name is needed."
            ),
            gettext(
                "Statistics are counts; opening and clicking are not measured for each person."
            ),
            gettext(
                "Withdrawal as easy as consent; information before consent; rights by one word."
            ),
        ],
    )
    section.add(
        "own",
        gettext("Assessment of the publisher"),
        _or_open(house.text_of("necessity", language)),
    )
    return section


def _risks(house: House) -> list[Section]:
    sections = []
    for risk in RISKS:
        section = Section(f"risk.{risk.key}", gettext("Risk: %(risk)s") % {"risk": risk.title})
        section.add("likelihood", gettext("Likelihood without measures"), str(risk.likelihood))
        section.add("severity", gettext("Severity for people"), str(risk.severity))
        section.add("measures", gettext("Measures"), [str(measure) for measure in risk.measures])
        if risk.key == "provider":
            section.add("warnings", gettext("Known about your providers"), _known_warnings(house))
        section.add("left", gettext("Residual risk"), str(risk.left))
        sections.append(section)
    return sections


def _known_warnings(house: House) -> list[str]:
    return [
        f"{row.name}: {warning}"
        for row in house.providers
        if row.channel
        for warning in warnings_of(row)
    ]


def _people(house: House, language: str) -> Section:
    section = Section("decision", gettext("Views, advice and conclusion"))
    section.add(
        "views",
        gettext("Views of the people concerned"),
        _or_open(house.text_of("views", language)),
    )
    advice = _or_open(house.text_of("advice", language))
    section.add("advice", gettext("Advice of the data-protection officer"), advice)
    section.add(
        "conclusion", gettext("Conclusion"), _or_open(house.text_of("conclusion", language))
    )
    return section


def _or_open(lines: list[str]) -> list[str]:
    return lines or [gettext("still to be written by the publisher")]


def new_since(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Channels, newsletters, companies and purposes that the stored assessment did not look at."""
    return [
        line
        for row in ("channels", "newsletters", "providers", "purposes")
        for line in lines_of(after, BASIS, row)
        if line not in lines_of(before, BASIS, row)
    ]
