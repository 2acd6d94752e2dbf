"""privacy/audit: entries stand or fall with the act, name nobody, and never change."""

import json
import logging
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from privacy.access import Actor
from privacy.audit import NotForTheLog, OutsideTransaction, canonical, record, verify
from privacy.audit.tree import leaf_hash
from privacy.models import AuditEntry

REF = UUID("018f0000-0000-7000-8000-000000000001")
SYSTEM = Actor.system("retention")


def add(**changes) -> AuditEntry:
    values: dict[str, Any] = {
        "action": "request.received",
        "actor": SYSTEM,
        "obj": "request",
        "ref": REF,
    }
    values.update(changes)
    return record(values.pop("action"), **values)


def test_canonical_bytes_have_one_spelling():
    moment = datetime(2026, 11, 21, 20, 15, 0, 123_999, tzinfo=UTC)

    assert canonical({"b": [1, True], "a": "Mu\u0308ller", "at": moment}) == (
        '{"a":"M\u00fcller","at":"2026-11-21T20:15:00.123Z","b":[1,true]}'.encode()
    )


@pytest.mark.parametrize(
    "value", [1.5, None, b"x", {1: "x"}, {"é": 1, "e\u0301": 2}, datetime(2026, 1, 1)]
)
def test_what_has_no_single_spelling_is_refused(value):
    with pytest.raises(TypeError):
        canonical({"value": value})


@given(
    st.recursive(
        st.integers() | st.booleans() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.from_regex("[a-z]{1,4}", fullmatch=True), inner, max_size=3)
        ),
    )
)
def test_canonical_bytes_read_back_yield_themselves(value):
    raw = canonical(value)

    assert canonical(json.loads(raw)) == raw


def test_an_entry_holds_exact_bytes_and_their_hash(db):
    entry = add(purpose="art_15", facts={"rows": 3, "late": False, "channel": str(REF)})

    entry.refresh_from_db()
    raw = bytes(entry.entry)
    told = json.loads(raw)
    assert canonical(told) == raw
    assert told["facts"] == {"rows": 3, "late": False, "channel": str(REF)}
    assert (told["actor"], told["ref"], told["purpose"]) == ("system:retention", str(REF), "art_15")
    assert bytes(entry.leaf) == sha256(b"\x00" + raw).digest()
    assert entry.xid is not None


def test_an_entry_needs_the_transaction_of_its_act(transactional_db):
    with pytest.raises(OutsideTransaction):
        add()

    with transaction.atomic():
        add()
        transaction.set_rollback(True)
    assert AuditEntry.objects.count() == 0

    with transaction.atomic():
        add()
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "Requested by Erika"},
        {"action": "received"},
        {"obj": "Erika Mustermann"},
        {"ref": "+4917604069001"},
        {"ref": "4917604069001"},
        {"ref": "0176-0406-9001"},
        {"ref": "erika@example.org"},
        {"purpose": "because Erika asked"},
        {"result": ""},
        {"facts": {"phone": "+4917604069001"}},
        {"facts": {"phone": "0176.0406.9001"}},
        {"facts": {"phone": 4917604069001}},
        {"facts": {"mail": "erika@example.org"}},
        {"facts": {"name": "Erika"}},
        {"facts": {"text": "bitte alles löschen"}},
        {"facts": {"erika mustermann": 1}},
        {"facts": {"share": 0.5}},
        {"facts": {"list": ["a"]}},
        {"facts": {"nothing": None}},
    ],
)
def test_nothing_about_a_person_gets_into_the_log(db, changes):
    with pytest.raises(NotForTheLog) as error:
        add(**changes)

    assert "4917604069001" not in str(error.value)
    assert "rika" not in str(error.value)
    assert AuditEntry.objects.count() == 0


@pytest.mark.parametrize("ref", ["2026-0007", "2026-11-21", str(REF), "a" * 64, "42", ""])
def test_our_own_names_for_things_get_in(db, ref):
    assert add(ref=ref).ref == ref


def test_the_hash_goes_to_the_logs_once_committed(transactional_db, caplog):
    caplog.set_level(logging.INFO, logger="jawort.audit")

    with transaction.atomic():
        kept = add()
        assert not caplog.records
    with transaction.atomic():
        add()
        transaction.set_rollback(True)

    assert [r.msg["leaf"] for r in caplog.records] == [bytes(kept.leaf).hex()]
    assert [r.msg["entry"] for r in caplog.records] == [str(kept.id)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE privacy_auditentry SET actor = 'system:nobody'",
        "UPDATE privacy_auditentry SET id = id",
        "DELETE FROM privacy_auditentry",
    ],
)
def test_the_table_refuses_every_change_even_to_its_owner(transactional_db, statement):
    with transaction.atomic():
        add()

    with pytest.raises(DatabaseError, match="insert-only"), connection.cursor() as cursor:
        cursor.execute(statement)

    assert AuditEntry.objects.filter(actor="system:retention").count() == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE privacy_auditentry SET actor = 'x'",
        "DELETE FROM privacy_auditentry",
        "TRUNCATE privacy_auditentry",
        "ALTER TABLE privacy_auditentry DISABLE TRIGGER ALL",
        "DROP TABLE privacy_auditentry",
    ],
)
def test_the_running_app_may_add_and_read_only(transactional_db, as_app, statement):
    with as_app("default"), transaction.atomic():
        add()
    with (
        as_app("default"),
        pytest.raises(DatabaseError, match=r"permission denied|must be owner"),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    assert AuditEntry.objects.count() == 1


def tamper(statement: str, params: list | None = None) -> None:
    """What a thief with the owner's rights would do."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE privacy_auditentry DISABLE TRIGGER privacy_auditentry_stays")
        cursor.execute(statement, params)
        cursor.execute(
            "ALTER TABLE privacy_auditentry ENABLE ALWAYS TRIGGER privacy_auditentry_stays"
        )


@pytest.fixture
def entries(transactional_db):
    with transaction.atomic():
        return [add(facts={"rows": number}) for number in range(20)]


def test_an_untouched_log_is_sound(entries):
    told: list[int] = []

    result = verify(progress=told.append)

    assert result.is_sound
    assert (result.entries, result.findings, result.fences) == (20, [], [])
    assert sum(told) == 20


def test_a_flipped_byte_is_found_and_named(entries):
    victim = entries[7]

    for position in range(0, len(victim.entry), 60):  # each single byte: audit/test_verify.py
        tamper(
            "UPDATE privacy_auditentry SET entry ="
            " set_byte(entry, %s, get_byte(entry, %s) # 1) WHERE id = %s",
            [position, position, victim.id],
        )
        result = verify()
        assert not result.is_sound
        assert (result.changed, result.findings) == (
            1,
            [f"{victim.id}: its bytes do not yield its hash"],
        )
        tamper("UPDATE privacy_auditentry SET entry = %s WHERE id = %s", [victim.entry, victim.id])

    assert verify().is_sound


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "staff:nobody"),
        ("action", "request.closed"),
        ("object", "nothing"),
        ("ref", "2026-0001"),
        ("at", datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_changed_column_beside_the_bytes_is_found(entries, column, value):
    tamper(f"UPDATE privacy_auditentry SET {column} = %s WHERE id = %s", [value, entries[3].id])

    assert verify().findings == [f"{entries[3].id}: its column {column} tells something else"]


def test_a_rewritten_entry_with_a_fitting_hash_is_found_against_the_logs(entries):
    """Whoever rewrites bytes, hash and columns deceives the table alone, not the second witness."""
    witness = {entry.id: bytes(entry.leaf).hex() for entry in entries}
    forged = canonical({**json.loads(bytes(entries[5].entry)), "result": "refused"})
    tamper(
        "UPDATE privacy_auditentry SET entry = %s, leaf = %s WHERE id = %s",
        [forged, leaf_hash(forged), entries[5].id],
    )
    assert verify().is_sound  # the table alone cannot tell

    result = verify(witness=witness)

    assert result.findings == [f"{entries[5].id}: another hash than in the logs"]


def test_a_removed_entry_is_found_against_the_logs(entries):
    witness = {entry.id: bytes(entry.leaf).hex() for entry in entries}
    tamper("DELETE FROM privacy_auditentry WHERE id = %s", [entries[9].id])
    assert verify().is_sound

    result = verify(witness=witness)

    assert (result.missing, result.is_sound) == (1, False)
    assert result.findings == [f"{entries[9].id}: in the logs, but not in the table"]


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("ALTER TABLE privacy_auditentry DISABLE TRIGGER ALL", "privacy_auditentry_stays is off"),
        ("ALTER TABLE privacy_auditentry ENABLE TRIGGER ALL", "privacy_auditentry_stays is off"),
        ("DROP TRIGGER privacy_auditentry_stays ON privacy_auditentry", "stays is gone"),
        (
            "CREATE OR REPLACE FUNCTION privacy_refuse_change() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN RETURN NEW; END $$",
            "was rewritten",
        ),
    ],
)
def test_a_fence_that_was_taken_down_is_found(entries, statement, sentence):
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(statement)
        result = verify()
        transaction.set_rollback(True)

    assert not result.is_sound
    assert any(sentence in fence for fence in result.fences)
    assert verify().is_sound


def test_the_command_says_what_it_found_and_exits_by_it(entries, tmp_path, capsys):
    logs = tmp_path / "web.log"
    lines = [
        json.dumps({"event": "audit entry", "entry": str(e.id), "leaf": bytes(e.leaf).hex()})
        for e in entries
    ]
    logs.write_text("not json\n" + "\n".join(lines) + '\n{"event": "something else"}\n')
    call_command("audit_verify", "--json", "--logs", str(logs))
    sound = json.loads(capsys.readouterr().out)
    assert (sound["is_sound"], sound["entries"], sound["compared_with_logs"]) == (True, 20, True)

    tamper("DELETE FROM privacy_auditentry WHERE id = %s", [entries[0].id])

    with pytest.raises(SystemExit) as exit_code:
        call_command("audit_verify", "--logs", str(logs))
    assert exit_code.value.code == 1
    assert "in the logs, but not in the table" in capsys.readouterr().out
