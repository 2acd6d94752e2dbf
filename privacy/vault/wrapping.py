"""The keys that wrap keys, one for each epoch: by their number, and which of them is the current.

The newest epoch that the keystore knows is the current one. A process notices a new one by itself:
a key is stored only while its epoch is the newest, and a number that is not known yet has the key
file read again.
"""

import hmac
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from privacy.durable import durably
from privacy.vault import keyfile, keys, store
from privacy.vault.errors import EpochUnknown, WrongRootKey

# Before there were key files, the root key alone gave the first epoch.
DERIVED_EPOCH = 1
PROOF_BYTES = 16
# So long a process may still hold a key whose line was deleted from the file.
LOOK_SECONDS = 60.0
EPOCHS_TRIED = 4

NEWEST = "SELECT max(number) FROM keystore_keyepoch"
PROOFS = "SELECT number, proof FROM keystore_keyepoch WHERE destroyed_at IS NULL"
BEGIN = "INSERT INTO keystore_keyepoch (number, created_at, proof) VALUES (%s, %s, %s)"
LOCK = 0x6A61776F7274

Name = tuple[bytes, Path | None, int]


@dataclass
class _Known:
    """What this process remembers; keyed by root and file, so that no other world's key is used."""

    keys: dict[Name, AESGCM] = field(default_factory=dict)
    newest: int | None = None
    file_seen: tuple[int, int] | None = None
    looked_at: float = 0.0


_known = _Known()


def forget() -> None:
    """Forget every key that this process remembers."""
    _known.keys.clear()
    _known.newest = None


def wrapping_key(epoch: int) -> AESGCM:
    """The key of an epoch. `EpochUnknown` where the key file does not hold it (yet)."""
    _look_at_the_file()
    name = (keys.root(), keyfile.path(), epoch)
    known = _known.keys.get(name)
    if known is None:
        _refuse_wrong(epoch)
        known = _known.keys[name] = AESGCM(_secret(epoch))
    return known


def current() -> int:
    """The number of the newest epoch, as far as this process knows."""
    newest = _known.newest
    return refresh() if newest is None else newest


def refresh() -> int:
    """The number of the newest epoch, as the keystore says; an empty keystore begins with one."""
    newest = store.read(NEWEST, [])[0][0]
    if newest is None:
        begin()
        newest = store.read(NEWEST, [])[0][0]
    _known.newest = int(newest)
    return _known.newest


def under_current(write: Callable[[int], int]) -> None:
    """Let `write` store keys under the newest epoch.

    It gets the number and says how many it stored: none when a newer epoch has begun, or when they
    were there already.
    """
    seen = None
    for _ in range(EPOCHS_TRIED):
        epoch = current()
        # Nothing stored twice, though the epoch stood: then they were there.
        if write(epoch) or refresh() == epoch == seen:
            return
        seen = epoch
    raise EpochUnknown("the epoch of keys changed again and again: try later.")


@contextmanager
def one_at_a_time() -> Iterator[CursorWrapper]:
    """Whoever writes the key file holds this lock, on all hosts; committed at the end."""
    connection = connections[store.ALIAS]
    with transaction.atomic(using=store.ALIAS, durable=True), connection.cursor() as cursor:
        durably(store.ALIAS)
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        yield cursor


def begin() -> None:
    """The first epoch of an empty keystore: with a half of its own where a key file can be.

    Of several processes that start at once, the others wait here and find it done.
    """
    with one_at_a_time() as cursor:
        cursor.execute(NEWEST)
        if cursor.fetchone()[0] is not None:
            return
        lines = keyfile.halves()
        number = max(lines, default=DERIVED_EPOCH)
        if not lines and keyfile.can_write():
            keyfile.add(number)
        cursor.execute(BEGIN, [number, timezone.now(), proof_of(number)])


def proof_of(epoch: int) -> bytes:
    """A keyed hash that only the right root and the right file yield; it stands in the keystore."""
    return hmac.digest(_secret(epoch), b"proof", "sha256")[:PROOF_BYTES]


def is_derived(epoch: int) -> bool:
    """Whether the root alone gives this epoch's key, as before the first rotation."""
    return epoch == DERIVED_EPOCH and epoch not in keyfile.halves()


def root_key_fits() -> bool:
    """Whether root key and key file belong to this keystore; an empty keystore fits every key."""
    try:
        return all(_is_proof(number, proof) for number, proof in store.read(PROOFS, []))
    except EpochUnknown:
        return False


def confirm_root_key() -> None:
    """Raise `WrongRootKey` unless the keys belong to this keystore; the first key is taken."""
    refresh()
    if not root_key_fits():
        raise WrongRootKey(
            "this root key or its key file is not the one that the keystore was filled with:"
            " restore the files that JAWORT_KEY_FILE and JAWORT_EPOCHS_FILE name from their copies."
        )


def _secret(epoch: int) -> bytes:
    half = keyfile.halves().get(epoch)
    if half is not None:
        return keys.subkey_with(half, f"kek/{epoch}")
    if epoch == DERIVED_EPOCH:
        return keys.subkey(f"kek/{epoch}")
    raise EpochUnknown(
        f"the key file of this host has no line for epoch {epoch}: copy the file from the host"
        " that rotated the keys (docs/keys.md)."
    )


def _refuse_wrong(epoch: int) -> None:
    """A swapped root or file must not pass for broken values: those would be given up."""
    for number, proof in store.read(PROOFS, []):
        if number == epoch and not _is_proof(number, proof):
            raise EpochUnknown(
                "this root key or its key file is not the keystore's: restore the files that"
                " JAWORT_KEY_FILE and JAWORT_EPOCHS_FILE name from their copies."
            )


def _is_proof(number: int, proof: bytes | memoryview) -> bool:
    return hmac.compare_digest(bytes(proof), proof_of(number))


def _look_at_the_file() -> None:
    """Once a minute: forget all keys when the file was replaced."""
    now = time.monotonic()
    if 0 <= now - _known.looked_at < LOOK_SECONDS:
        return
    file = keyfile.path()
    seen = None
    if file is not None and file.exists():
        status = file.stat()
        seen = (status.st_mtime_ns, status.st_ino)
    if seen != _known.file_seen:
        _known.keys.clear()
    _known.file_seen, _known.looked_at = seen, now
