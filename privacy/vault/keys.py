"""Sub-keys of the root key. The root never touches data, and never a database.

Each purpose has its own key, derived by HKDF-Expand (RFC 5869) from 32 random bytes that only
`JAWORT_KEY_FILE` or `JAWORT_KEY` knows: whoever learns one sub-key learns nothing of the others.
"""

from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
LABEL_PREFIX = "jawort/1/"

# The version that makes new values, and all versions whose values are still read. A rotation puts
# the new one first and takes the old one away when no value of it is left.
INDEX_VERSION = 1
SUPPRESSION_VERSION = 1
LINK_VERSIONS = (1,)


def subkey(label: str) -> bytes:
    """32 bytes for one purpose, such as `bidx/phone/1` or `link/confirm/1`."""
    return _derive(root(), label)


def subkey_with(half: bytes, label: str) -> bytes:
    """32 bytes that need the root and this random `half`: HKDF (RFC 5869) with the half as salt.

    Whoever has one of the two learns nothing, so destroying the half destroys the key.
    """
    return HKDF(SHA256(), KEY_BYTES, half, (LABEL_PREFIX + label).encode()).derive(root())


def installation() -> bytes:
    """16 bytes that name this installation in the AAD: sealed values cannot move between two."""
    return subkey("installation")[:16]


def root() -> bytes:
    key = settings.JAWORT_KEY
    if not isinstance(key, bytes) or len(key) != KEY_BYTES:
        raise ImproperlyConfigured(f"JAWORT_KEY must be {KEY_BYTES} random bytes in base64.")
    return key


@lru_cache(maxsize=256)
def _derive(key: bytes, label: str) -> bytes:
    return HKDFExpand(SHA256(), KEY_BYTES, (LABEL_PREFIX + label).encode()).derive(key)
