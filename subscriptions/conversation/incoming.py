"""Something a person said: a text, or the payload of a button of ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from messengers.models import Channel
from subscriptions.queries import keyword_table
from subscriptions.words import Intent, Reading, read_word

MAX_TEXT_KEPT = 4_000  # characters of a text in evidence and inbox

# First word of a payload -> what it asks for. What follows the colon is an id.
PAYLOADS = {
    "yes": Intent.YES,
    "age": Intent.YES,  # of the question before: never a consent
    "no": Intent.NO,
    "stop": Intent.STOP,
    "start": Intent.START,
    "topic": Intent.TOPICS,
    "topics": Intent.TOPICS,
    "help": Intent.HELP,
}


@dataclass(frozen=True)
class Incoming:
    """One message of a person. `is_proved` is false where a sender can be forged (mail)."""

    channel: Channel
    canonical: str = field(repr=False)
    text: str = field(repr=False)
    at: datetime
    payload: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    ref: str = field(default="", repr=False)
    is_proved: bool = True

    @property
    def method(self) -> str:
        return "button" if self.payload else "keyword"

    @property
    def evidence(self) -> Mapping[str, Any]:
        """What proves it later: the very words, and the provider's id of the message."""
        said = {"button": self.payload} if self.payload else {"text": self.text[:MAX_TEXT_KEPT]}
        return {**said, "message_id": self.ref, "sender": self.canonical}


@dataclass(frozen=True)
class Understood:
    """A reading, and the id that a button carried."""

    reading: Reading
    target: UUID | None = None
    is_keep: bool = False
    is_age: bool = False


def understand(incoming: Incoming) -> Understood:
    """What is asked for. A payload that none of our buttons has is nothing."""
    if not incoming.payload:
        return Understood(read_word(incoming.text, keyword_table(incoming.channel)))
    name, _, target = incoming.payload.partition(":")
    if name == "keep":
        return Understood(Reading(Intent.NONE), is_keep=True)
    intent = PAYLOADS.get(name, Intent.NONE)
    found = _uuid(target)
    newsletter = str(found) if found and intent in (Intent.START, Intent.STOP) else ""
    return Understood(Reading(intent, newsletter=newsletter), found, is_age=name == "age")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
