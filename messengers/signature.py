"""Signed hooks after the Standard Webhooks scheme: id, time and raw body under one HMAC-SHA-256.

Used where we define both ends: the simulator and mail handed over by `manage.py receive_mail`.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping

TOLERANCE_SECONDS = 300
SECRET_MIN = 16  # characters; a shorter one could be guessed
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


def sign(secret: str, ref: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = b".".join((ref.encode(), str(timestamp).encode(), body))
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def signed_headers(secret: str, ref: str, body: bytes) -> dict[str, str]:
    """The three headers of a hook that is sent now."""
    now = int(time.time())
    return {
        "webhook-id": ref,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(secret, ref, now, body),
    }


def is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the holder of `secret` signed these raw bytes within the last five minutes.

    Without a secret nothing is. Header names are lower-case.
    """
    timestamp = headers.get("webhook-timestamp", "")
    if len(secret) < SECRET_MIN or not _TIMESTAMP.fullmatch(timestamp):
        return False
    if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    expected = sign(secret, headers.get("webhook-id", ""), int(timestamp), body)
    # Compared as text: base64 has several spellings of the same bytes, a signature has one.
    given = headers.get("webhook-signature", "").encode()
    return hmac.compare_digest(given, expected.encode())
