"""Keyed hashes: to find a value again, or to recognise a token, without keeping it."""

import hmac
import secrets
from hashlib import sha256

from privacy.vault.keys import INDEX_VERSION, subkey

INDEX_BYTES = 16
TOKEN_BYTES = 24


def blind_index(field: str, value: str) -> bytes:
    """16 bytes to find `value` by. Each field has its key: no two indexes can be compared."""
    return hmac.digest(subkey(f"bidx/{field}/{INDEX_VERSION}"), value.encode(), "sha256")[
        :INDEX_BYTES
    ]


def keyed_hash(field: str, value: str) -> bytes:
    """16 bytes to match a provider's id, which may hold a phone number, with its later receipts."""
    # `hmac.digest` would let go of the interpreter, and hooks' threads wait long to get it back.
    key = subkey(f"hash/{field}/{INDEX_VERSION}")
    return hmac.new(key, value.encode(), sha256).digest()[:INDEX_BYTES]


def new_token() -> str:
    """192 random bits, to be shown once and stored only as `token_hash`."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(purpose: str, token: str) -> bytes:
    """What the database keeps of a token. Keyed: a stolen dump cannot even confirm a guess."""
    return hmac.digest(subkey(f"token/{purpose}"), token.encode(), "sha256")
