"""The sealed value: `version(1) | class(1) | key version(2) | nonce(12) | ciphertext | tag(16)`.

AES-256-GCM with a random nonce. The additional data binds the bytes to their place: installation,
table, column, primary key and owner, each with its length in front, and the four header bytes.
Sealed bytes moved to another row, column or person do not open. The key version names exactly one
key: we never try several, because GCM does not commit to its key.
"""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy.vault.errors import SealBroken
from privacy.vault.keys import installation

VERSION = 1
HEADER = struct.Struct(">BBH")
NONCE_BYTES = 12
TAG_BYTES = 16
OVERHEAD = HEADER.size + NONCE_BYTES + TAG_BYTES
CIPHERTEXT = HEADER.size + NONCE_BYTES
LENGTH = struct.Struct(">H")
UUID_BYTES = 16

Pk = UUID | int | str


class Kind(IntEnum):
    """Which family of keys opens the value. The number is stored, so it never changes."""

    OPS = 1
    EVIDENCE = 2
    SYSTEM = 3
    INBOX = 4
    WRAPPED_KEY = 5


@dataclass(frozen=True, slots=True)
class Where:
    """The one place where a sealed value opens: table, column and primary key of its row."""

    table: str
    column: str
    pk: Pk


def seal_with(
    key: AESGCM, kind: Kind, key_version: int, where: Where, owner: bytes, plaintext: bytes
) -> bytes:
    """Seal `plaintext` for `where`; `owner` is the subject's id, the day of the inbox, or empty."""
    header = HEADER.pack(VERSION, kind, key_version)
    nonce = os.urandom(NONCE_BYTES)
    place = place_of(where.table, where.column)
    aad = _aad(header, place, _pk_bytes(where.pk), owner)
    return header + nonce + key.encrypt(nonce, plaintext, aad)


def open_with(key: AESGCM, kind: Kind, where: Where, owner: bytes, sealed: bytes) -> bytes:
    """The plaintext; `SealBroken` if these bytes were not sealed for this place by this key."""
    place = place_of(where.table, where.column)
    header = sealed[: HEADER.size]
    if len(sealed) >= OVERHEAD and header[0] == VERSION and header[1] == kind:
        aad = _aad(header, place, _pk_bytes(where.pk), owner)
        try:
            return key.decrypt(sealed[HEADER.size : CIPHERTEXT], sealed[CIPHERTEXT:], aad)
        except InvalidTag:
            pass
    raise SealBroken(broken(where.table, where.column))


Opener = Callable[[AESGCM, bytes, bytes, bytes], bytes | None]


def opener(table: str, column: str, kind: Kind, key_version: int) -> Opener:
    """`open_with` for many values of one column, of rows and owners that are named by UUIDs.

    What is returned takes key, primary key, owner (both as their 16 bytes) and the sealed value; it
    returns None where that does not open. What is the same for all of them is put together once.
    """
    header = HEADER.pack(VERSION, kind, key_version)
    before = header + place_of(table, column) + LENGTH.pack(1 + UUID_BYTES) + b"u"
    between = LENGTH.pack(UUID_BYTES)

    def open_one(key: AESGCM, pk: bytes, owner: bytes, sealed: bytes) -> bytes | None:
        if len(sealed) < OVERHEAD or not sealed.startswith(header):
            return None
        aad = before + pk + between + owner
        try:
            return key.decrypt(sealed[HEADER.size : CIPHERTEXT], sealed[CIPHERTEXT:], aad)
        except InvalidTag:
            return None

    return open_one


def key_version_of(sealed: bytes) -> int:
    """The version of the key that sealed this; `SealBroken` for anything too short to tell."""
    if len(sealed) < OVERHEAD:
        raise SealBroken("a sealed value is cut: restore it from the backup.")
    return int(HEADER.unpack_from(sealed)[2])


def broken(table: str, column: str) -> str:
    """What to tell the operator of a value that does not open."""
    return (
        f"a value of {table}.{column} does not open in its place: it was changed, moved"
        " or sealed by another root key. Compare JAWORT_KEY_FILE with the backup's."
    )


def place_of(table: str, column: str) -> bytes:
    """The part of the additional data that is the same for a whole column."""
    return _place(installation(), table, column)


def _aad(header: bytes, place: bytes, pk: bytes, owner: bytes) -> bytes:
    return b"".join((header, place, LENGTH.pack(len(pk)), pk, LENGTH.pack(len(owner)), owner))


@lru_cache(maxsize=512)
def _place(house: bytes, table: str, column: str) -> bytes:
    return _prefixed(house) + _prefixed(table.encode()) + _prefixed(column.encode())


def _prefixed(part: bytes) -> bytes:
    return LENGTH.pack(len(part)) + part


def _pk_bytes(pk: Pk) -> bytes:
    """One letter for the type in front, so that no id of one type can pass for one of another."""
    if isinstance(pk, UUID):
        return b"u" + pk.bytes
    if isinstance(pk, int):
        return b"i" + pk.to_bytes(8, "big", signed=True)
    return b"s" + pk.encode()
