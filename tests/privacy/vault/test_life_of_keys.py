"""The life of keys as a game of chance: made, used, rotated, destroyed, put back from old copies.

A small model says who must be readable and who must not; the real vault plays against it.
"""

import os
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule, run_state_machine_as_test

from privacy import vault
from privacy.access import Actor
from privacy.ids import uuid7
from privacy.vault import KeyDestroyed, KeyRing, SealBroken, Where, epochs, keyfile
from privacy.vault.envelope import OVERHEAD, Kind, open_with, seal_with
from tests.privacy.vault.conftest import forget_all

TABLES = ("subjectkey", "keyepoch", "systemkey", "tombstone")
KEY = AESGCM(bytes(range(32)))
TERM = timedelta(days=8)

pks = st.one_of(
    st.uuids(), st.integers(min_value=-(2**63), max_value=2**63 - 1), st.text(max_size=20)
)
names = st.text(max_size=12)
places = st.builds(Where, names, names, pks)
few = settings(max_examples=50, deadline=None)


@few
@given(places, st.binary(max_size=40), st.binary(max_size=80), st.integers(0, 65535))
def test_what_was_sealed_opens_and_is_as_long_as_it_says(where, owner, text, version) -> None:
    sealed = seal_with(KEY, Kind.OPS, version, where, owner, text)

    assert len(sealed) == len(text) + OVERHEAD
    assert open_with(KEY, Kind.OPS, where, owner, sealed) == text


@few
@given(places, places, st.binary(max_size=20), st.binary(max_size=20), st.sampled_from(list(Kind)))
def test_it_opens_nowhere_else(one, other, owner, stranger, kind) -> None:
    sealed = seal_with(KEY, Kind.OPS, 1, one, owner, b"text")

    if (one, owner, Kind.OPS) != (other, stranger, kind) or type(one.pk) is not type(other.pk):
        with pytest.raises(SealBroken):
            open_with(KEY, kind, other, stranger, sealed)


@few
@given(st.binary(min_size=1, max_size=60), st.data())
def test_no_byte_may_change(text, data) -> None:
    where = Where("table", "column", 1)
    sealed = bytearray(seal_with(KEY, Kind.OPS, 1, where, b"", text))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(SealBroken):
        open_with(KEY, Kind.OPS, where, b"", bytes(sealed))


class Life(RuleBasedStateMachine):
    """`readable`: who must open; whoever was erased must not, after every rule of the game."""

    people = Bundle("people")
    copies = Bundle("copies")

    def __init__(self) -> None:
        super().__init__()
        with connections["keystore"].cursor() as cursor:
            for table in TABLES:
                cursor.execute(f"DELETE FROM keystore_{table}")
        if keyfile.path().exists():
            keyfile.path().unlink()
        forget_all()
        self.sealed: dict[UUID, tuple[Where, bytes]] = {}
        self.erased: set[UUID] = set()
        self.lost: set[UUID] = set()  # who came after the copy that was put back last
        self.now = datetime.now(UTC)

    @rule(target=people)
    def somebody_comes(self) -> UUID:
        subject = vault.new_subject()
        where = Where("messengers_address", "sealed", uuid7())
        self.sealed[subject] = (where, vault.seal(subject, "ops", where, subject.bytes))
        return subject

    @rule(person=people)
    def somebody_is_erased(self, person: UUID) -> None:
        vault.tombstone(person, self.now)
        vault.shred(person, "ops")
        self.erased.add(person)

    @rule()
    def the_keys_are_rotated(self) -> None:
        epochs.new_epoch(Actor.system("tests"))
        epochs.rewrap()
        epochs.retire_left_behind()
        assert epochs.rows_on_old_keys() == 0

    @rule()
    def a_rotation_is_cut_short(self) -> None:
        epochs.new_epoch(Actor.system("tests"))
        cuts = iter([False])
        epochs.rewrap(stop=lambda: next(cuts, True))

    @rule()
    def terms_go_by(self) -> None:
        epochs.destroy_due(self.now + TERM)

    @rule()
    def the_process_begins_anew(self) -> None:
        forget_all()

    @rule(target=copies)
    def the_keystore_is_copied(self) -> dict[str, Any]:
        rows = {table: fetch(f"SELECT * FROM keystore_{table}") for table in TABLES[:3]}
        newest = [max((row[0] for row in rows["keyepoch"]), default=None)]
        used = {row[3] for row in rows["subjectkey"]}.union(filter(None, newest))
        return {"rows": rows, "used": used, "people": set(self.sealed) - self.lost}

    @rule(copy=copies)
    def an_old_copy_is_put_back(self, copy: dict[str, Any]) -> None:
        """As `restore --keystore` does it: with today's key file, if that still opens the copy."""
        if not copy["used"] <= keyfile.halves().keys():
            self.it_opens_nothing(copy)
            return
        for table in TABLES[:3]:
            run(f"DELETE FROM keystore_{table}")
            for row in deepcopy(copy["rows"][table]):
                marks = ", ".join(["%s"] * len(row))
                run(f"INSERT INTO keystore_{table} VALUES ({marks})", list(row))
        forget_all()
        for stone in vault.tombstones():
            vault.shred_again(stone.subject, evidence=stone.evidence)
        self.lost = set(self.sealed) - copy["people"]

    def it_opens_nothing(self, copy: dict[str, Any]) -> None:
        """Its epoch's line is destroyed: not even with the root key can anybody read it."""
        for _id, subject, klass, epoch, wrapped, _at in copy["rows"]["subjectkey"]:
            if epoch not in keyfile.halves():
                place = Where("keystore_subjectkey", klass, subject)
                with pytest.raises((vault.EpochUnknown, SealBroken)):
                    vault.keyring.unwrap_key(subject.bytes, place, bytes(wrapped))

    def teardown(self) -> None:
        self.everybody_is_as_they_should()

    @rule()
    def everybody_is_as_they_should(self) -> None:
        for person, (where, sealed) in self.sealed.items():
            if person in self.erased | self.lost:
                with pytest.raises(KeyDestroyed):
                    vault.open_sealed(person, "ops", where, sealed)
                assert not KeyRing.load([person]).has(person)
            else:
                assert vault.open_sealed(person, "ops", where, sealed) == person.bytes


def test_no_play_brings_anybody_back_or_loses_somebody(db, key_file: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power is cut in this game
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=10,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def fetch(sql: str) -> list[tuple[Any, ...]]:
    with connections["keystore"].cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def run(sql: str, params: list[Any] | None = None) -> None:
    with connections["keystore"].cursor() as cursor:
        cursor.execute(sql, params or [])
