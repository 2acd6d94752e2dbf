"""Signed links: they carry a random id, their purpose and their end, and nothing about a person.

`key version(1) | expiry(5) | id(16) | MAC(16)` in URL-safe base64: 51 characters. The purpose is
not in the text; it chooses the key, so a link made for one page is noise for every other.
"""

import base64
import binascii
import hmac
from datetime import UTC, datetime
from uuid import UUID

from django.utils import timezone

from privacy.vault import keys
from privacy.vault.errors import LinkExpired, LinkInvalid

EXPIRY_BYTES = 5
ID_BYTES = 16
MAC_BYTES = 16
BODY_BYTES = 1 + EXPIRY_BYTES + ID_BYTES
LINK_CHARACTERS = 51


def sign_link(purpose: str, ref: UUID, expires_at: datetime | None) -> str:
    """The text to put into a URL. Without `expires_at` it never ends (only for unsubscribing)."""
    ends = int(expires_at.timestamp()) if expires_at else 0
    version = keys.LINK_VERSIONS[0]
    body = bytes((version,)) + ends.to_bytes(EXPIRY_BYTES, "big") + ref.bytes
    return _encode(body + _mac(purpose, version, body))


def read_link(purpose: str, text: str) -> UUID:
    """The id in a link; raises `LinkInvalid` or, if it was ours once, `LinkExpired`."""
    raw = _decode(text)
    body, mac = raw[:BODY_BYTES], raw[BODY_BYTES:]
    version = body[0]
    if version not in keys.LINK_VERSIONS or not hmac.compare_digest(
        mac, _mac(purpose, version, body)
    ):
        raise LinkInvalid("this link was not made here, or not for this page.")
    ends = int.from_bytes(body[1 : 1 + EXPIRY_BYTES], "big")
    if ends and timezone.now() >= datetime.fromtimestamp(ends, UTC):
        raise LinkExpired("this link has expired: ask for a new one.")
    return UUID(bytes=body[1 + EXPIRY_BYTES :])


def _mac(purpose: str, version: int, body: bytes) -> bytes:
    return hmac.digest(keys.subkey(f"link/{purpose}/{version}"), body, "sha256")[:MAC_BYTES]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """The bytes of a link of the right length, written in the one way in which we write them."""
    try:
        if len(text) == LINK_CHARACTERS:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            if _encode(raw) == text:
                return raw
    except (ValueError, binascii.Error):
        pass
    raise LinkInvalid("this link is not complete: copy all of it.")
