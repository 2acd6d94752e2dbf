"""Handing incoming mail over to Jawort: signed, over HTTP, to the hook of its channel."""

from __future__ import annotations

import hashlib
from uuid import UUID

from messengers.contract import HttpRequest, HttpResponse, Outcome
from messengers.signature import signed_headers
from messengers.transports import call

TIMEOUT = 30.0  # seconds
MAIL_MAX = 4 * 1024 * 1024 - 1024  # bytes; the hook takes 4 MiB


def hand_over(
    *, origin: str, channel: UUID, secret: str, raw: bytes, recipient: str, sender: str
) -> Outcome:
    """Post a raw mail to the hook. Repeating it is harmless: the id is the mail's own hash."""
    body = _traced(raw, recipient, sender)
    headers = signed_headers(secret, hashlib.sha256(body).hexdigest(), body)
    request = HttpRequest(
        "POST",
        f"{origin}/hooks/{channel}/",
        (("content-type", "message/rfc822"), *headers.items()),
        body,
    )
    return call(request, TIMEOUT)


def is_taken(outcome: Outcome) -> bool:
    return isinstance(outcome, HttpResponse) and 200 <= outcome.status < 300


def _traced(raw: bytes, recipient: str, sender: str) -> bytes:
    """The mail with its envelope on top, under the signature like everything else."""
    lines = []
    if sender:
        lines.append(f"Return-Path: <{_word(sender)}>")
    if recipient:
        lines.append(f"Delivered-To: {_word(recipient)}")
    # An MTA's pipe may begin with an mbox "From " line, which is no header.
    if raw.startswith(b"From "):
        raw = raw.partition(b"\n")[2]
    return "".join(f"{line}\r\n" for line in lines).encode() + raw


def _word(address: str) -> str:
    return "".join(address.split()).strip("<>")
