"""privacy/vault/tombstones.py: the keystore remembers who went, and lets nobody come back."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from privacy import vault
from privacy.vault import KeyRing
from privacy.vault.models import Tombstone

# The package offers a function of the same name.
tombstones = import_module("privacy.vault.tombstones")
AT = datetime(2026, 11, 21, tzinfo=UTC)
PRINTS = [("sms", b"\x01" * 32), ("email", b"\x02" * 32)]


def test_everybody_is_remembered_over_many_pages(db, monkeypatch) -> None:
    assert tombstones.PAGE == 2_000
    monkeypatch.setattr(tombstones, "PAGE", 2)
    people = vault.new_subjects(5)
    for number, person in enumerate(people):
        more: dict[str, Any] = {"evidence": True} if number == 1 else {}
        vault.tombstone(person, AT + timedelta(hours=number), **more)

    found = list(vault.tombstones())

    assert [stone.subject for stone in found] == people
    assert [stone.erased_at for stone in found] == [AT + timedelta(hours=n) for n in range(5)]
    assert [stone.evidence for stone in found] == [False, True, False, False, False]
    assert vault.count_tombstones() == 5


def test_saying_it_again_only_adds(db) -> None:
    person = vault.new_subject()
    vault.tombstone(person, AT, suppressed=PRINTS)
    vault.tombstone(person, AT + timedelta(days=1), evidence=True)
    vault.tombstone(person, AT)

    (stone,) = vault.tombstones()

    assert stone == (person, AT, True, PRINTS)
    assert Tombstone.objects.get().suppressed == [[kind, one.hex()] for kind, one in PRINTS]
    assert tombstones._prints('[["sms", "00"]]') == [("sms", b"\x00")]


def test_keys_that_came_back_go_again_and_proof_only_where_it_went(db) -> None:
    one, other = vault.new_subjects(2)

    assert vault.shred_again(one, evidence=False) == 1
    assert vault.shred_again(one, evidence=False) == 0
    assert vault.shred_again(other, evidence=True) == 2

    assert KeyRing.load([one, other], "evidence").has(one)
    assert not KeyRing.load([one, other], "evidence").has(other)
