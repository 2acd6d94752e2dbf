"""What an adapter, a transport and the engine say to each other. Pure Python: no Django, no I/O.

An adapter translates between our words and one provider's. It decides nothing and calls nobody: the
engine asks it for a request, a transport carries the request out, and the adapter reads the answer.

Conventions that hold for every adapter:

- Header names of requests, responses and webhooks are lower-case.
- An *attempt* is the opaque id that the engine gives to one call: lower-case ASCII letters and
  digits, 1 to `ATTEMPT_MAX` characters, so that it survives as local part of an e-mail address.
- An *address* is in the adapter's canonical form; `canonical` makes it, nothing else does.
- Nothing here shows an address, a text or a secret in its `repr`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol, TypeVar, dataclass_transform
from uuid import UUID

import orjson

ATTEMPT_MAX = 52
ATTEMPT = re.compile(rf"[a-z0-9]{{1,{ATTEMPT_MAX}}}")

Purpose = Literal["broadcast", "reply", "confirmation", "test"]
Unit = Literal["characters", "bytes"]
# What has to wait: this person; our sender; our account; all accounts of ours under one app.
Scope = Literal["recipient", "sender", "account", "app"]
ReceiptStatus = Literal["delivered", "read", "undelivered"]
OptOutCause = Literal["blocked", "kicked", "complaint", "unsubscribed"]


class Reason(StrEnum):
    """Why a provider refused, in the words the engine reacts to."""

    PERMANENT_RECIPIENT = "permanent_recipient"  # this address cannot be reached: no retry
    OPTED_OUT = "opted_out"  # the person blocked or stopped us there: a withdrawal
    POLICY_WINDOW = "policy_window"  # not now, or not this kind of content
    THROTTLED = "throttled"  # too fast: wait
    AUTH_CONFIG = "auth_config"  # our account, token or content is wrong; never the person's fault
    TEMPORARY = "temporary"  # their trouble: try again, a bounded number of times
    UNKNOWN = "unknown"  # unmapped: a few retries, then failed


class BadAddress(ValueError):
    """The identifier cannot be an address of this messenger. The text never repeats it."""


class RenderError(ValueError):
    """This content cannot be filled for this person; others are fine. `code` is a short token."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BadPayload(ValueError):
    """A verified webhook body that this adapter cannot read."""


T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def small_value(cls: type[T]) -> type[T]:
    """A frozen dataclass to the type checker, a quick one at run time.

    A frozen one calls `object.__setattr__` for each field: 0.9 µs for seven of them, a quarter of
    that so. These are made for each message.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


# --- What is said -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Button:
    """A button under a message: opens `url`, or sends `payload` back to us. Exactly one of them."""

    label: str
    url: str = ""
    payload: str = ""

    def __post_init__(self) -> None:
        if bool(self.url) == bool(self.payload):
            raise ValueError("A button has either a url or a payload: give exactly one of them.")


@dataclass(frozen=True, slots=True)
class Image:
    """A stored picture: `key` of the file, text for those who cannot see it, and its media type."""

    key: str
    alt: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Content:
    """One message before it is rendered: Markdown subset with closed placeholders.

    Markdown, subject, button labels and button urls may hold placeholders
    (`messengers.placeholders`). `language` is a code like "de". `footer` is more Markdown, for
    those alone whose gate demands it.
    """

    markdown: str = field(repr=False)
    language: str
    subject: str = field(default="", repr=False)
    buttons: tuple[Button, ...] = field(default=(), repr=False)
    image: Image | None = field(default=None, repr=False)
    purpose: Purpose = "broadcast"
    footer: str = field(default="", repr=False)

    def with_footer(self) -> Content:
        """The content as it reads with its footer, which stands at the end of the text."""
        text = f"{self.markdown.rstrip()}\n\n---\n\n{self.footer}" if self.footer else self.markdown
        return replace(self, markdown=text, footer="")

    def to_json(self) -> dict[str, Any]:
        """The content as a JSON-able dictionary; `from_json` is the way back."""
        image = self.image
        return {
            "markdown": self.markdown,
            "language": self.language,
            "subject": self.subject,
            "buttons": [
                {"label": b.label, "url": b.url, "payload": b.payload} for b in self.buttons
            ],
            "image": image and {"key": image.key, "alt": image.alt, "media_type": image.media_type},
            "purpose": self.purpose,
            "footer": self.footer,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Content:
        """Read what `to_json` wrote. Raises `KeyError`, `TypeError` or `ValueError` otherwise."""
        image = data.get("image")
        return cls(
            markdown=data["markdown"],
            language=data["language"],
            subject=data.get("subject", ""),
            buttons=tuple(Button(**button) for button in data.get("buttons", ())),
            image=Image(**image) if image else None,
            purpose=data.get("purpose", "broadcast"),
            footer=data.get("footer", ""),
        )


@small_value
class Message:
    """What one person gets, in the messenger's own dialect; nothing is left to replace."""

    text: str = field(repr=False)
    html: str = field(default="", repr=False)
    subject: str = field(default="", repr=False)
    buttons: tuple[Button, ...] = field(default=(), repr=False)
    image: Image | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


class Rendered(Protocol):
    """A content made ready once; filled for every recipient."""

    def fill(self, values: Mapping[str, str]) -> Message:
        """The message for one person; values are escaped for the dialect.

        Raises `RenderError` when this person's values do not fit the messenger's limits.
        """


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a content cannot go out on this messenger, told while it is being written.

    `code` is a short token, `field` names the part ("markdown", "subject", "buttons", "image"),
    `facts` hold the numbers; `messengers.problems.explain` says it in the reader's language and
    `message` in English.
    """

    code: str
    message: str
    field: str = "markdown"
    facts: tuple[tuple[str, str | int], ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """Safe HTML of a message. `document`: a whole page with styles of its own, for a sandboxed
    frame and a response of its own; otherwise a fragment for our pages (subject, picture and
    buttons are the page's own business)."""

    html: str = field(repr=False)
    document: bool = False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a messenger can carry. `text_max` counts in `unit` after rendering; 0 is no limit."""

    text_max: int
    caption_max: int
    unit: Unit = "characters"
    buttons_max: int = 0
    button_label_max: int = 0
    image: bool = False
    image_max_bytes: int = 0
    image_types: frozenset[str] = frozenset()
    subject: bool = False
    receipts: frozenset[ReceiptStatus] = frozenset()
    bulk: int = 1  # messages per bulk call; 1: there is none
    attempt_echo: bool = False  # receipts name our attempt id
    opens_conversation: bool = False  # we may write first


# --- To whom and through what -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """One account at one provider. `origin` is our own public address, for links and hooks."""

    id: UUID
    kind: str
    settings: Mapping[str, Any] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    origin: str
    name: str


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting a channel of this kind needs; a secret one is sealed and never shown again.

    `kind` says what may be typed: "mail" an address, "url" one of the web, "token" what a header
    of HTTP may hold.
    """

    name: str
    label: str
    secret: bool = False
    required: bool = True
    default: str = ""
    kind: Literal["text", "mail", "url", "token"] = "text"


@small_value
class HttpRequest:
    """One HTTP call. URL, headers and body may hold secrets and addresses: none is shown."""

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class SmtpRequest:
    """One mail for one recipient: envelope and the finished message with CRLF line ends."""

    mail_from: str = field(repr=False)
    rcpt: str = field(repr=False)
    data: bytes = field(repr=False)
    message_id: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where a mail account submits its mail; "tls" is implicit TLS."""

    host: str
    port: int
    security: Literal["tls", "starttls", "plain"]
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    connections: int = 4
    per_connection: int = 100
    ca_file: str = ""
    ehlo: str = "localhost"  # our name in the greeting
    plain_allowed: bool = False  # plain text to another machine only when someone said so


@small_value
class HttpResponse:
    """The provider's answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """The body read as JSON, or None if it is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


@dataclass(frozen=True, slots=True)
class SmtpResponse:
    """The mail server's answer: reply code, enhanced status (RFC 3463) or "", and its text.

    `message_id` is that of the request: SMTP has no id of its own that could be relied on.
    """

    code: int
    enhanced: str = ""
    text: str = field(default="", repr=False)
    message_id: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing left this machine: no name, no connection, no TLS. Trying again is harmless."""

    cause: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Something may have left and no answer came: nobody can say whether the person got it."""

    cause: str


Request = HttpRequest | SmtpRequest
Response = HttpResponse | SmtpResponse
Outcome = HttpResponse | SmtpResponse | NotSent | Lost


@small_value
class Accepted:
    """The provider took the message. Its id counts as an identifier: store a keyed hash."""

    provider_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider said no. `retry_after` is in seconds; `scope` tells what has to wait.

    `stops`: waiting does not help, a person has to look before a broadcast goes on.
    """

    reason: Reason
    code: str = ""
    retry_after: float | None = None
    scope: Scope = "recipient"
    stops: bool = False


@dataclass(frozen=True, slots=True)
class InDoubt:
    """An answer that leaves open whether the message was taken."""

    cause: str


Answer = Accepted | Refused | InDoubt


@dataclass(frozen=True, slots=True)
class Call:
    """One message of a bulk call."""

    address: str = field(repr=False)
    message: Message
    attempt: str


# --- What comes in ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextEvent:
    """Somebody wrote to us, or pressed a button (`payload`).

    `ref` is unique per channel and repeats when the provider repeats the event; it holds nothing
    about a person. `sender` is who the provider says it is, in its own spelling: `canonical` is for
    whoever works on the event, as nothing before that asks for it. `reply_to` is the provider id of
    the message that was answered, where the provider tells. `attempt` names our call that was
    answered, proved by an id only its receiver knows: the sender of a mail can be forged, so a
    consent given by mail needs it.
    """

    ref: str
    at: datetime
    sender: str = field(repr=False)
    text: str = field(repr=False)
    payload: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    reply_to: str = field(default="", repr=False)
    attempt: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptEvent:
    """What became of an accepted message. Matched by `attempt` if given, else by `provider_id`."""

    ref: str
    at: datetime
    provider_id: str = field(default="", repr=False)
    attempt: str = ""
    status: ReceiptStatus = "delivered"
    reason: Reason | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class OptOutEvent:
    """The platform says that this person wants nothing more from us.

    `sender` may be empty when the platform hides it (complaint reports do); then `attempt` names
    the delivery that was complained about or answered.
    """

    ref: str
    at: datetime
    sender: str = field(repr=False)
    cause: OptOutCause = "blocked"
    attempt: str = ""


Event = TextEvent | ReceiptEvent | OptOutEvent
PersonEvent = TextEvent | OptOutEvent
# A receipt without an object around it: they come by the thousand. Our attempt and the provider's
# id, one of which may be empty; the status; for "undelivered" the reason or code, else "".
ReceiptRow = tuple[str, str, ReceiptStatus, str]


def receipt_row(event: ReceiptEvent) -> ReceiptRow:
    cause = str(event.reason or event.code) if event.status == "undelivered" else ""
    return (event.attempt, event.provider_id, event.status, cause)


@dataclass(frozen=True, slots=True)
class HookReply:
    """What to answer to a provider's handshake instead of the plain 200."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


# --- The adapter --------------------------------------------------------------------------------


class Adapter(ABC):
    """One provider, in one file: it translates, decides nothing and does no I/O."""

    kind: ClassVar[str]
    label: ClassVar[str]
    transport: ClassVar[Literal["http", "smtp"]]
    capabilities: ClassVar[Capabilities]
    settings: ClassVar[tuple[SettingField, ...]] = ()

    def __init__(self, account: Account) -> None:
        self.account = account

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.account.id}>"

    @abstractmethod
    def canonical(self, identifier: str) -> str:
        """The one spelling under which this address is stored and found. Raises `BadAddress`."""

    @abstractmethod
    def mask(self, identifier: str) -> str:
        """Enough of a canonical address to recognise it on a screen, not enough to use it."""

    @abstractmethod
    def check(self, content: Content) -> list[Problem]:
        """What keeps this content from going out here; empty if nothing does."""

    @abstractmethod
    def preview(self, message: Message) -> Preview:
        """How the messenger will show this message."""

    @abstractmethod
    def render(self, content: Content) -> Rendered:
        """Make the content ready, once per dispatch. `RenderError` if `check` has problems."""

    def prepare(self, image: Image, data: bytes) -> Request | None:
        """The upload that has to come first, once per dispatch. `RenderError` if it cannot go.

        None where none is needed: then the engine gives `request` the picture itself, as
        `prepared = {"image": data}`, and stores nothing.
        """
        return None

    def prepared(self, response: Response) -> dict[str, Any]:
        """What `request` needs to know from the upload's answer. `RenderError` if refused."""
        return {}

    @abstractmethod
    def request(
        self, address: str, message: Message, attempt: str, prepared: Mapping[str, Any]
    ) -> Request:
        """The call that sends this message to this address."""

    @abstractmethod
    def answer(self, response: Response) -> Answer:
        """What the provider's answer means. Never raises: garbage is `InDoubt` or `Refused`."""

    def bulk_request(self, calls: Sequence[Call], prepared: Mapping[str, Any]) -> Request:
        """One call for up to `capabilities.bulk` messages."""
        raise NotImplementedError(f"{self.kind} has no bulk call: see capabilities.bulk.")

    def bulk_answer(self, response: Response, count: int) -> list[Answer]:
        """`count` answers in the order of the calls."""
        raise NotImplementedError(f"{self.kind} has no bulk call: see capabilities.bulk.")

    def smtp_server(self) -> SmtpServer:
        """Where the SMTP transport of this account connects to."""
        raise NotImplementedError(f"{self.kind} does not send by SMTP.")

    def handshake(self, method: str, query: Mapping[str, str]) -> HookReply | None:
        """The answer when a provider asks whether the hook is ours; None if it did not."""
        return None

    @abstractmethod
    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the provider really sent these raw bytes, just now. Never raises."""

    @abstractmethod
    def read_events(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        """The events in a verified body; unknown ones are left out. Raises `BadPayload`."""

    def read_hook(
        self, headers: Mapping[str, str], body: bytes
    ) -> tuple[list[PersonEvent], list[ReceiptRow]]:
        """The same, with receipts as plain rows. An adapter that gets many makes no events of them.

        Raises `BadPayload`.
        """
        persons: list[PersonEvent] = []
        receipts: list[ReceiptRow] = []
        for event in self.read_events(headers, body):
            if isinstance(event, ReceiptEvent):
                receipts.append(receipt_row(event))
            else:
                persons.append(event)
        return persons, receipts

    def deep_link(self, text: str) -> str | None:
        """A link that opens the messenger with `text` ready to send; None where there is none."""
        return None
