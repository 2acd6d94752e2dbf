"""Sealing, finding again, forgetting: the only place that touches keys.

Nothing here imports models, because this package is an app of its own (label `keystore`).
"""

from privacy.vault.envelope import Where
from privacy.vault.errors import (
    KeyDestroyed,
    KeystoreDown,
    LinkExpired,
    LinkInvalid,
    SealBroken,
    VaultError,
    WrongRootKey,
)
from privacy.vault.hashes import blind_index, keyed_hash, new_token, token_hash
from privacy.vault.inbox import destroy_inbox_keys, open_inbox, seal_inbox
from privacy.vault.keyring import KeyRing
from privacy.vault.links import read_link, sign_link
from privacy.vault.proof import confirm_root_key, root_key_fits
from privacy.vault.subjects import (
    TooManyOrphans,
    new_subject,
    new_subjects,
    open_sealed,
    seal,
    shred,
    shred_all,
    shred_orphans,
)
from privacy.vault.system import open_system, seal_system

__all__ = [
    "KeyDestroyed",
    "KeyRing",
    "KeystoreDown",
    "LinkExpired",
    "LinkInvalid",
    "SealBroken",
    "TooManyOrphans",
    "VaultError",
    "Where",
    "WrongRootKey",
    "blind_index",
    "confirm_root_key",
    "destroy_inbox_keys",
    "keyed_hash",
    "new_subject",
    "new_subjects",
    "new_token",
    "open_inbox",
    "open_sealed",
    "open_system",
    "read_link",
    "root_key_fits",
    "seal",
    "seal_inbox",
    "seal_system",
    "shred",
    "shred_all",
    "shred_orphans",
    "sign_link",
    "token_hash",
]
