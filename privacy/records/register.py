"""The register of processing activities (Art. 30 GDPR), made of what the house knows about itself.

Nothing in it depends on when it was made: the same facts give the same document.
"""

from collections.abc import Iterable
from datetime import date

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from privacy.models import Controller, ProcessingRecord, Processor, RetentionRule
from privacy.records.activities import (
    KLASSES,
    Activity,
    activities,
    fields_of,
    term_words,
)
from privacy.records.layout import Document, Section
from privacy.records.measures import MEASURES
from privacy.records.places import CHANNEL, NEWSLETTER, places
from privacy.records.processors import (
    Role,
    missing_of,
    present,
    transfer_words,
    warnings_of,
)
from privacy.records.texts import text_of
from privacy.requests.export.words import class_name
from privacy.retention.rules import rules_on

Kind = ProcessingRecord.Kind


def register(day: date, language: str) -> Document:
    """Art. 30(1): the controller's own, in the active language, by the rules of `day`."""
    rules = {rule.data_class: rule for rule in rules_on(day)}
    providers = list(present())
    title = _("Register of processing activities (Art. 30(1) GDPR)")
    return Document(
        Kind.CONTROLLER,
        language,
        title,
        [
            controller_section(),
            *(_activity(activity, rules, providers) for activity in activities()),
            recipients_section(providers),
            measures_section(),
            inventory_section(),
        ],
    )


def processor_register(day: date, language: str) -> Document:
    """Art. 30(2): for a house that sends on behalf of others, who stand in the text `clients`."""
    providers = list(present())
    title = _("Register of a processor (Art. 30(2) GDPR)")
    clients = Section("clients", _("On whose behalf"))
    clients.add("clients", _("Controllers"), _or_unknown(text_of("clients", language)))
    done = Section("categories", _("Categories of processing"))
    done.add("categories", _("Carried out for each of them"), [str(a.title) for a in activities()])
    return Document(
        Kind.PROCESSOR,
        language,
        title,
        [controller_section(), clients, done, recipients_section(providers), measures_section()],
    )


def controller_section() -> Section:
    """Who answers for it (Art. 30(1)(a))."""
    section = Section("controller", _("Who is responsible"))
    row = Controller.objects.filter(pk=1).first()
    if row is None:
        section.add("name", _("Name"), _("not filled in yet"))
        return section
    section.add("name", _("Name"), row.name)
    section.add("address", _("Postal address"), row.address.splitlines())
    section.add("email", _("E-mail"), row.email)
    section.add("imprint", _("Imprint"), row.imprint_url)
    section.add("dpo", _("Data-protection officer"), row.dpo_contact.splitlines())
    section.add("authority", _("Supervisory authority"), row.authority)
    return section


def _activity(
    activity: Activity, rules: dict[str, RetentionRule], providers: list[Processor]
) -> Section:
    """Purposes, people, data, recipients, transfers and terms (Art. 30(1)(b) to (f))."""
    fields = [field for _name, field in fields_of(activity.classes)]
    ruled = [rules[name] for name in activity.classes if name in rules]
    used = [row for row in providers if activity.uses_channels or row.channel is None]
    section = Section(f"activity.{activity.key}", str(activity.title))
    section.add("purposes", _("Purposes"), _unique(str(field.purpose) for field in fields))
    section.add("basis", _("Legal basis"), _unique(_(rule.legal_basis) for rule in ruled))
    section.add("subjects", _("People concerned"), _unique(map(str, activity.subjects)))
    kinds = {str(field.klass) for field in fields}
    section.add("data", _("Categories of data"), [str(KLASSES[k]) for k in KLASSES if k in kinds])
    if activity.uses_channels:
        section.add("newsletters", _("Newsletters"), [p.name for p in places(NEWSLETTER)])
        section.add(
            "channels", _("Channels"), [_channel(p.name, p.detail) for p in places(CHANNEL)]
        )
    section.add("recipients", _("Recipients"), _recipients(used))
    section.add("transfers", _("Transfers to third countries"), transfer_lines(used))
    terms = [f"{class_name(rule.data_class)}: {term_words(rule)}" for rule in ruled]
    section.add("terms", _("Time limits for erasure"), terms)
    return section


def recipients_section(providers: list[Processor]) -> Section:
    """Everybody outside who gets data, with contract and safeguards (Art. 28, 30(1)(d), (e))."""
    section = Section("recipients", _("Recipients, contracts and transfers"))
    for row in providers:
        section.add(f"processor.{row.pk}", row.name or _("without a name"), _facts(row))
    known = {row.channel for row in providers}
    for place in places(CHANNEL):
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


def measures_section() -> Section:
    """Art. 30(1)(g): what the software does, and what the publisher adds."""
    section = Section("measures", _("Technical and organisational measures (Art. 32 GDPR)"))
    for key, title, lines in MEASURES:
        section.add(key, str(title), [str(line) for line in lines])
    language = (get_language() or "de")[:2]
    section.add("own", _("Of the house"), text_of("measures", language))
    return section


def inventory_section() -> Section:
    """Every field that is about people: whoever adds one changes the register."""
    section = Section("inventory", _("Annex: every field about people"))
    for activity in activities():
        lines = [
            f"{name}: {field.purpose}" + (f" ({_('sealed')})" if field.sealed else "")
            for name, field in fields_of(activity.classes)
        ]
        section.add(activity.key, str(activity.title), lines)
    return section


def _channel(name: str, kind: str) -> str:
    return f"{name} ({kind})" if kind else name


def _or_unknown(lines: list[str]) -> list[str]:
    return lines or [_("nobody: this house sends for itself alone")]


def _unique(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))
