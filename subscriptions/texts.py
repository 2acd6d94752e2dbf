"""What we write to people: `.txt` templates by language, filled only when they leave.

A template is Markdown with placeholders of the closed grammar; a first line "Subject: …" is for
messengers that have one. Values travel beside it, sealed, because the content itself is stored in
clear (`messengers.outbox.reply`).
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from django.conf import settings
from django.urls import reverse

from messengers.contract import Button, Capabilities, Content, Purpose
from messengers.models import Channel
from messengers.placeholders import FALLBACK_MAX, escape, parse
from messengers.registry import ADAPTERS
from subscriptions.models import Newsletter, Subscription, Topic

FOLDER = Path(__file__).parent / "templates" / "subscriptions" / "messages"
LANGUAGES = ("de", "en")
SUBJECT = "Subject: "
# Names that are not messages of their own but parts of a wording, or a page.
PARTS = {
    "wording_chat", "wording_mail", "confirmation_subject", "notice",
    "objection_footer", "machine_text",
}  # fmt: skip

# What a button says, by payload's first word.
LABELS = {
    "de": {"yes": "JA", "no": "NEIN", "age": "JA", "stop": "Abbestellen", "keep": "Alles so lassen"}
    | {"topics": "Themen", "confirm": "Anmeldung bestätigen"},
    "en": {"yes": "YES", "no": "NO", "age": "YES", "stop": "Unsubscribe", "keep": "Keep everything"}
    | {"topics": "Topics", "confirm": "Confirm subscription"},
}
ALL_TOPICS = {"de": "alle Themen", "en": "all topics"}
NO_TOPICS = {"de": "nur Nachrichten ohne Thema", "en": "only messages without a topic"}


@cache
def template(name: str, language: str) -> tuple[str, str]:
    """(subject, text) of a message; an unknown language reads German."""
    spoken = language if language in LANGUAGES else LANGUAGES[0]
    text = (FOLDER / f"{name}.{spoken}.txt").read_text(encoding="utf-8").strip()
    first, _, rest = text.partition("\n")
    if first.startswith(SUBJECT):
        return first.removeprefix(SUBJECT), rest.strip()
    return "", text


def message_names() -> list[str]:
    """Every message there is, for the test that measures them against each messenger."""
    return sorted({path.name.split(".")[0] for path in FOLDER.glob("*.txt")} - PARTS)


def content(
    name: str, language: str, *, buttons: Iterable[Button] = (), purpose: Purpose = "reply"
) -> Content:
    """The message `name` as content with open placeholders."""
    subject, text = template(name, language)
    return Content(text, language, subject, tuple(buttons), purpose=purpose)


def fill(text: str, values: Mapping[str, str], *, keep: Iterable[str] = ()) -> str:
    """`text` with `values` in it, each shown exactly as it is; placeholders in `keep` stay."""
    kept, made = set(keep), ""
    for segment in parse(text, allowed=None):
        if isinstance(segment, str):
            made += escape(segment)
        elif segment.name in kept:
            made += f"{{{segment.name}}}"
        else:
            value = values.get(segment.name, segment.fallback)
            if value is None:
                raise KeyError(segment.name)
            made += escape(value if segment.is_url else _plain(value))
    return made


_INLINE = re.compile(r"([\\`*_\[\]<>])")


def _plain(value: str) -> str:
    return _INLINE.sub(r"\\\1", " ".join(value.split()))


def newsletter_values(newsletter: Newsletter, language: str) -> dict[str, str]:
    """What every text may say about a newsletter."""
    return {
        "newsletter": newsletter.name,
        "publisher": newsletter.publisher,
        "what": newsletter.what(language),
        "frequency": newsletter.frequency(language),
        "imprint_url": newsletter.imprint_url,
    }


def objection_footer(newsletter: Newsletter, language: str) -> str:
    """What section 7(3) no. 4 UWG demands in each message to an existing customer."""
    text = template("objection_footer", language)[1]
    return fill(text, newsletter_values(newsletter, language), keep=["unsubscribe_url"])


def page(name: str, *args: object) -> str:
    """The whole address of one of our pages."""
    return settings.JAWORT_ORIGIN.rstrip("/") + reverse(name, args=args)


def able(channel: Channel) -> Capabilities:
    return ADAPTERS[channel.kind].capabilities


def is_mail(kind: str) -> bool:
    """Whether people answer there by letters: buttons cannot send a payload back to us."""
    return ADAPTERS[kind].transport == "smtp"


def payload_buttons(channel: Channel, language: str, *payloads: str) -> list[Button]:
    """Buttons that answer for the person; none where a messenger cannot carry them."""
    if is_mail(channel.kind):
        return []
    labels = LABELS.get(language, LABELS["de"])
    buttons = [Button(labels[text.partition(":")[0]], payload=text) for text in payloads]
    return buttons[: able(channel).buttons_max]


def choice_button(channel: Channel, slot: str, label: str, payload: str) -> tuple[Button, str]:
    """A button whose label is a sealed value: what somebody has chosen is nobody's business."""
    room = able(channel).button_label_max or FALLBACK_MAX
    shown = label if len(label) <= room else label[: room - 1] + "…"
    fallback = re.sub(r"[{}\n]", " ", shown)[:FALLBACK_MAX]
    return Button(f"{{{slot}|{fallback}}}", payload=payload), shown


def topic_list(topics: Iterable[Topic], language: str, *, of: int) -> str:
    """The topics by name; `of` is how many the newsletter has."""
    names = [topic.name(language) for topic in topics]
    if len(names) == of:
        return ALL_TOPICS.get(language, ALL_TOPICS["de"])
    return ", ".join(names) or NO_TOPICS.get(language, NO_TOPICS["de"])


def topic_buttons(subscription: Subscription) -> tuple[list[Button], dict[str, str]]:
    """One button for each topic, ticked if it is chosen; and the sealed labels as values."""
    channel, language = subscription.channel, subscription.language
    topics = list(subscription.newsletter.topics.all())
    if is_mail(channel.kind):
        return [], {}
    chosen = set(subscription.topics.values_list("pk", flat=True))
    buttons, labels = [], {}
    for number, topic in enumerate(topics[: able(channel).buttons_max], start=1):
        slot, mark = f"topic_{number}", "✓ " if topic.pk in chosen else "○ "
        name = mark + topic.name(language)
        button, labels[slot] = choice_button(channel, slot, name, f"topic:{topic.pk}")
        buttons.append(button)
    return buttons, labels
