"""The simulator: the messenger that comes with Jawort. Our notes: docs/channels/simulator.md.

A JSON API like those of the big ones: bearer token, pictures uploaded first, buttons, receipts and
texts as signed hooks, a real bulk call. Its ids are phone numbers in E.164.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

import orjson
import phonenumbers

from messengers.back_pressure import seconds, wait_of
from messengers.contract import (
    ATTEMPT,
    Accepted,
    Adapter,
    Answer,
    BadAddress,
    BadPayload,
    Call,
    Capabilities,
    Content,
    Event,
    HttpRequest,
    HttpResponse,
    Image,
    InDoubt,
    Message,
    OptOutEvent,
    PersonEvent,
    Preview,
    Problem,
    Reason,
    ReceiptEvent,
    ReceiptRow,
    Refused,
    Rendered,
    RenderError,
    Response,
    Scope,
    SettingField,
    TextEvent,
)
from messengers.render.chat import ChatRendered, check_chat
from messengers.render.chat_html import chat_to_html
from messengers.signature import is_signed
from messengers.words import gettext_noop

ATTEMPT_MAX = 100  # characters; whether it is one of ours is not for us to say
RECEIPTS = ("delivered", "read", "undelivered")
SENDER = re.compile(r"[0-9+()./ -]{1,64}")  # a number, however it is spelled
TEXT_MAX_IN = 4096  # characters of an incoming text that we keep


class Simulator(Adapter):
    """One account at the simulator."""

    kind: ClassVar[str] = "simulator"
    label: ClassVar[str] = "Simulator"
    transport: ClassVar[Literal["http", "smtp"]] = "http"
    capabilities: ClassVar[Capabilities] = Capabilities(
        text_max=4096,
        caption_max=1024,
        unit="characters",
        buttons_max=6,
        button_label_max=24,
        image=True,
        image_max_bytes=5 * 1024 * 1024,
        image_types=frozenset({"image/jpeg", "image/png", "image/webp"}),
        receipts=frozenset({"delivered", "read", "undelivered"}),
        bulk=100,
        attempt_echo=True,
        opens_conversation=True,
    )
    settings: ClassVar[tuple[SettingField, ...]] = (
        SettingField("base_url", gettext_noop("Address of the API"), required=False, kind="url"),
        SettingField("number", gettext_noop("Our number"), default="+4917604069000"),
        SettingField("display_name", gettext_noop("Name shown in the chat"), required=False),
        SettingField(
            "region", gettext_noop("Country of numbers without a country code"), default="DE"
        ),
        SettingField(
            "app", gettext_noop("App at the provider, if accounts share its limits"), required=False
        ),
        SettingField("token", gettext_noop("Token of the API"), secret=True, kind="token"),
        SettingField("hook_secret", gettext_noop("Secret that signs the hooks"), secret=True),
    )

    # The API's own error codes -> what they mean for us, and what has to wait.
    REASONS: ClassVar[dict[str, tuple[Reason, Scope]]] = {
        "blocked": (Reason.OPTED_OUT, "recipient"),
        "unknown_recipient": (Reason.PERMANENT_RECIPIENT, "recipient"),
        "window_closed": (Reason.POLICY_WINDOW, "recipient"),
        "too_many": (Reason.THROTTLED, "account"),
        "recipient_busy": (Reason.THROTTLED, "recipient"),
        "app_busy": (Reason.THROTTLED, "app"),
        "called_spam": (Reason.THROTTLED, "account"),
        "bad_token": (Reason.AUTH_CONFIG, "account"),
        "bad_message": (Reason.AUTH_CONFIG, "account"),
        "too_large": (Reason.AUTH_CONFIG, "account"),
        "unavailable": (Reason.TEMPORARY, "account"),
    }
    # No waiting helps against these: a person has to look.
    STOPS: ClassVar[frozenset[str]] = frozenset({"called_spam"})
    # An answer without a code of theirs: from a proxy, or from something that is not the API.
    STATUSES: ClassVar[dict[int, tuple[Reason, Scope]]] = {
        400: (Reason.AUTH_CONFIG, "account"),
        401: (Reason.AUTH_CONFIG, "account"),
        403: (Reason.AUTH_CONFIG, "account"),
        404: (Reason.AUTH_CONFIG, "account"),
        408: (Reason.TEMPORARY, "account"),
        413: (Reason.AUTH_CONFIG, "account"),
        429: (Reason.THROTTLED, "account"),
        503: (Reason.TEMPORARY, "account"),
    }

    @cached_property
    def base_url(self) -> str:
        """Where the API lives: our own simulator unless the channel names another one."""
        url = str(self.account.settings.get("base_url") or f"{self.account.origin}/simulator")
        return url.rstrip("/")

    def canonical(self, identifier: str) -> str:
        """E.164, like +4917604069001. Numbers without a country code are those of `region`."""
        region = str(self.account.settings.get("region") or "DE")
        # The library would read words as the letters on a telephone's keys.
        if any(character.isalpha() for character in identifier):
            raise BadAddress("This is no telephone number.")
        try:
            number = phonenumbers.parse(identifier, region)
        except phonenumbers.NumberParseException:
            raise BadAddress("This is no telephone number.") from None
        if not phonenumbers.is_valid_number(number):
            raise BadAddress("There is no such telephone number.")
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    def mask(self, identifier: str) -> str:
        """Country code and the last three digits."""
        try:
            code = phonenumbers.parse(identifier).country_code
        except phonenumbers.NumberParseException:
            return "•••"
        return f"+{code} ••• {identifier[-3:]}"

    def check(self, content: Content) -> list[Problem]:
        return check_chat(content, self.capabilities)

    def render(self, content: Content) -> Rendered:
        return ChatRendered(content, self.capabilities)

    def preview(self, message: Message) -> Preview:
        return Preview(chat_to_html(message.text))

    def prepare(self, image: Image, data: bytes) -> HttpRequest:
        """Upload the picture; `request` then names it."""
        if len(data) > self.capabilities.image_max_bytes:
            raise RenderError("image_too_large", "The picture is larger than the messenger takes.")
        return self._post("/api/media", data, image.media_type)

    def prepared(self, response: Response) -> dict[str, Any]:
        answer = self.answer(response)
        if not isinstance(answer, Accepted):
            raise RenderError("image_refused", "The messenger did not take the picture.")
        return {"media": answer.provider_id}

    def request(
        self, address: str, message: Message, attempt: str, prepared: Mapping[str, Any]
    ) -> HttpRequest:
        body = orjson.dumps(_wire(address, message, attempt, prepared))
        return self._post("/api/messages", body)

    def bulk_request(self, calls: Sequence[Call], prepared: Mapping[str, Any]) -> HttpRequest:
        messages = [_wire(call.address, call.message, call.attempt, prepared) for call in calls]
        return self._post("/api/messages/bulk", orjson.dumps({"messages": messages}))

    def answer(self, response: Response) -> Answer:
        """201 with an id is a yes. 5xx without the API's own error leaves it open: `InDoubt`."""
        if not isinstance(response, HttpResponse):
            return InDoubt("not an HTTP answer")
        body = response.json()
        if 200 <= response.status < 300:
            return _accepted(body)
        return self._refusal(response.status, body, wait_of(response))

    def bulk_answer(self, response: Response, count: int) -> list[Answer]:
        """One answer each; a whole call that was refused refuses all of them."""
        if not isinstance(response, HttpResponse) or response.status != 200:
            return [self.answer(response)] * count
        body = response.json()
        results = body.get("results") if isinstance(body, dict) else None
        if not isinstance(results, list) or len(results) != count:
            return [InDoubt("bulk answer without a result for each message")] * count
        return [self._bulk_item(item) for item in results]

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        return is_signed(self.account.secrets.get("hook_secret", ""), headers, body)

    def read_events(self, headers: Mapping[str, str], body: bytes) -> list[Event]:
        return list(self._events(_listed(body)))

    def read_hook(
        self, headers: Mapping[str, str], body: bytes
    ) -> tuple[list[PersonEvent], list[ReceiptRow]]:
        receipts: list[ReceiptRow] = []
        others: list[object] = []
        for event in _listed(body):
            if not isinstance(event, dict) or event.get("type") != "receipt":
                others.append(event)
            elif row := self._receipt_row(event):
                receipts.append(row)
        persons = [e for e in self._events(others) if not isinstance(e, ReceiptEvent)]
        return persons, receipts

    def deep_link(self, text: str) -> str:
        """Opens the phone's page with the text ready to send."""
        number = str(self.account.settings.get("number", ""))
        return f"{self.base_url}/?{urlencode({'to': number, 'text': text})}"

    def _post(self, path: str, body: bytes, media_type: str = "application/json") -> HttpRequest:
        headers = (("content-type", media_type), self._bearer)
        return HttpRequest("POST", self.base_url + path, headers, body)

    @cached_property
    def _bearer(self) -> tuple[str, str]:
        return ("authorization", f"Bearer {self.account.secrets.get('token', '')}")

    def _bulk_item(self, item: object) -> Answer:
        if isinstance(item, dict) and "error" in item:
            return self._refusal(0, item, seconds(item.get("retry_after")))
        return _accepted(item)

    def _refusal(self, status: int, body: object, retry_after: float | None) -> Answer:
        error = body.get("error") if isinstance(body, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        if isinstance(code, str) and code in self.REASONS:
            reason, scope = self.REASONS[code]
            return Refused(reason, code, retry_after, scope, stops=code in self.STOPS)
        if status >= 500 and status not in self.STATUSES:
            return InDoubt(f"http {status}")
        reason, scope = self.STATUSES.get(status, (Reason.UNKNOWN, "recipient"))
        return Refused(reason, f"http_{status}", retry_after, scope)

    def _events(self, events: Iterable[object]) -> Iterable[Event]:
        for event in events:
            if not isinstance(event, dict) or not isinstance(event.get("id"), str):
                continue
            try:
                read = _READERS[event["type"]]
                yield read(self, event)
            except (KeyError, TypeError, ValueError, OverflowError):
                continue  # a kind of event that we do not know, or one that says nothing usable

    def _text(self, event: Mapping[str, Any]) -> Event:
        return TextEvent(
            ref=event["id"][:64],
            at=_time(event["at"]),
            sender=self._sender(event),
            text=str(event.get("text", ""))[:TEXT_MAX_IN],
            payload=str(event.get("payload", ""))[:200],
            name=str(event.get("name", ""))[:100],
            reply_to=str(event.get("reply_to", ""))[:100],
        )

    def _receipt(self, event: Mapping[str, Any]) -> Event:
        attempt = str(event.get("attempt", ""))
        code = str(event.get("code", ""))[:64]
        status = event["status"]
        if status not in self.capabilities.receipts:
            raise ValueError("unknown status")
        return ReceiptEvent(
            ref=event["id"][:64],
            at=_time(event["at"]),
            provider_id=str(event.get("message", ""))[:100],
            attempt=attempt if ATTEMPT.fullmatch(attempt) else "",
            status=status,
            reason=self.REASONS.get(code, (Reason.UNKNOWN, ""))[0] if code else None,
            code=code,
        )

    def _receipt_row(self, event: Mapping[str, Any]) -> ReceiptRow | None:
        """What `_receipt` reads, without an object: receipts come by the thousand."""
        status = event.get("status")
        if status not in RECEIPTS or not isinstance(event.get("id"), str):
            return None
        cause = ""
        if status == "undelivered" and (code := str(event.get("code", ""))[:64]):
            cause = str(self.REASONS.get(code, (Reason.UNKNOWN, ""))[0])
        attempt = event.get("attempt", "")
        known = attempt if isinstance(attempt, str) and len(attempt) <= ATTEMPT_MAX else ""
        return (known, str(event.get("message", ""))[:100], status, cause)

    def _sender(self, event: Mapping[str, Any]) -> str:
        """Raises `ValueError`: whoever signs a hook may still have put a list in there."""
        sender = event["from"]
        if not isinstance(sender, str) or not SENDER.fullmatch(sender):
            raise ValueError("the sender is no text, or no number")
        return sender

    def _opt_out(self, event: Mapping[str, Any]) -> Event:
        if event["cause"] not in ("blocked", "complaint"):
            raise ValueError("unknown cause")
        return OptOutEvent(
            ref=event["id"][:64],
            at=_time(event["at"]),
            sender=self._sender(event),
            cause=event["cause"],
        )


_READERS = {
    "text": Simulator._text,
    "receipt": Simulator._receipt,
    "opt_out": Simulator._opt_out,
}


def _listed(body: bytes) -> list[object]:
    """The events of a hook's body, unread. Raises `BadPayload`."""
    try:
        events = orjson.loads(body)["events"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise BadPayload("The hook's body is no JSON object with a list of events.") from None
    if not isinstance(events, list):
        raise BadPayload("The hook's events are no list.")
    return events


def _wire(
    address: str, message: Message, attempt: str, prepared: Mapping[str, Any]
) -> dict[str, Any]:
    """One message as the API wants it."""
    body: dict[str, Any] = {"to": address, "attempt": attempt, "text": message.text}
    if message.buttons:
        body["buttons"] = [
            {"label": button.label, "url": button.url}
            if button.url
            else {"label": button.label, "payload": button.payload}
            for button in message.buttons
        ]
    if message.image:
        body["media"] = prepared["media"]
        body["alt"] = message.image.alt
    return body


def _accepted(body: object) -> Answer:
    provider_id = body.get("id") if isinstance(body, dict) else None
    if isinstance(provider_id, str) and provider_id:
        return Accepted(provider_id)
    return InDoubt("accepted without an id")


def _time(value: str) -> datetime:
    at = datetime.fromisoformat(value)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
