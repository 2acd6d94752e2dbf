"""Is this the root key that the keystore was filled with? A lost or swapped file is noticed here.

The keystore keeps a keyed hash that only the right key yields. Without it, a new key file would
quietly start a second world in which nothing old opens.
"""

import hmac

from django.utils import timezone

from privacy.vault import store
from privacy.vault.errors import WrongRootKey
from privacy.vault.keys import KEK_EPOCH, subkey

PROOF_BYTES = 16
FIND = "SELECT proof FROM keystore_keyepoch WHERE number = %s"
ADD = """INSERT INTO keystore_keyepoch (number, created_at, proof) VALUES (%s, %s, %s)
    ON CONFLICT DO NOTHING"""
_confirmed: set[bytes] = set()


def root_key_fits() -> bool:
    """Whether this key belongs to this keystore; an empty keystore fits every key."""
    known = store.read(FIND, [KEK_EPOCH])
    return not known or hmac.compare_digest(bytes(known[0][0]), _proof())


def confirm_root_key() -> None:
    """Raise `WrongRootKey` unless this key belongs to this keystore; the first key is taken."""
    store.write(ADD, [KEK_EPOCH, timezone.now(), _proof()])
    if not root_key_fits():
        raise WrongRootKey(
            "this root key is not the one that the keystore was filled with:"
            " restore the file that JAWORT_KEY_FILE names from its backup."
        )
    _confirmed.add(_proof())


def confirm_once() -> None:
    """`confirm_root_key` at the first new key that a process makes."""
    if not _confirmed:
        confirm_root_key()


def _proof() -> bytes:
    return hmac.digest(subkey(f"kek/{KEK_EPOCH}"), b"proof", "sha256")[:PROOF_BYTES]
