"""The sealed value: `version(1) | class(1) | key version(2) | nonce(12) | ciphertext | tag(16)`.

AES-256-GCM with a random nonce. The additional data binds the bytes to their place: installation,
table, column, primary key and owner, each with its length in front, and the four header bytes.
Sealed bytes moved to another row, column or person do not open. The key version names exactly one
key: we never try several, because GCM does not commit to its key.
"""

import os
import struct
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
    return header + nonce + key.encrypt(nonce, plaintext, _aad(header, where, owner))


def open_with(key: AESGCM, kind: Kind, where: Where, owner: bytes, sealed: bytes) -> bytes:
    """The plaintext; `SealBroken` if these bytes were not sealed for this place by this key."""
    header = sealed[: HEADER.size]
    if len(sealed) < OVERHEAD or header[:2] != bytes((VERSION, kind)):
        raise SealBroken(_message(where))
    nonce = sealed[HEADER.size : HEADER.size + NONCE_BYTES]
    try:
        return key.decrypt(nonce, sealed[HEADER.size + NONCE_BYTES :], _aad(header, where, owner))
    except InvalidTag:
        raise SealBroken(_message(where)) from None


def key_version_of(sealed: bytes) -> int:
    """The version of the key that sealed this; `SealBroken` for anything too short to tell."""
    if len(sealed) < OVERHEAD:
        raise SealBroken("a sealed value is cut: restore it from the backup.")
    return int(HEADER.unpack_from(sealed)[2])


def _message(where: Where) -> str:
    return (
        f"a value of {where.table}.{where.column} does not open in its place: it was changed, moved"
        " or sealed by another root key. Compare JAWORT_KEY_FILE with the backup's."
    )


def _aad(header: bytes, where: Where, owner: bytes) -> bytes:
    place = _place(installation(), where.table, where.column)
    return b"".join((header, place, _prefixed(_pk_bytes(where.pk)), _prefixed(owner)))


@lru_cache(maxsize=512)
def _place(house: bytes, table: str, column: str) -> bytes:
    return _prefixed(house) + _prefixed(table.encode()) + _prefixed(column.encode())


def _prefixed(part: bytes) -> bytes:
    return len(part).to_bytes(2, "big") + part


def _pk_bytes(pk: Pk) -> bytes:
    """One letter for the type in front, so that no id of one type can pass for one of another."""
    if isinstance(pk, UUID):
        return b"u" + pk.bytes
    if isinstance(pk, int):
        return b"i" + pk.to_bytes(8, "big", signed=True)
    return b"s" + pk.encode()
