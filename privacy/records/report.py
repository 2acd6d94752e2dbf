"""The report to the authority (Art. 33(3) GDPR) as a text for its form, with what is known."""

from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from privacy.models import Incident
from privacy.records import affected
from privacy.records.activities import activities, categories
from privacy.records.house import House, house_on
from privacy.records.incidents import people_of, texts_of
from privacy.records.layout import Document, Section
from privacy.records.register import controller_section


def report(incident: Incident, language: str) -> Document:
    """In the active language; what is not known yet is said to be so (Art. 33(4))."""
    texts = {key: text.splitlines() for key, text in texts_of(incident).items()}
    house = house_on(incident.aware_at.date())
    title = _("Report of a personal data breach %(number)s") % {"number": incident.number}
    return Document(
        "breach",
        language,
        title,
        [
            controller_section(house.controller),
            _times(incident, texts),
            _what(house, incident, texts),
            _next(house, texts),
        ],
    )


def _times(incident: Incident, texts: dict[str, list[str]]) -> Section:
    section = Section("times", _("Times"))
    section.add("aware", _("Became known"), _moment(incident.aware_at))
    section.add("due", _("Report due"), _moment(incident.report_due_at))
    if incident.reported_at:
        section.add("reported", _("Reported"), _moment(incident.reported_at))
    span = [_moment(at) for at in (incident.began_at, incident.ended_at) if at]
    section.add("span", _("Happened"), " – ".join(span) or _("not known yet"))
    section.add("how", _("How it became known"), _or_unknown(texts.get("discovered", [])))
    section.add("late", _("Why it comes late"), texts.get("late", []))
    return section


def _what(house: House, incident: Incident, texts: dict[str, list[str]]) -> Section:
    """Art. 33(3)(a)."""
    counts = people_of(incident)
    section = Section("what", _("Nature of the breach (Art. 33(3)(a) GDPR)"))
    section.add("what", _("What happened"), _or_unknown(texts.get("what", [])))
    section.add(
        "people",
        _("People concerned, about"),
        [
            _("%(number)s subscribers or people who wrote to us") % {"number": counts["all"]},
            _("%(number)s further people whose data have been erased since")
            % {"number": counts["gone"]},
        ],
    )
    section.add("scopes", _("Known from"), [_scope(scope.kind) for scope in incident.scopes.all()])
    classes = [name for each in activities(house) if each.uses_channels for name in each.classes]
    section.add("data", _("Categories of data"), categories(house.fields_of(tuple(classes))))
    section.add("keys", _("Were keys compromised?"), str(incident.get_keys_display()))
    section.add(
        "sealed",
        _("Protection"),
        _("Addresses, names, messages and proofs are sealed with AES-256-GCM under a key of each"
          " person. Without root key and key store they cannot be read."),
    )  # fmt: skip
    return section


def _next(house: House, texts: dict[str, list[str]]) -> Section:
    """Art. 33(3)(b) to (d)."""
    contact = house.controller.dpo_contact.splitlines() if house.controller else []
    section = Section("next", _("Contact, consequences, measures (Art. 33(3)(b) to (d) GDPR)"))
    section.add("contact", _("Contact for questions"), _or_unknown(contact))
    section.add(
        "consequences", _("Likely consequences"), _or_unknown(texts.get("consequences", []))
    )
    section.add("measures", _("Measures taken or proposed"), _or_unknown(texts.get("measures", [])))
    section.add("message", _("Told to the people concerned"), texts.get("message_de", []))
    return section


def _scope(kind: str) -> str:
    return str(affected.KINDS.get(kind, kind))


def _or_unknown(lines: list[str]) -> list[str]:
    return lines or [_("not known yet")]


def _moment(at: "object") -> str:
    zone = ZoneInfo(settings.DISPLAY_TIME_ZONE)
    return date_format(at.astimezone(zone), "DATETIME_FORMAT")  # type: ignore[attr-defined]
