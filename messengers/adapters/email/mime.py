"""One finished mail as bytes: RFC 5322 and MIME, by hand because it is done for each person.

Everything is ASCII on the wire (quoted-printable, base64, RFC 2047) but an address that needs
SMTPUTF8, so that no server on the way has to convert and break a DKIM signature. No header value
can hold a line end.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formataddr, formatdate
from functools import lru_cache

from messengers.adapters.email.layout import IMAGE_CID
from messengers.contract import Image, Message

LINE_MAX = 76
WORD_MAX = 39  # octets in one encoded word, so that its line stays below LINE_MAX
# Values with a grammar of their own, already encoded where they may be.
STRUCTURED = frozenset({"To", "From", "Reply-To", "List-Id", "List-Unsubscribe", "Message-ID"})
# "=_" never occurs in quoted-printable or base64, so these need not be searched for in the parts.
ALTERNATIVE, RELATED = "=_jawort_alternative", "=_jawort_related"


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who writes to whom. `unsubscribe_mail` is the address whose mails mean "unsubscribe"."""

    to: str
    sender: str
    sender_name: str
    reply_to: str
    return_path: str
    message_id: str
    unsubscribe_mail: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The message's picture, already in base64 lines."""

    media_type: str
    encoded: str

    @classmethod
    def of(cls, image: Image, data: bytes) -> Picture:
        return cls(image.media_type, _base64(data))


def message_bytes(envelope: Envelope, message: Message, picture: Picture | None) -> bytes:
    """The whole mail with CRLF line ends; lines have at most 998 octets (RFC 5322 2.1.1)."""
    headers = [
        ("From", _mailbox(envelope.sender_name, envelope.sender)),
        ("To", envelope.to),
        ("Subject", message.subject),
        ("Date", formatdate(usegmt=True)),
        ("Message-ID", envelope.message_id),
        *_adjusted(message.headers, envelope),
    ]
    if envelope.reply_to:
        headers.insert(2, ("Reply-To", envelope.reply_to))
    lines = [header(name, value) for name, value in headers]
    lines += [
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{ALTERNATIVE}"',
        "",
        f"--{ALTERNATIVE}",
        _text_part("plain", message.text),
        f"--{ALTERNATIVE}",
        _html_part(message.html, picture),
        f"--{ALTERNATIVE}--",
        "",
    ]
    return "\r\n".join(lines).encode()


def header(name: str, value: str) -> str:
    """One header, folded and encoded where needed; line ends in the value become spaces."""
    value = " ".join(value.split())
    if len(name) + len(value) + 2 <= LINE_MAX and value.isascii() and "=?" not in value:
        return f"{name}: {value}"
    if name in STRUCTURED:
        return f"{name}: {_folded(value)}"
    return f"{name}: " + "\r\n ".join(_encoded_words(value))


def _encoded_words(value: str) -> Iterator[str]:
    """RFC 2047: base64 words of whole characters, each well below the line limit."""
    word = b""
    for character in value:
        octets = character.encode()
        if len(word) + len(octets) > WORD_MAX:
            yield f"=?utf-8?b?{base64.b64encode(word).decode()}?="
            word = b""
        word += octets
    yield f"=?utf-8?b?{base64.b64encode(word).decode()}?="


def _folded(value: str) -> str:
    """Structured values break at their spaces only; nothing in them may be encoded as a whole."""
    return value.replace(", ", ",\r\n ")


def _adjusted(headers: tuple[tuple[str, str], ...], envelope: Envelope) -> list[tuple[str, str]]:
    """The message's headers; leaving by mail is added beside leaving by web."""
    return [
        (name, f"{value}, <mailto:{envelope.unsubscribe_mail}>")
        if name == "List-Unsubscribe"
        else (name, _phrase(value) if name == "List-Id" else value)
        for name, value in headers
    ]


@lru_cache(maxsize=256)
def _phrase(list_id: str) -> str:
    """`Name <id>` with the name quoted or encoded, the id as it is."""
    name, _, identifier = list_id.rpartition(" <")
    return formataddr((name, "x@x")).replace("<x@x>", f"<{identifier}")


@lru_cache(maxsize=256)
def _mailbox(name: str, address: str) -> str:
    """`Name <address>` with the name quoted or encoded."""
    local, at, domain = address.rpartition("@")
    return formataddr((" ".join(name.split()), f"{local}{at}{domain}"))


def _text_part(subtype: str, text: str) -> str:
    # Quoted-printable breaks lines as its input does: one kind first, CRLF for all of them after.
    data = text.replace("\r\n", "\n").replace("\r", "\n").encode()
    encoded = binascii.b2a_qp(data, istext=True).decode("ascii").replace("\n", "\r\n")
    return (
        f"Content-Type: text/{subtype}; charset=utf-8\r\n"
        f"Content-Transfer-Encoding: quoted-printable\r\n\r\n{encoded}"
    )


def _html_part(html: str, picture: Picture | None) -> str:
    part = _text_part("html", html)
    if picture is None:
        return part
    extension = picture.media_type.rpartition("/")[2]
    return (
        f'Content-Type: multipart/related; boundary="{RELATED}"\r\n\r\n'
        f"--{RELATED}\r\n{part}\r\n--{RELATED}\r\n"
        f"Content-Type: {picture.media_type}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-ID: <{IMAGE_CID}>\r\n"
        f'Content-Disposition: inline; filename="picture.{extension}"\r\n\r\n'
        f"{picture.encoded}\r\n--{RELATED}--\r\n"
    )


@lru_cache(maxsize=4)
def _base64(data: bytes) -> str:
    """Encoded once per picture, not once per person."""
    return base64.encodebytes(data).decode("ascii").replace("\n", "\r\n").rstrip()
