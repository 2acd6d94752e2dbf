"""The keys of many people at once: one query, each key unwrapped once, for one piece of work.

A ring lives as long as the work that needs it and is never stored or shared between processes.
"""

import os
from collections.abc import Callable, Iterable
from typing import Self
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy.vault import store
from privacy.vault.envelope import (
    Kind,
    Opener,
    Where,
    broken,
    key_version_of,
    open_with,
    opener,
    seal_with,
)
from privacy.vault.errors import KeyDestroyed, SealBroken
from privacy.vault.keys import KEY_BYTES
from privacy.vault.wrapping import wrapping_key

CLASSES = {"ops": Kind.OPS, "evidence": Kind.EVIDENCE}
# A subject has one key per class for life, so sealed values of subjects name it by a constant.
SUBJECT_KEY_VERSION = 1
LOAD = """
    SELECT uuid_send(subject), wrapped FROM keystore_subjectkey
     WHERE klass = %s AND subject = ANY(%s::uuid[])"""
# Subject and primary key as their 16 bytes, and the sealed value -> the plaintext.
SubjectOpener = Callable[[bytes, bytes, bytes], bytes]


class KeyRing:
    """Opens and seals values of the subjects it was loaded for.

    Where there are many of them, ids are their 16 bytes: a UUID is slow to make and to look up.
    """

    def __init__(self, klass: str, keys: dict[bytes, AESGCM]) -> None:
        self._klass = klass
        self._kind = CLASSES[klass]
        self._keys = keys
        self.broken: frozenset[bytes] = frozenset()  # subjects whose key is there and does not open

    @classmethod
    def load(cls, subjects: Iterable[UUID], klass: str = "ops") -> Self:
        """The keys of `subjects` that still exist; `has` tells which do."""
        return cls.of((subject.bytes for subject in subjects), klass)

    @classmethod
    def of(
        cls, subjects: Iterable[bytes], klass: str = "ops", *, skip_broken: bool = False
    ) -> Self:
        """`load`, by the subjects' 16 bytes.

        A key that does not open raises `SealBroken`, or with `skip_broken` is one of `broken`.
        """
        # PostgreSQL's own spelling of an array: the driver's takes longer than the query.
        wanted = "{" + ",".join([one.hex() for one in set(subjects)]) + "}"
        keys, unopened = _unwrapped(klass, store.read(LOAD, [klass, wanted]))
        if unopened and not skip_broken:
            raise SealBroken(broken("keystore_subjectkey", klass))
        ring = cls(klass, keys)
        ring.broken = frozenset(unopened)
        return ring

    def has(self, subject: UUID | bytes) -> bool:
        return (subject if isinstance(subject, bytes) else subject.bytes) in self._keys

    def seal(self, subject: UUID, where: Where, plaintext: bytes) -> bytes:
        key = self._key(subject)
        return seal_with(key, self._kind, SUBJECT_KEY_VERSION, where, subject.bytes, plaintext)

    def open(self, subject: UUID, where: Where, sealed: bytes) -> bytes:
        """The plaintext; `KeyDestroyed` or `SealBroken` if there is none."""
        return open_with(self._key(subject), self._kind, where, subject.bytes, sealed)

    def opener(self, table: str, column: str) -> SubjectOpener:
        """`open` for many values of one column whose rows are named by UUIDs."""
        keys, opened = self._keys, opener(table, column, self._kind, SUBJECT_KEY_VERSION)

        def open_one(subject: bytes, pk: bytes, sealed: bytes) -> bytes:
            key = keys.get(subject) or self._key(UUID(bytes=subject))
            plaintext = opened(key, pk, subject, sealed)
            if plaintext is None:
                raise SealBroken(broken(table, column))
            return plaintext

        return open_one

    def _key(self, subject: UUID) -> AESGCM:
        try:
            return self._keys[subject.bytes]
        except KeyError:
            raise KeyDestroyed(f"the {self._klass} key of {subject} is destroyed.") from None


def wrap_new_key(owner: bytes, place: Where, epoch: int) -> bytes:
    """A fresh data key, sealed under the key of `epoch`."""
    return wrap_key(os.urandom(KEY_BYTES), owner, place, epoch)


def wrap_key(key: bytes, owner: bytes, place: Where, epoch: int) -> bytes:
    return seal_with(wrapping_key(epoch), Kind.WRAPPED_KEY, epoch, place, owner, key)


def unwrap_key(owner: bytes, place: Where, wrapped: bytes) -> AESGCM:
    return AESGCM(unwrapped_bytes(owner, place, wrapped))


def unwrapped_bytes(owner: bytes, place: Where, wrapped: bytes) -> bytes:
    """The bare key, for wrapping it anew."""
    kek = wrapping_key(key_version_of(wrapped))
    return open_with(kek, Kind.WRAPPED_KEY, place, owner, wrapped)


def subject_key_place(subject: UUID, klass: str) -> Where:
    return Where("keystore_subjectkey", klass, subject)


def _unwrapped(
    klass: str, rows: Iterable[tuple[bytes, bytes]]
) -> tuple[dict[bytes, AESGCM], list[bytes]]:
    """The keys of many subjects, by their bytes, and the subjects whose key does not open."""
    keks: dict[int, tuple[AESGCM, Opener]] = {}
    keys: dict[bytes, AESGCM] = {}
    unopened: list[bytes] = []
    for owner, wrapped in rows:
        epoch = key_version_of(wrapped)
        if epoch not in keks:
            unwrap = opener("keystore_subjectkey", klass, Kind.WRAPPED_KEY, epoch)
            keks[epoch] = (wrapping_key(epoch), unwrap)
        kek, unwrap = keks[epoch]
        key = unwrap(kek, owner, owner, wrapped)
        if key is None:
            unopened.append(owner)
        else:
            keys[owner] = AESGCM(key)
    return keys, unopened
