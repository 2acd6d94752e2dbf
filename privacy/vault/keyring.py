"""The keys of many people at once: one query, each key unwrapped once, for one piece of work.

A ring lives as long as the work that needs it and is never stored or shared between processes.
"""

import os
from collections.abc import Iterable
from typing import Self
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy.vault import store
from privacy.vault.envelope import Kind, Where, key_version_of, open_with, seal_with
from privacy.vault.errors import KeyDestroyed
from privacy.vault.keys import KEY_BYTES
from privacy.vault.wrapping import wrapping_key

CLASSES = {"ops": Kind.OPS, "evidence": Kind.EVIDENCE}
# A subject has one key per class for life, so sealed values of subjects name it by a constant.
SUBJECT_KEY_VERSION = 1
LOAD = "SELECT subject, wrapped FROM keystore_subjectkey WHERE klass = %s AND subject = ANY(%s)"


class KeyRing:
    """Opens and seals values of the subjects it was loaded for."""

    def __init__(self, klass: str, keys: dict[UUID, AESGCM]) -> None:
        self._klass = klass
        self._kind = CLASSES[klass]
        self._keys = keys

    @classmethod
    def load(cls, subjects: Iterable[UUID], klass: str = "ops") -> Self:
        """The keys of `subjects` that still exist; `has` tells which do."""
        rows = store.read(LOAD, [klass, list(set(subjects))])
        return cls(klass, {row[0]: _unwrapped(row[0], klass, bytes(row[1])) for row in rows})

    def has(self, subject: UUID) -> bool:
        return subject in self._keys

    def seal(self, subject: UUID, where: Where, plaintext: bytes) -> bytes:
        key = self._key(subject)
        return seal_with(key, self._kind, SUBJECT_KEY_VERSION, where, subject.bytes, plaintext)

    def open(self, subject: UUID, where: Where, sealed: bytes) -> bytes:
        """The plaintext; `KeyDestroyed` or `SealBroken` if there is none."""
        return open_with(self._key(subject), self._kind, where, subject.bytes, sealed)

    def _key(self, subject: UUID) -> AESGCM:
        try:
            return self._keys[subject]
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


def _unwrapped(subject: UUID, klass: str, wrapped: bytes) -> AESGCM:
    return unwrap_key(subject.bytes, subject_key_place(subject, klass), wrapped)
