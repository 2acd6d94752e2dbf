"""The register of processing activities (Art. 30 GDPR), made of what the house knows about itself.

Nothing in it depends on when it was made: the same facts give the same document.
"""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from privacy.models import Controller, ProcessingRecord, Processor
from privacy.records.activities import Activity, activities, categories, rule_words
from privacy.records.house import House
from privacy.records.layout import Document, Section
from privacy.records.measures import MEASURES
from privacy.records.places import CHANNEL, NEWSLETTER
from privacy.records.processors import (
    Role,
    missing_of,
    transfer_words,
    warnings_of,
)
from privacy.requests.export.words import class_name

Kind = ProcessingRecord.Kind


def register(house: House, language: str) -> Document:
    """Art. 30(1): the controller's own, in the active language."""
    title = _("Register of processing activities (Art. 30(1) GDPR)")
    return Document(
        Kind.CONTROLLER,
        language,
        title,
        [
            controller_section(house.controller),
            *(_activity(house, activity) for activity in activities(house)),
            recipients_section(house),
            measures_section(house, language),
            inventory_section(house),
        ],
    )


def processor_register(house: House, language: str) -> Document:
    """Art. 30(2): for a house that sends on behalf of others, who stand in the text `clients`."""
    title = _("Register of a processor (Art. 30(2) GDPR)")
    clients = Section("clients", _("On whose behalf"))
    clients.add("clients", _("Controllers"), _or_unknown(house.text_of("clients", language)))
    done = Section("categories", _("Categories of processing"))
    done.add(
        "categories",
        _("Carried out for each of them"),
        [str(each.title) for each in activities(house)],
    )
    return Document(
        Kind.PROCESSOR,
        language,
        title,
        [
            controller_section(house.controller),
            clients,
            done,
            recipients_section(house),
            measures_section(house, language),
        ],
    )


def controller_section(row: Controller | None) -> Section:
    """Who answers for it (Art. 30(1)(a))."""
    section = Section("controller", _("Who is responsible"))
    if row is None:
        section.add("name", _("Name"), _("not filled in yet"))
        return section
    section.add("name", _("Name"), row.name)
    section.add("address", _("Postal address"), ", ".join(row.address.splitlines()))
    section.add("email", _("E-mail"), row.email)
    section.add("imprint", _("Imprint"), row.imprint_url)
    section.add("dpo", _("Data-protection officer"), ", ".join(row.dpo_contact.splitlines()))
    section.add("authority", _("Supervisory authority"), row.authority)
    return section


def _activity(house: House, activity: Activity) -> Section:
    """Purposes, people, data, recipients, transfers and terms (Art. 30(1)(b) to (f))."""
    fields = house.fields_of(activity.classes)
    ruled = [house.rules[name] for name in activity.classes if name in house.rules]
    used = [row for row in house.providers if activity.uses_channels or row.channel is None]
    section = Section(f"activity.{activity.key}", str(activity.title))
    section.add("purposes", _("Purposes"), _unique(str(field.purpose) for _n, field in fields))
    section.add("basis", _("Legal basis"), _unique(_(rule.legal_basis) for rule in ruled))
    section.add("subjects", _("People concerned"), _unique(map(str, activity.subjects)))
    section.add("data", _("Categories of data"), categories(fields))
    if activity.uses_channels:
        section.add("newsletters", _("Newsletters"), [p.name for p in house.places_of(NEWSLETTER)])
        section.add(
            "channels",
            _("Channels"),
            [_channel(p.name, p.detail) for p in house.places_of(CHANNEL)],
        )
    section.add("recipients", _("Recipients"), _recipients(used))
    section.add("transfers", _("Transfers to third countries"), transfer_lines(used))
    terms = [f"{class_name(rule.data_class)}: {rule_words(rule)}" for rule in ruled]
    section.add("terms", _("Time limits for erasure"), terms)
    return section


def recipients_section(house: House) -> Section:
    """Everybody outside who gets data, with contract and safeguards (Art. 28, 30(1)(d), (e))."""
    section = Section("recipients", _("Recipients, contracts and transfers"))
    for row in house.providers:
        section.add(f"processor.{row.pk}", row.name or _("without a name"), _facts(row))
    known = {row.channel for row in house.providers}
    for place in house.places_of(CHANNEL):
        if place.ref not in known:
            words = _("The profile of this channel has not been filled in.")
            section.add(f"channel.{place.ref}", _channel(place.name, place.detail), words)
    if not section.rows:
        section.add("none", _("Recipients"), _("Nobody but us."))
    return section


def _facts(row: Processor) -> list[str]:
    pairs = [
        (_("Service"), row.get_service_display()),
        (_("For"), row.purpose),
        (_("Role"), row.get_role_display() if row.role else ""),
        (_("Country"), row.country),
        (_("Transfer"), row.get_transfer_display() if row.transfer else ""),
        (_("Contract"), row.contract),
        (_("Contract of"), row.contract_on.isoformat() if row.contract_on else ""),
        (_("SHA-256 of the contract"), row.contract_sha256),
        (_("Sub-processors"), "; ".join(row.sub_processors.splitlines())),
        (_("Keeps data"), row.retention),
        (_("Used in spite of the warning because"), "; ".join(row.decision.splitlines())),
        (_("Missing"), "; ".join(missing_of(row))),
    ]
    facts = [f"{label}: {value}" for label, value in pairs if value]
    return facts + [_("Warning: %(warning)s") % {"warning": each} for each in warnings_of(row)]


def _recipients(providers: list[Processor]) -> list[str]:
    outside = [row for row in providers if row.role != Role.OURSELVES]
    names = [f"{row.name} ({row.get_service_display()})" for row in outside]
    return [_("Members of staff, by their roles"), *_unique(names)]


def transfer_lines(providers: list[Processor]) -> list[str]:
    lines = [
        f"{row.name} ({row.country}): {words}"
        for row in providers
        if (words := transfer_words(row))
    ]
    return _unique(lines) or [_("none")]


def measures_section(house: House, language: str) -> Section:
    """Art. 30(1)(g): what the software does, and what the publisher adds."""
    section = Section("measures", _("Technical and organisational measures (Art. 32 GDPR)"))
    for key, title, lines in MEASURES:
        section.add(key, str(title), [str(line) for line in lines])
    section.add("own", _("Of the house"), house.text_of("measures", language))
    return section


def inventory_section(house: House) -> Section:
    """Every field that is about people: whoever adds one changes the register."""
    section = Section("inventory", _("Annex: every field about people"))
    for activity in activities(house):
        lines = [
            f"{name}: {field.purpose}" + (f" ({_('sealed')})" if field.sealed else "")
            for name, field in house.fields_of(activity.classes)
        ]
        section.add(activity.key, str(activity.title), lines)
    return section


def _channel(name: str, kind: str) -> str:
    return f"{name} ({kind})" if kind else name


def _or_unknown(lines: list[str]) -> list[str]:
    return lines or [_("nobody: this house sends for itself alone")]


def _unique(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))
