"""Bodies of incoming messages, sealed under the key of their day, which is destroyed with its term.

An incoming message has no person yet: who wrote it is known only after it was read. The day stands
in the sealed value's header, so a body opens without being told its day.
"""

from collections.abc import Callable
from datetime import date, timedelta

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy.vault import store
from privacy.vault.envelope import Kind, Where, key_version_of, open_with, seal_with
from privacy.vault.errors import KeyDestroyed
from privacy.vault.keyring import unwrap_key, wrap_new_key
from privacy.vault.wrapping import under_current

FIRST_DAY = date(2020, 1, 1)  # day 0 of the two header bytes, which last until 2199
FIND = "SELECT wrapped FROM keystore_inboxkey WHERE day = %s"
ADD = """INSERT INTO keystore_inboxkey (day, epoch, wrapped) SELECT %s, %s, %s
     WHERE %s = (SELECT max(number) FROM keystore_keyepoch) ON CONFLICT DO NOTHING"""


def seal_inbox(where: Where, plaintext: bytes, day: date) -> bytes:
    """Seal under the key of `day`, made when the day's first message comes."""
    return inbox_sealer(day)(where, plaintext)


def inbox_sealer(day: date) -> Callable[[Where, bytes], bytes]:
    """`seal_inbox` of one day with its key in hand: for a door through which many come at once.

    To be kept for seconds and no longer: a key that is destroyed meanwhile still seals.
    """
    key, version, owner = _find(day) or _made(day), (day - FIRST_DAY).days, owner_of(day)
    return lambda where, plaintext: seal_with(key, Kind.INBOX, version, where, owner, plaintext)


def open_inbox(where: Where, sealed: bytes) -> bytes:
    """The body; `KeyDestroyed` when its term is over."""
    day = FIRST_DAY + timedelta(days=key_version_of(sealed))
    key = _find(day)
    if key is None:
        raise KeyDestroyed(f"the inbox key of {day} is destroyed: its term is over.")
    return open_with(key, Kind.INBOX, where, owner_of(day), sealed)


def destroy_inbox_keys(before: date) -> int:
    """Destroy the keys of all days before `before`; how many there were. May run twice."""
    return store.write("DELETE FROM keystore_inboxkey WHERE day < %s", [before])


def _find(day: date) -> AESGCM | None:
    rows = store.read(FIND, [day])
    return unwrap_key(owner_of(day), place_of(day), bytes(rows[0][0])) if rows else None


def _made(day: date) -> AESGCM:
    """The day's key, whoever made it first: two messages may come at once."""

    def add(epoch: int) -> int:
        wrapped = wrap_new_key(owner_of(day), place_of(day), epoch)
        return store.write(ADD, [day, epoch, wrapped, epoch])

    under_current(add)
    key = _find(day)
    assert key is not None
    return key


def owner_of(day: date) -> bytes:
    return day.isoformat().encode()


def place_of(day: date) -> Where:
    return Where("keystore_inboxkey", "wrapped", day.isoformat())
