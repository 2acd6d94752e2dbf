"""The demo's mailbox: what the receiving mail server took, one file per mail below `var/mailbox`.

It plays the other people's mail programs, so what Jawort erases is not thereby gone from here. The
folder is closed to other users and holds only the newest mails.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings

MAILS_KEPT = 3000
MAIL_MAX = 10 * 1024 * 1024  # bytes
MAIL_ID = re.compile(r"[0-9]{19}-[0-9a-f]{12}")
HEAD_MAX = 16 * 1024  # bytes read for a list


@dataclass(frozen=True)
class Mail:
    """A received mail. `rcpt` and `mail_from` are those of the envelope."""

    id: str
    rcpt: str
    mail_from: str
    message: EmailMessage

    @property
    def subject(self) -> str:
        return " ".join(str(self.message.get("subject", "")).split())

    @property
    def sender(self) -> str:
        return str(self.message.get("from", ""))

    @property
    def at(self) -> float:
        """When it came in, in seconds since 1970."""
        return int(self.id.partition("-")[0]) / 1e9

    def part(self, kind: str) -> str:
        """The text of the part "plain" or "html"; "" if there is none."""
        found = self.message.get_body(preferencelist=(kind,))
        content = found.get_content() if found else ""
        return content if isinstance(content, str) else ""

    def pictures(self) -> dict[str, tuple[str, bytes]]:
        """Content-ID -> (type, data) of the pictures inside."""
        found = {}
        for part in self.message.walk():
            content_id = str(part.get("content-id", "")).strip("<> ")
            data = part.get_payload(decode=True)
            if content_id and part.get_content_maintype() == "image" and isinstance(data, bytes):
                found[content_id] = (part.get_content_type(), data)
        return found


def folder() -> Path:
    path = Path(settings.JAWORT_VAR) / "mailbox"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def keep(mail_from: str, rcpt: str, data: bytes) -> str:
    """Store a mail; it is there whole or not at all. Gives its id."""
    mail_id = f"{time.time_ns():019d}-{secrets.token_hex(6)}"
    head = f"Return-Path: <{mail_from}>\r\nDelivered-To: {rcpt}\r\n".encode()
    temporary = folder() / f".{mail_id}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(head + data)
    temporary.rename(folder() / f"{mail_id}.eml")
    return mail_id


def prune(kept: int = MAILS_KEPT) -> int:
    """Remove the oldest mails beyond `kept`; gives how many went."""
    surplus = _ids()[kept:]
    for mail_id in surplus:
        (folder() / f"{mail_id}.eml").unlink(missing_ok=True)
    return len(surplus)


def mail(mail_id: str) -> Mail | None:
    """A mail with everything in it."""
    data = raw(mail_id)
    return None if data is None else _read(mail_id, data)


def raw(mail_id: str) -> bytes | None:
    """A mail's bytes, with its envelope on top."""
    if not MAIL_ID.fullmatch(mail_id):
        return None
    try:
        return (folder() / f"{mail_id}.eml").read_bytes()
    except FileNotFoundError:
        return None


def newest(limit: int, rcpt: str = "") -> list[Mail]:
    """The newest mails with their headers only, for all recipients or for one."""
    found: list[Mail] = []
    for mail_id in _ids():
        try:
            with (folder() / f"{mail_id}.eml").open("rb") as file:
                read = _read(mail_id, file.read(HEAD_MAX).partition(b"\r\n\r\n")[0])
        except FileNotFoundError:
            continue
        if not rcpt or read.rcpt.casefold() == rcpt.casefold():
            found.append(read)
        if len(found) == limit:
            break
    return found


def count() -> int:
    return len(_ids())


def _ids() -> list[str]:
    """All mails, newest first."""
    names = (entry.name.removesuffix(".eml") for entry in os.scandir(folder()))
    return sorted((name for name in names if MAIL_ID.fullmatch(name)), reverse=True)


def _read(mail_id: str, raw: bytes) -> Mail:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    rcpt = str(message.get("delivered-to", ""))
    mail_from = str(message.get("return-path", "")).strip("<>")
    return Mail(mail_id, rcpt, mail_from, message)
