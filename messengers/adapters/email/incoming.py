"""Raw mail that came in: replies, leaving by mail, bounces (RFC 3464), complaints (RFC 5965).

The envelope recipient counts more than any header: our own addresses carry the attempt id
(`b+<attempt>@` for bounces, `unsub+<attempt>@` for leaving). `manage.py receive_mail` puts it
first, as `Delivered-To`. Automatic answers are nobody's words and are left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses
from html.parser import HTMLParser

from messengers.adapters.email.addresses import canonical
from messengers.adapters.email.quotes import own_words
from messengers.adapters.email.replies import bounce_reason
from messengers.contract import (
    ATTEMPT,
    ATTEMPT_MAX,
    BadAddress,
    BadPayload,
    Event,
    OptOutEvent,
    ReceiptEvent,
    TextEvent,
)

TEXT_MAX = 4096  # characters of a mail's own words that we keep
SUBJECT_MAX = 200
_OWN_ADDRESS = re.compile(rf"(b|unsub)\+([a-z0-9]{{1,{ATTEMPT_MAX}}})@", re.IGNORECASE)
_REPLY_PREFIX = re.compile(r"^\s*((re|aw|antw|sv|fwd?|wg)(\[\d+\])?:\s*)+", re.IGNORECASE)
_PAYLOAD = re.compile(r"\[#([^\]\s]{1,200})\]")


def read(raw: bytes, *, domain: str) -> list[Event]:
    """The events in one mail: at most one, or one per recipient of a bounce.

    `domain` is that of our Message-IDs. Raises `BadPayload` for what is no mail.
    """
    try:
        mail = message_from_bytes(raw, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        return list(_Mail(mail, raw, domain).events())
    except BadPayload:
        raise
    except Exception as error:
        # The standard library's mail parser fails in many ways on hostile mail; each is this one.
        raise BadPayload(f"The mail cannot be read: {type(error).__name__}.") from None


class _Mail:
    """One mail and what we need to know of it."""

    def __init__(self, mail: EmailMessage, raw: bytes, domain: str) -> None:
        self.mail = mail
        self.domain = domain
        message_id = self.first("message-id")
        # A Message-ID may hold an address, so only its hash goes on.
        self.ref = hashlib.sha256(message_id.encode() or raw).hexdigest()[:32]
        self.kind, self.attempt = self.own_address()
        # When we got it: the `Date` of a mail is whatever its sender wrote, and from this moment
        # on terms run and consent counts.
        self.at = datetime.now(UTC)

    def events(self) -> Iterator[Event]:
        if not self.mail.keys():
            raise BadPayload("There is no mail header.")
        report = str(self.mail.get_param("report-type", "") or "").lower()
        if self.mail.get_content_type() == "multipart/report" and report == "feedback-report":
            yield from self.complaint()
        elif self.mail.get_content_type() == "multipart/report" and "delivery-status" in report:
            yield from self.bounce()
        elif self.kind == "unsub":
            yield OptOutEvent(self.ref, self.at, self.sender(), "unsubscribed", self.attempt)
        elif self.kind != "b" and not self.is_automatic():
            yield from self.text()

    def first(self, name: str) -> str:
        """A header's first value, on one line."""
        return " ".join(str(self.mail.get(name, "")).split())

    def own_address(self) -> tuple[str, str]:
        """("b" or "unsub", attempt) when the mail came to one of our addresses of that form."""
        for name in ("delivered-to", "x-original-to", "envelope-to", "to", "cc"):
            for value in self.mail.get_all(name, [])[:3]:
                if found := _OWN_ADDRESS.search(str(value)):
                    return found[1].lower(), found[2].lower()
        return "", ""

    def sender(self) -> str:
        """The canonical sender; "" if there is none that could be written to."""
        for _name, address in getaddresses([self.first("from")]):
            try:
                return canonical(address)
            except BadAddress:
                continue
        return ""

    def sender_name(self) -> str:
        names = [name for name, _ in getaddresses([self.first("from")])]
        return names[0][:100] if names else ""

    def is_automatic(self) -> bool:
        """RFC 3834 and the older habits: out of office, vacation, list software, loops."""
        submitted = self.first("auto-submitted").lower()
        if submitted and not submitted.startswith("no"):
            return True
        if any(self.mail.get(name) for name in ("x-autoreply", "x-autorespond", "x-auto-reply")):
            return True
        if self.first("precedence").lower() in ("bulk", "junk", "list", "auto_reply"):
            return True
        return self.first("return-path") == "<>"

    def text(self) -> Iterator[Event]:
        sender = self.sender()
        if not sender:
            return
        subject = self.first("subject")
        payload = _PAYLOAD.search(subject)
        yield TextEvent(
            ref=self.ref,
            at=self.at,
            sender=sender,
            text=_joined(_PAYLOAD.sub("", subject).strip(), own_words(self.body()))[:TEXT_MAX],
            payload=payload[1] if payload else "",
            name=self.sender_name(),
            reply_to=self.replied_to(),
            attempt=self.answered_attempt(),
        )

    def body(self) -> str:
        part = self.mail.get_body(preferencelist=("plain", "html"))
        if part is None:
            return ""
        content = part.get_content()
        text = content if isinstance(content, str) else ""
        return _html_text(text) if part.get_content_subtype() == "html" else text

    def replied_to(self) -> str:
        found = re.search(r"<[^<>\s]{1,200}>", self.first("in-reply-to"))
        return found[0] if found else ""

    def answered_attempt(self) -> str:
        """The attempt in a Message-ID of ours that this mail answers."""
        own = re.compile(rf"<({ATTEMPT.pattern})@{re.escape(self.domain)}>")
        for name in ("in-reply-to", "references"):
            if found := own.search(self.first(name)):
                return found[1]
        return ""

    def reported_attempt(self) -> str:
        """The attempt a report is about: our own address, else the Message-ID it returns."""
        if self.attempt:
            return self.attempt
        own = re.compile(
            rf"^Message-ID:\s*<({ATTEMPT.pattern})@{re.escape(self.domain)}>", re.I | re.M
        )
        for part in self.mail.walk():
            if part.get_content_type() not in ("message/rfc822", "text/rfc822-headers"):
                continue
            if found := own.search(part.as_string()):
                return found[1]
        return ""

    def blocks(self, content_type: str) -> Iterator[EmailMessage]:
        """The header blocks of a report's machine-readable part."""
        for part in self.mail.walk():
            if part.get_content_type() == content_type:
                payload = part.get_payload()
                yield from (block for block in payload if isinstance(block, EmailMessage))

    def bounce(self) -> Iterator[Event]:
        """`failed` and `delivered` of a delivery status notification; `delayed` is only news."""
        attempt = self.reported_attempt()
        if not attempt:
            return
        reports = [
            block
            for kind in ("message/delivery-status", "message/global-delivery-status")
            for block in self.blocks(kind)
            if block.get("action")
        ]
        for number, block in enumerate(reports[:1]):
            action = str(block.get("action", "")).strip().lower()
            status = str(block.get("status", "")).strip().split(" ")[0][:16]
            diagnostic = str(block.get("diagnostic-code", ""))
            if action == "failed":
                yield ReceiptEvent(
                    ref=f"{self.ref}-{number}",
                    at=self.at,
                    attempt=attempt,
                    status="undelivered",
                    reason=bounce_reason(status, diagnostic),
                    code=status,
                )
            elif action == "delivered":
                yield ReceiptEvent(f"{self.ref}-{number}", self.at, attempt=attempt, code=status)

    def complaint(self) -> Iterator[Event]:
        """Somebody pressed "spam": the clearest withdrawal there is."""
        sender = ""
        for block in self.blocks("message/feedback-report"):
            given = str(block.get("original-rcpt-to", "")).strip().strip("<>")
            try:
                sender = canonical(given)
            except BadAddress:
                continue  # most providers hide it
        attempt = self.reported_attempt()
        if sender or attempt:
            yield OptOutEvent(self.ref, self.at, sender, "complaint", attempt)


def _joined(subject: str, body: str) -> str:
    """One text of both: a new mail's subject may be the message ("STOP"), a reply's is ours."""
    subject = subject[:SUBJECT_MAX]
    if not body:
        return _REPLY_PREFIX.sub("", subject)
    if not subject or _REPLY_PREFIX.match(subject) or subject.casefold() == body.casefold():
        return body
    if len(subject.split()) == 1:
        return f"{subject}\n{body}"
    return f"{body}\n{subject}"


class _TextOfHtml(HTMLParser):
    """The visible text of a mail that has only HTML; quotations are left out."""

    HIDDEN = frozenset({"style", "script", "head", "title", "blockquote"})
    BREAKS = frozenset({"br", "p", "div", "tr", "li", "h1", "h2", "h3"})

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.HIDDEN:
            self.hidden.append(tag)
        elif tag in self.BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.hidden:
            while self.hidden.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


def _html_text(html: str) -> str:
    reader = _TextOfHtml()
    reader.feed(html)
    reader.close()
    return "".join(reader.parts)
