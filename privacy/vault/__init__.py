"""Sealing, finding again, forgetting: the only place that touches keys.

Nothing here imports models, because this package is an app of its own (label `keystore`).
"""

from privacy.vault.envelope import Where
from privacy.vault.errors import (
    EpochInUse,
    EpochUnknown,
    KeyDestroyed,
    KeystoreDown,
    LinkExpired,
    LinkInvalid,
    NoEpochs,
    SealBroken,
    VaultError,
    WrongRootKey,
)
from privacy.vault.generation import generation, raise_generation
from privacy.vault.hashes import blind_index, keyed_hash, new_token, token_hash
from privacy.vault.inbox import destroy_inbox_keys, inbox_sealer, open_inbox, seal_inbox
from privacy.vault.keyring import KeyRing
from privacy.vault.links import read_link, sign_link
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
from privacy.vault.tombstones import count_tombstones, shred_again, tombstone, tombstones
from privacy.vault.wrapping import confirm_root_key, root_key_fits

__all__ = [
    "EpochInUse",
    "EpochUnknown",
    "KeyDestroyed",
    "KeyRing",
    "KeystoreDown",
    "LinkExpired",
    "LinkInvalid",
    "NoEpochs",
    "SealBroken",
    "TooManyOrphans",
    "VaultError",
    "Where",
    "WrongRootKey",
    "blind_index",
    "confirm_root_key",
    "count_tombstones",
    "destroy_inbox_keys",
    "generation",
    "inbox_sealer",
    "keyed_hash",
    "new_subject",
    "new_subjects",
    "new_token",
    "open_inbox",
    "open_sealed",
    "open_system",
    "raise_generation",
    "read_link",
    "root_key_fits",
    "seal",
    "seal_inbox",
    "seal_system",
    "shred",
    "shred_again",
    "shred_all",
    "shred_orphans",
    "sign_link",
    "token_hash",
    "tombstone",
    "tombstones",
]
