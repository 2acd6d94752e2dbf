"""What a text has to say, and must not say, before anybody is asked to agree to it. Pure.

A finding names what is missing or where something stands that may not; publication waits until
there is none. Rules of language, not of law: they catch what was forgotten, and a person who wants
to get around them can. That is why somebody else looks at each text, too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.utils.translation import gettext

from messengers.placeholders import PlaceholderErrors, Slot, parse
from messengers.registry import ADAPTERS
from messengers.words import gettext_noop

WORDS_SHOWN = 3  # before what somebody has to fill in
MAX_WORDING = 1_500  # characters: more is not read before it is agreed to
# BGH VI ZR 721/15: who, what, how often and where must stand in what people agree to.
REQUIRED = ("newsletter", "publisher", "what", "frequency", "channel", "notice_url", "imprint_url")
LINK = "confirm_url"
YES_WORD = {"de": "JA", "en": "YES"}
AUTOMATIC = {"de": "automatisch", "en": "automatic"}
UNKNOWN = {"de": "(noch einzutragen)", "en": "(still to be filled in)"}

MESSAGES = {
    "placeholder": gettext_noop("%(found)s"),
    "missing": gettext_noop("{%(name)s} is missing."),
    "unknown": gettext_noop("{%(name)s} is not known here."),
    "yes_word": gettext_noop("Say how to agree: %(word)s."),
    "stop_word": gettext_noop("Say how to leave: STOP."),
    "automatic": gettext_noop("Say that this is an automatic service (%(word)s)."),
    "link": gettext_noop(
        "No links but {notice_url}, {imprint_url} and {confirm_url}: “%(found)s”."
    ),
    "advertises": gettext_noop(
        "A confirmation must not advertise: take the praise and the offers out (“%(found)s”)."
    ),
    "picture": gettext_noop("No pictures in a confirmation."),
    "others": gettext_noop(
        "People agree to the news of one publisher: no partners, sponsors or group companies "
        "(“%(found)s”)."
    ),
    "hidden": gettext_noop(
        "Nothing else may be agreed to along the way: no terms, calls or profiles (“%(found)s”)."
    ),
    "too_long": gettext_noop("At most %(max)s characters."),
    "controller": gettext_noop("Who is responsible (Art. 13(1)(a) GDPR)."),
    "contact": gettext_noop("How to reach them: an e-mail address (Art. 13(1)(a) GDPR)."),
    "dpo": gettext_noop("The data-protection officer (Art. 13(1)(b) GDPR)."),
    "purposes": gettext_noop("The purposes (Art. 13(1)(c) GDPR)."),
    "basis": gettext_noop("The legal basis, by article (Art. 13(1)(c) GDPR)."),
    "interests": gettext_noop(
        "The legitimate interests that are pursued (Art. 13(1)(d) GDPR, section 7(3) UWG)."
    ),
    "recipients": gettext_noop("Who gets the data (Art. 13(1)(e) GDPR)."),
    "transfers": gettext_noop(
        "Whether data go to third countries, and with which safeguards (Art. 13(1)(f) GDPR)."
    ),
    "retention": gettext_noop("How long the data are kept (Art. 13(2)(a) GDPR)."),
    "right_15": gettext_noop("The right of access (Art. 13(2)(b), 15 GDPR)."),
    "right_16": gettext_noop("The right to rectification (Art. 13(2)(b), 16 GDPR)."),
    "right_17": gettext_noop("The right to erasure (Art. 13(2)(b), 17 GDPR)."),
    "right_18": gettext_noop("The right to restriction (Art. 13(2)(b), 18 GDPR)."),
    "right_20": gettext_noop("The right to data portability (Art. 13(2)(b), 20 GDPR)."),
    "right_21": gettext_noop("The right to object (Art. 13(2)(b), 21 GDPR)."),
    "withdrawal": gettext_noop("That consent can be withdrawn (Art. 13(2)(c) GDPR)."),
    "complaint": gettext_noop("The complaint to a supervisory authority (Art. 13(2)(d) GDPR)."),
    "provision": gettext_noop(
        "Whether the data have to be given, and what happens without (Art. 13(2)(e) GDPR)."
    ),
    "decisions": gettext_noop("That there are no automated decisions (Art. 13(2)(f) GDPR)."),
    "source": gettext_noop("Where the data come from, for imported lists (Art. 14(2)(f) GDPR)."),
    "objection": gettext_noop(
        "The right to object to direct marketing, under a heading of its own (Art. 21(4) GDPR)."
    ),
    "no_notice": gettext_noop("Publish a privacy notice in this language first."),
    "facts_advertise": gettext_noop(
        "The newsletter's own description advertises or says too much (“%(found)s”): change that."
    ),
    "unfilled": gettext_noop("Fill this in: “%(found)s”."),
}


@dataclass(frozen=True)
class Finding:
    """One thing that keeps a text from being published; line and column count from 1, 0 is none."""

    code: str
    facts: dict[str, str | int] = field(default_factory=dict)
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """In English, for a log or a command."""
        return self._said(MESSAGES[self.code])

    def explain(self) -> str:
        """In the reader's language."""
        said = self._said(gettext(MESSAGES[self.code]))
        if not self.line:
            return said
        where = gettext("Line %(line)s, column %(column)s:")
        return f"{where % {'line': self.line, 'column': self.column}} {said}"

    def _said(self, message: str) -> str:
        return message % self.facts if self.facts else message


# OLG Düsseldorf I-15 U 64/15, OLG Celle 13 U 15/14: a confirmation that advertises is advertising.
ADVERTISING = re.compile(
    r"\b(gratis|kostenlos\w*|rabatt\w*|gutschein\w*|gewinnspiel\w*|gewinnen sie|sonderangebot\w*|"
    r"sichern sie|jetzt kaufen|bestellen sie|exklusiv\w*|nur heute|for free|free of charge|"
    r"discount\w*|vouchers?|prizes?|special offers?|for sale|exclusive\w*|buy now|order now|"
    r"limited time)\b",
    re.IGNORECASE,
)
# A link in any dress: with a scheme, with www., or a bare name below a usual top-level domain.
ADDRESS = re.compile(
    r"\b(?:https?://|www\.)\S+|(?<![@\w.])[\w-]+(?:\.[\w-]+)*"
    r"\.(?:de|com|org|net|info|eu|at|ch|io|shop|app|news|me|ly|to|uk|biz)\b(?:/\S*)?",
    re.IGNORECASE,
)
OTHERS = re.compile(
    r"\b(partner(?:n|s|unternehmen\w*|firmen)?|sponsor\w*|dritten?|verbundenen? unternehmen|"
    r"konzern\w*|third part(?:y|ies)|affiliat\w*|group compan\w*)\b",
    re.IGNORECASE,
)
HIDDEN = re.compile(
    r"\b(agb|\w*bedingungen|telefonisch\w*|anrufe?n?|per telefon|per post|profile?n?|tracking|"
    r"terms|by (?:tele)?phone|phone calls?|by post|profiling)\b",
    re.IGNORECASE,
)
PATTERNS = (("link", ADDRESS), ("advertises", ADVERTISING), ("others", OTHERS), ("hidden", HIDDEN))


def wording_findings(template: str, language: str, channel_kind: str) -> list[Finding]:
    """What keeps a confirmation text from being published; empty if nothing does."""
    try:
        slots = {part.name for part in parse(template, allowed=None) if isinstance(part, Slot)}
    except PlaceholderErrors as errors:
        return [Finding("placeholder", {"found": str(errors)})]
    is_mail = ADAPTERS[channel_kind].transport == "smtp"
    needed = {*REQUIRED, LINK} if is_mail else set(REQUIRED)
    found = [Finding("missing", {"name": name}) for name in sorted(needed - slots)]
    found += [Finding("unknown", {"name": name}) for name in sorted(slots - {*REQUIRED, LINK})]
    found += _words(template, language)
    found += said_too_much(template)
    if "![" in template:
        found.append(_at("picture", template, template.index("![")))
    if len(template) > MAX_WORDING:
        found.append(Finding("too_long", {"max": MAX_WORDING}))
    return found


def said_too_much(text: str) -> list[Finding]:
    """Links, advertising, other companies and other consents, each with its place."""
    return [
        _at(code, text, match.start(), found=match.group()[:60])
        for code, pattern in PATTERNS
        for match in pattern.finditer(text)
    ]


def _words(template: str, language: str) -> Iterator[Finding]:
    words = set(re.findall(r"\w+", template))
    if YES_WORD[language] not in words:
        yield Finding("yes_word", {"word": YES_WORD[language]})
    if "STOP" not in words:
        yield Finding("stop_word")
    if AUTOMATIC[language] not in template.lower():
        yield Finding("automatic", {"word": AUTOMATIC[language]})


def _at(code: str, text: str, position: int, **facts: str | int) -> Finding:
    before = text[:position]
    line = before.count("\n") + 1
    return Finding(code, facts, line, position - (before.rfind("\n") + 1) + 1)


# --- The privacy notice ---

# Item -> what one of these has to match, by language.
ITEMS: dict[str, dict[str, str]] = {
    "controller": {"de": r"verantwortlich", "en": r"responsible|controller"},
    "contact": {"de": r"\S+@\S+\.\w", "en": r"\S+@\S+\.\w"},
    "dpo": {"de": r"datenschutzbeauftragt", "en": r"data[- ]protection officer"},
    "purposes": {"de": r"\bzwecke?n?\b|\bwozu\b", "en": r"\bpurposes?\b|\band why\b"},
    "basis": {"de": r"art(\.|ikel) ?6\b", "en": r"art(\.|icle) ?6\b"},
    "recipients": {"de": r"empfäng|wer die daten bekommt", "en": r"recipient|who gets the data"},
    "transfers": {
        "de": r"drittl[aä]nd|außerhalb de[rs] (eu|europ)",
        "en": r"third countr|outside (of )?the (eu|europ)",
    },
    "retention": {
        "de": r"wie lange|speicherdauer|aufbewahr",
        "en": r"how long|retention|\bkeep\b|\bkept\b",
    },
    "right_15": {"de": r"auskunft", "en": r"\baccess\b"},
    "right_16": {"de": r"berichtig", "en": r"rectif|correct"},
    "right_17": {"de": r"löschung", "en": r"erasure|deletion"},
    "right_18": {"de": r"einschränkung", "en": r"restrict"},
    "right_20": {"de": r"übertragbarkeit", "en": r"portab"},
    "right_21": {"de": r"widerspr[uei]", "en": r"\bobject"},
    "withdrawal": {"de": r"widerruf", "en": r"withdraw"},
    "complaint": {"de": r"beschwer", "en": r"complain"},
    "provision": {
        "de": r"freiwillig|verpflichtet|vorgeschrieben",
        "en": r"voluntary|obliged|required to",
    },
    "decisions": {
        "de": r"automatisierte[nr]? (einzel)?entscheid",
        "en": r"automated (individual )?decision",
    },
}
INTERESTS = {"de": r"berechtigte[ns]? interesse", "en": r"legitimate interest"}
SOURCE = {"de": r"quelle|herkunft|woher|übernommen", "en": r"\bsource\b|come from|taken over"}
RELIES_ON_INTERESTS = re.compile(
    r"6 ?(abs\. ?1|\(1\)) ?(buchst\.|lit\.|\()? ?f\b|7 ?\(3\)|7 abs\. 3", re.IGNORECASE
)
OBJECTION = {
    "de": (r"widerspr", r"direktwerbung|werbung"),
    "en": (r"\bobject", r"direct marketing|advertising"),
}
HEADING = re.compile(r"^#{1,6} +(.*)$", re.MULTILINE)


def notice_findings(
    text: str, language: str, *, has_customers: bool = False, has_lists: bool = False
) -> list[Finding]:
    """Which items of Art. 13 (of Art. 14, with `has_lists`) and 21(4) GDPR a notice lacks.

    `has_customers`: somebody is written to without consent, so the interests must be named.
    """
    lower = text.lower()
    found = [Finding(item) for item, by in ITEMS.items() if not re.search(by[language], lower)]
    relies = has_customers or RELIES_ON_INTERESTS.search(lower)
    if relies and not re.search(INTERESTS[language], lower):
        found.append(Finding("interests"))
    if has_lists and not re.search(SOURCE[language], lower):
        found.append(Finding("source"))
    if not _objection_stands_alone(text, language):
        found.append(Finding("objection"))
    for filler in {UNKNOWN[language], "…"}:
        found += [
            _at("unfilled", text, match.start(), found=_in_context(text, match.start(), filler))
            for match in re.finditer(re.escape(filler), text)
        ]
    return found


def _objection_stands_alone(text: str, language: str) -> bool:
    """Whether a section of its own, named in its heading, tells of the right to object."""
    named, about = OBJECTION[language]
    headings = list(HEADING.finditer(text))
    ends = [*(one.start() for one in headings), len(text)][1:]
    return any(
        re.search(named, one.group(1).lower()) and re.search(about, text[one.end() : end].lower())
        for one, end in zip(headings, ends, strict=True)
    )


def _in_context(text: str, position: int, filler: str) -> str:
    """What somebody has to fill in, with the last words before it."""
    start = text.rfind("\n", 0, position) + 1
    before = " ".join(text[start:position].split()[-WORDS_SHOWN:])
    return f"{before} {filler}".strip()
