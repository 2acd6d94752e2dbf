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
    SELECT subject, wrapped FROM keystore_subjectkey
     WHERE klass = %s AND subject = ANY(%s::uuid[])"""
SubjectOpener = Callable[[UUID, UUID, bytes], bytes]  # subject, primary key, sealed -> plaintext


class KeyRing:
    """Opens and seals values of the subjects it was loaded for."""

    def __init__(self, klass: str, keys: dict[int, AESGCM]) -> None:
        self._klass = klass
        self._kind = CLASSES[klass]
        self._keys = keys  # by the subject's number: a UUID itself is slow to look up

    @classmethod
    def load(cls, subjects: Iterable[UUID], klass: str = "ops") -> Self:
        """The keys of `subjects` that still exist; `has` tells which do."""
        wanted = {subject.int for subject in subjects}
        # PostgreSQL's own spelling of an array: the driver's takes longer than the query.
        rows = store.read(LOAD, [klass, "{" + ",".join([f"{one:032x}" for one in wanted]) + "}"])
        return cls(klass, _unwrapped(klass, rows))

    def has(self, subject: UUID) -> bool:
        return subject.int in self._keys

    def seal(self, subject: UUID, where: Where, plaintext: bytes) -> bytes:
        key = self._key(subject)
        return seal_with(key, self._kind, SUBJECT_KEY_VERSION, where, subject.bytes, plaintext)

    def open(self, subject: UUID, where: Where, sealed: bytes) -> bytes:
        """The plaintext; `KeyDestroyed` or `SealBroken` if there is none."""
        return open_with(self._key(subject), self._kind, where, subject.bytes, sealed)

    def opener(self, table: str, column: str) -> SubjectOpener:
        """`open` for many values of one column whose rows are named by UUIDs."""
        keys, opened = self._keys, opener(table, column, self._kind, SUBJECT_KEY_VERSION)

        def open_one(subject: UUID, pk: UUID, sealed: bytes) -> bytes:
            key = keys.get(subject.int) or self._key(subject)
            plaintext = opened(key, pk.bytes, subject.bytes, sealed)
            if plaintext is None:
                raise SealBroken(broken(table, column))
            return plaintext

        return open_one

    def _key(self, subject: UUID) -> AESGCM:
        try:
            return self._keys[subject.int]
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


def _unwrapped(klass: str, rows: Iterable[tuple[UUID, bytes]]) -> dict[int, AESGCM]:
    """The keys of many subjects, by their numbers; raises `SealBroken` if one does not open."""
    keks: dict[int, tuple[AESGCM, Opener]] = {}
    keys: dict[int, AESGCM] = {}
    for subject, sealed in rows:
        wrapped, owner = bytes(sealed), subject.bytes
        epoch = key_version_of(wrapped)
        if epoch not in keks:
            unwrap = opener("keystore_subjectkey", klass, Kind.WRAPPED_KEY, epoch)
            keks[epoch] = (wrapping_key(epoch), unwrap)
        kek, unwrap = keks[epoch]
        key = unwrap(kek, owner, owner, wrapped)
        if key is None:
            raise SealBroken(broken("keystore_subjectkey", klass))
        keys[subject.int] = AESGCM(key)
    return keys
