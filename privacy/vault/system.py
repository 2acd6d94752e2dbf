"""Secrets of the installation and its staff: channel credentials, one-time-code seeds, notes.

Sealed under random keys of the house, which are wrapped by the epoch like everybody's. The version
in the sealed value's header is the number of its key; 1 is a key derived from the root alone, which
older installations began with and which seals nothing any more.
"""

import time

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.utils import timezone

from privacy.vault import keys, store
from privacy.vault.envelope import Kind, Where, key_version_of, open_with, seal_with
from privacy.vault.errors import KeyDestroyed, SealBroken
from privacy.vault.keyring import unwrap_key, wrap_new_key
from privacy.vault.wrapping import under_current

DERIVED_NUMBER = 1
# Every page of staff opens a session, so a process remembers for a moment what opens.
REMEMBER_SECONDS = 60.0

NEWEST = "SELECT number, wrapped FROM keystore_systemkey ORDER BY number DESC LIMIT 1"
FIND = "SELECT wrapped FROM keystore_systemkey WHERE number = %s"
ADD = """INSERT INTO keystore_systemkey (number, epoch, wrapped, created_at)
    SELECT %s, %s, %s, %s
     WHERE %s = (SELECT max(number) FROM keystore_keyepoch) ON CONFLICT DO NOTHING"""

_remembered: dict[tuple[bytes, int], tuple[AESGCM, float]] = {}


def seal_system(where: Where, plaintext: bytes) -> bytes:
    """Seal under the newest key of the house, for values that no person's erasure concerns."""
    number, key = _newest()
    return seal_with(key, Kind.SYSTEM, number, where, b"", plaintext)


def open_system(where: Where, sealed: bytes) -> bytes:
    """The plaintext; `KeyDestroyed` when the key's term is over, `SealBroken` if it was changed."""
    number = key_version_of(sealed)
    remembered = _remembered.get((keys.root(), number))
    if remembered and 0 <= time.monotonic() - remembered[1] < REMEMBER_SECONDS:
        try:
            return open_with(remembered[0], Kind.SYSTEM, where, b"", sealed)
        except SealBroken:
            _remembered.clear()  # perhaps the keystore is another one by now
    return open_with(_by_number(number), Kind.SYSTEM, where, b"", sealed)


def newest_system_key() -> int:
    """The number of the key that seals now."""
    return _newest()[0]


def add_system_key(after: int) -> None:
    """Make the key that follows number `after`; harmless when somebody else has."""
    number = after + 1

    def add(epoch: int) -> int:
        wrapped = wrap_new_key(b"", place_of(number), epoch)
        return store.write(ADD, [number, epoch, wrapped, timezone.now(), epoch])

    under_current(add)


def place_of(number: int) -> Where:
    return Where("keystore_systemkey", "wrapped", number)


def _newest() -> tuple[int, AESGCM]:
    rows = store.read(NEWEST, [])
    if not rows:
        add_system_key(after=DERIVED_NUMBER)
        rows = store.read(NEWEST, [])
    number, wrapped = rows[0]
    return number, _remember(number, unwrap_key(b"", place_of(number), bytes(wrapped)))


def _by_number(number: int) -> AESGCM:
    if number == DERIVED_NUMBER:
        return AESGCM(keys.subkey(f"system/{DERIVED_NUMBER}"))
    rows = store.read(FIND, [number])
    if not rows:
        raise KeyDestroyed(f"key {number} of the house is destroyed: its term is over.")
    return _remember(number, unwrap_key(b"", place_of(number), bytes(rows[0][0])))


def _remember(number: int, key: AESGCM) -> AESGCM:
    _remembered[keys.root(), number] = (key, time.monotonic())
    return key
