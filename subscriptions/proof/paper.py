"""The proof in words: the README of the package, and the paper for whoever reads on paper."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from privacy.requests.export.labels import label, value_text
from privacy.requests.export.words import STATES
from privacy.requests.print import breakable
from privacy.requests.print import pdf as printed
from subscriptions.proof.facts import YES, Facts

HERE = Path(__file__).resolve().parent
TEMPLATE = str(HERE / "proof")
FIRST = ("at", "sender", "text", "method", "message_id")  # what matters most in a declaration
Row = tuple[str, str, bool]  # name, value, whether it is set as code


def readme(facts: Facts, language: str) -> str:
    """What the files are, and what they prove and do not prove."""
    text = (HERE / f"README.{language}.txt").read_text(encoding="utf-8")
    with translation.override(language):
        told = "\n".join([*lead(facts), *asides(facts)])
        return text.replace("{title}", _title(facts).upper()).replace("{headline}", told)


def pdf_of(facts: Facts, language: str) -> bytes:
    """A tagged PDF in `language`; the same bytes for the same facts."""
    with translation.override(language):
        return printed(TEMPLATE, _document(facts))


def lead(facts: Facts) -> list[str]:
    """The state of the proof in two or three sentences."""
    name = facts.newsletter.name if facts.newsletter else ""
    lines = [
        _("%(what)s: %(newsletter)s, %(when)s.")
        % {"what": _state(facts), "newsletter": name, "when": _when(facts)}
    ]
    if facts.is_customer:
        lines.append(
            _(
                "This is no consent: the address came with a sale, the customer was told then that "
                "they can object at any time, and each message tells them again."
            )
        )
    if facts.inclusion is None:
        lines.append(
            _(
                "This record is not yet in a checkpoint: it was written down only a moment ago. "
                "What is shown here can be checked already; the proof that it stands in the log "
                "comes with the next checkpoint."
            )
        )
    if facts.openings is None:
        lines.append(
            _(
                "The evidence of this record was erased: that the record exists can be shown, whom "
                "it is about cannot, not even by us."
            )
        )
    return lines


def asides(facts: Facts) -> list[str]:
    """What a court asks about besides: what was given for the consent, and the age."""
    lines = []
    if facts.coupled_offer:
        lines.append(_("Given for the consent: %(offer)s") % {"offer": facts.coupled_offer["text"]})
    if facts.age_limit:
        lines.append(_("Said to be %(age)s years old or older.") % {"age": facts.age_limit})
    return lines


def _document(facts: Facts) -> dict[str, Any]:
    owner = facts.controller
    publisher = owner.name if owner else (facts.newsletter.publisher if facts.newsletter else "")
    sections = [_person(facts), _wording(facts), _declaration(facts), _proof(facts), _limits()]
    return {
        "title": _title(facts),
        "publisher": publisher,
        "lead": [*lead(facts), *asides(facts)],
        "sections": [one for one in sections if one],
        "footer": _("Record %(id)s") % {"id": facts.record.pk},
    }


def _person(facts: Facts) -> dict[str, Any]:
    entry = facts.entry
    rows: list[Row] = [(_("Random number of the person"), str(facts.record.subject), True)]
    address = facts.address or _("not stored any more; a claimed one can be compared")
    rows.append((_("Address"), address, False))
    if facts.channel:
        rows.append((_("Channel"), facts.channel.name, False))
        provider = ", ".join(
            filter(None, [facts.channel.provider_name, facts.channel.provider_country])
        )
        rows.append((_("Provider"), provider, False))
    elif entry:
        rows.append((_("Channel"), entry["channel"], False))
    return _section(_("Person"), rows)


def _wording(facts: Facts) -> dict[str, Any]:
    if facts.wording is None:
        text = _("For this change no wording was shown: whoever ends or changes needs none.")
        return _section(_("Wording that was shown"), [], text=[text])
    rows: list[Row] = [
        (_("SHA-256 of the wording"), facts.wording.pk, True),
        (_("SHA-256 of the privacy notice"), facts.wording.notice_id, True),
    ]
    return _section(_("Wording that was shown"), rows, quote=facts.wording.text)


def _declaration(facts: Facts) -> dict[str, Any]:
    """The two steps in their order; what else the evidence holds after them."""
    evidence, rows = facts.evidence, list[Row]()
    steps = {"request": _("Request"), "answer": _("Declaration")}
    for part in sorted(evidence, key=lambda part: (part != "request", part != "answer", part)):
        told = evidence[part]
        if part in steps and isinstance(told, dict):
            named = sorted(told.items(), key=lambda item: (_rank(item[0]), item[0]))
            rows += [(f"{steps[part]}: {label(key)}", _told(value), False) for key, value in named]
        elif part != "question":  # its two hashes stand beside the wording
            rows.append((label(part), _told(told), False))
    return _section(_("Declaration"), rows)


def _rank(key: str) -> int:
    return FIRST.index(key) if key in FIRST else len(FIRST)


def _told(value: object) -> str:
    return value_text(value) if value not in (None, "", [], {}) else ""


def _proof(facts: Facts) -> dict[str, Any]:
    rows: list[Row] = [(_("Hash of the record"), facts.leaf, True)]
    entry = facts.entry
    rows += [
        (_("Commitment: %(name)s") % {"name": name}, entry[key], True)
        for key, name in (
            ("c_subject", _("Person")),
            ("c_identity", _("Address")),
            ("c_evidence", _("Declaration")),
        )
        if key in entry
    ]
    if facts.inclusion:
        place = _("%(index)s of %(size)s") % {
            "index": facts.inclusion.index + 1,
            "size": facts.inclusion.size,
        }
        rows += [
            (_("Number in the log"), place, False),
            (_("Root of the checkpoint"), bytes(facts.inclusion.root).hex(), True),
            (_("Checkpoint"), facts.inclusion.checkpoint, True),
        ]
    rows.append((_("Exact bytes of the record"), facts.raw.decode(), True))
    return _section(_("Proof"), rows)


def _limits() -> dict[str, Any]:
    lines = [
        _(
            "Proven is that these words were shown, that this declaration came from this address, "
            "and that the record has not been changed since its checkpoint. A witness, where one "
            "has cosigned, proves it against the publisher, too."
        ),
        _(
            "Not proven is who held the telephone, nor the time before the checkpoint, which the "
            "publisher and the messenger state."
        ),
        _("How to check it: the file verify.py of the package, or docs/proof.md."),
    ]
    return _section(_("What this proves, and what it does not"), [], text=lines)


def _section(
    title: str, rows: list[Row], *, text: list[str] | None = None, quote: str = ""
) -> dict[str, Any]:
    shown = [(name, breakable(value), code) for name, value, code in rows if value]
    return {
        "title": title,
        "text": text or [],
        "quote": quote,
        "head": [_("What"), _("Value")],
        "rows": shown,
    }


def _title(facts: Facts) -> str:
    if facts.is_customer:
        return _("Proof of an existing customer (§ 7(3) UWG), no consent")
    if facts.record.state in YES:
        return _("Proof of consent")
    return _("Proof of a change of consent")


def _state(facts: Facts) -> str:
    if facts.is_customer:
        return _("§ 7(3) UWG, existing customer")
    return str(STATES.get(facts.record.state, facts.record.state))


def _when(facts: Facts) -> str:
    moment = facts.record.at.astimezone(ZoneInfo(settings.DISPLAY_TIME_ZONE))
    return date_format(moment, "DATETIME_FORMAT")
