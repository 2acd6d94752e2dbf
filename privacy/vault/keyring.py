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
from privacy.vault.keys import KEK_EPOCH, KEY_BYTES, subkey

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


def wrap_new_key(owner: bytes, place: Where) -> bytes:
    """A fresh data key, sealed under the key of the current epoch."""
    return seal_with(
        _wrapping_key(KEK_EPOCH), Kind.WRAPPED_KEY, KEK_EPOCH, place, owner, os.urandom(KEY_BYTES)
    )


def unwrap_key(owner: bytes, place: Where, wrapped: bytes) -> AESGCM:
    kek = _wrapping_key(key_version_of(wrapped))
    return AESGCM(open_with(kek, Kind.WRAPPED_KEY, place, owner, wrapped))


def subject_key_place(subject: UUID, klass: str) -> Where:
    return Where("keystore_subjectkey", klass, subject)


def _unwrapped(subject: UUID, klass: str, wrapped: bytes) -> AESGCM:
    return unwrap_key(subject.bytes, subject_key_place(subject, klass), wrapped)


def _wrapping_key(epoch: int) -> AESGCM:
    return AESGCM(subkey(f"kek/{epoch}"))
