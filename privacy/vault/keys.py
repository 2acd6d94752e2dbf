"""Sub-keys of the root key. The root never touches data, and never a database.

Each purpose has its own key, derived by HKDF-Expand (RFC 5869) from 32 random bytes that only
`JAWORT_KEY_FILE` or `JAWORT_KEY` knows: whoever learns one sub-key learns nothing of the others.
"""

from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
LABEL_PREFIX = "jawort/1/"

# The version that makes new values, and all versions whose values are still read. A rotation puts
# the new one first and takes the old one away when no value of it is left.
INDEX_VERSION = 1
SUPPRESSION_VERSION = 1
LINK_VERSIONS = (1,)
SYSTEM_VERSION = 1
KEK_EPOCH = 1


def subkey(label: str) -> bytes:
    """32 bytes for one purpose, such as `kek/1`, `bidx/phone/1` or `link/confirm/1`."""
    return _derive(_root(), label)


def installation() -> bytes:
    """16 bytes that name this installation in the AAD: sealed values cannot move between two."""
    return subkey("installation")[:16]


def _root() -> bytes:
    root = settings.JAWORT_KEY
    if not isinstance(root, bytes) or len(root) != KEY_BYTES:
        raise ImproperlyConfigured(f"JAWORT_KEY must be {KEY_BYTES} random bytes in base64.")
    return root


@lru_cache(maxsize=256)
def _derive(root: bytes, label: str) -> bytes:
    return HKDFExpand(SHA256(), KEY_BYTES, (LABEL_PREFIX + label).encode()).derive(root)
