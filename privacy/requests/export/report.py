"""The package's readable part: the same data as the JSON, with headings and sentences."""

from typing import Any

from django.utils.translation import gettext as _

from privacy.requests.export.labels import label, section_title, value_text
from privacy.requests.export.words import class_name, decoded
from privacy.requests.print import breakable, pdf

Data = dict[str, Any]
Section = dict[str, Any]


def report(data: Data) -> bytes:
    """A tagged PDF in the active language."""
    return pdf("answer", document(data))


def document(data: Data) -> Data:
    """What the typst template is filled with."""
    publisher = data["controller"].get("name", "")
    number = data["request"]["number"]
    return {
        "title": _("Your data: answer to your request %(number)s") % {"number": number},
        "publisher": publisher,
        "footer": _("%(publisher)s · Request %(number)s")
        % {"publisher": publisher, "number": number},
        "words": {"what": _("What"), "content": _("Content")},
        "lead": _lead(data),
        "sections": [part for part in (*_stored(data), *_about(data)) if _is_filled(part)],
    }


def _lead(data: Data) -> list[str]:
    return [
        _("This is everything that we store about you. Art. 15 GDPR gives you the right to it."),
        _("Received: %(received)s · Made: %(made)s")
        % {
            "received": value_text(data["request"]["received_at"]),
            "made": value_text(data["generated_at"]),
        },
        *([_left_out()] if data["redactions"] else []),
        _("The same data stand in this package as JSON and CSV, for use in other programs."),
    ]


def _left_out() -> str:
    return _("Where you read […], something was left out that concerns somebody else (Art. 15(4)).")


def _stored(data: Data) -> list[Section]:
    return [
        _section(section_title(table), groups=_groups(rows))
        for tables in data["data"].values()
        for table, rows in tables.items()
    ]


def _about(data: Data) -> list[Section]:
    return [
        _section(_("Who is responsible"), groups=[_facts(_("Controller"), data["controller"])]),
        _section(
            _("Who received your data"),
            text=[] if data["recipients"] else [_("Nobody but us.")],
            lists=[data["recipients"]],
        ),
        _section(
            _("In which role and country, and with what safeguards"),
            groups=_groups(data["transfers"]),
        ),
        _section(
            _("Whom we told of corrections, erasures and restrictions"),
            groups=_groups(data["recipients_told"]),
        ),
        _section(_("Where the data come from"), lists=[data["sources"]]),
        _section(_("What for, and how long"), groups=[_rule(rule) for rule in data["retention"]]),
        _section(_("Breaches that concerned you"), groups=_groups(data["breaches"])),
        _section(
            _("Who of our staff looked at your data, and why"),
            text=[] if data["lookups"] else [_("Nobody so far.")],
            groups=_groups(data["lookups"]),
        ),
        _section(_("Your requests"), groups=_groups(data["requests"])),
        _section(_("Suppression list"), groups=_groups(data["suppression"])),
        _section(_("What has to stay for claims"), groups=_groups(data["holds"])),
        _section(_("Your rights"), lists=[data["rights"]]),
    ]


def _is_filled(section: Section) -> bool:
    return any(section[part] for part in ("text", "lists", "groups"))


def _section(
    title: str,
    *,
    text: list[str] | None = None,
    lists: list[list[str]] | None = None,
    groups: list[Data] | None = None,
) -> Section:
    filled = [items for items in lists or [] if items]
    return {"title": title, "text": text or [], "lists": filled, "groups": groups or []}


def _groups(rows: list[Data]) -> list[Data]:
    return [_facts(f"{number}", row) for number, row in enumerate(rows, start=1)]


def _rule(rule: Data) -> Data:
    kept = {key: value for key, value in rule.items() if key != "class" and value is not None}
    return _facts(class_name(rule["class"]), kept)


def _facts(title: str, row: Data) -> Data:
    rows = [
        [label(key), breakable(value_text(decoded(key, value)))]
        for key, value in row.items()
        if value not in (None, "", [], {})
    ]
    return {"title": title, "rows": rows}
