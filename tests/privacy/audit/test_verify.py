"""Whatever a thief with the rights of the tables' owner does to the logs is found and named.

One house with 771 entries, two checkpoints and a witness; each crime happens in a transaction and
is taken back. Before and after them all, the same reading finds nothing.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from privacy.access import Actor
from privacy.audit import canonical, record, tree, verify
from privacy.audit.anchors import submit
from privacy.audit.checkpoints import make_checkpoints, sign
from privacy.audit.insert_only import INSERT_ONLY_TABLES, LEDGER_TABLES
from privacy.audit.logs import SOURCES, origin
from privacy.audit.nodes import complete_tiles
from privacy.audit.verify.chunks import CHUNK, Checked, Piece
from privacy.audit.verify.entries import Reader
from privacy.audit.verify.pieces import cut
from privacy.ids import uuid7
from privacy.models import AuditEntry, Checkpoint, Leaf, Log, Node
from tests.privacy.audit.placing import place_all
from tests.privacy.audit.watchers import run_signer, signing, witnessing

SYSTEM = Actor.system("retention")
ENTRY = "privacy_auditentry"


def run(statement: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


@contextmanager
def crime() -> Iterator[None]:
    """All fences down, the deed, all fences up again as if nothing had been; then undone."""
    with transaction.atomic():
        for table in INSERT_ONLY_TABLES:
            run(f"ALTER TABLE {table} DISABLE TRIGGER {table}_stays")
        yield
        transaction.set_rollback(True)


def fences_up() -> None:
    run("SET CONSTRAINTS ALL IMMEDIATE")
    for table in INSERT_ONLY_TABLES:
        run(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_stays")


@pytest.fixture
def house(transactional_db, tmp_path, settings):
    signer, witness = tmp_path / "signer", tmp_path / "witness"
    keys = run_signer("init", signer, "--log", origin(Log.AUDIT), "--log", origin(Log.CONSENT))
    logs = (part for key in keys.split() for part in ("--log", key))
    key = run_signer("init", witness, "--name", "w1.example.org", *logs).strip()
    settings.JAWORT_SIGNER_SOCKET = tmp_path / "s"
    with ExitStack() as stack:
        stack.enter_context(signing(signer, tmp_path / "s"))
        url = stack.enter_context(witnessing(witness, "w1.example.org"))
        settings.JAWORT_WITNESSES = [f"{url}|{key}"]
        with transaction.atomic():
            made = [
                record("request.received", actor=SYSTEM, obj="request", ref=UUID(int=n))
                for n in range(700)
            ]
        place_all()
        now = timezone.now()
        make_checkpoints(now)  # learns the keys; an entry tells so
        place_all()
        first = Checkpoint.objects.get(log=1)
        Leaf.objects.filter(log=1).count()
        with transaction.atomic():
            made += [
                record("request.received", actor=SYSTEM, obj="request", ref=UUID(int=n))
                for n in range(70)
            ]
        place_all()
        last = sign(Log.AUDIT, Leaf.objects.filter(log=1).count(), first.size)
        submit(now)
        ids = list(Leaf.objects.filter(log=1).order_by("idx").values_list("entry_id", flat=True))
        yield SimpleNamespace(entries=made, first=first, last=last, ids=ids, size=last.size)


def rewrite(house: SimpleNamespace, place: int, *, nodes: bool) -> None:
    """Another story with a fitting hash, and the tree hashed anew over it if wanted."""
    entry = AuditEntry.objects.get(pk=house.ids[place])
    forged = canonical({**json.loads(bytes(entry.entry)), "result": "refused"})
    leaf = tree.leaf_hash(forged)
    run(f"UPDATE {ENTRY} SET entry = %s, leaf = %s WHERE id = %s", forged, leaf, entry.pk)
    run("UPDATE privacy_leaf SET leaf = %s WHERE log = 1 AND idx = %s", leaf, place)
    if nodes:
        run("DELETE FROM privacy_node")
        leaves = [bytes(row.leaf) for row in Leaf.objects.filter(log=1).order_by("idx")]
        for level, pos, whole in complete_tiles(Log.AUDIT, 0, leaves):
            Node.objects.create(log=1, level=level, pos=pos, hash=whole)


def forge_checkpoints(house: SimpleNamespace) -> None:
    """A rewritten log whose stored checkpoints are made to say the new roots."""
    rewrite(house, 300, nodes=True)
    leaves = [bytes(row.leaf) for row in Leaf.objects.filter(log=1).order_by("idx")]
    for one in (house.first, house.last):
        root = tree.root_of(leaves[: one.size])
        run("UPDATE privacy_checkpoint SET root = %s WHERE id = %s", root, one.pk)


def cut_off(house: SimpleNamespace) -> None:
    """The end is gone from every table, as in a dump restored from before it."""
    size = house.first.size
    run("DELETE FROM privacy_anchor")
    run("DELETE FROM privacy_checkpoint WHERE size > %s", size)
    run(f"DELETE FROM {ENTRY} WHERE id = ANY (%s)", house.ids[size:])
    run("DELETE FROM privacy_leaf WHERE log = 1 AND idx >= %s", size)


def replace(house: SimpleNamespace) -> None:
    """All is thrown away, and a shorter, tidy log with a tree of its own stands there."""
    for table in ("anchor", "checkpoint", "leaf", "node", "auditentry"):
        run(f"DELETE FROM privacy_{table}")
    for number in range(3):
        text = canonical({"schema": "jawort-audit/1", "n": number})
        leaf, ident = tree.leaf_hash(text), uuid7()
        run(
            f"INSERT INTO {ENTRY} (id, action, actor, object, ref, at, entry, leaf)"
            " VALUES (%s, '', '', '', '', now(), %s, %s)",
            *(ident, text, leaf),
        )
        run("INSERT INTO privacy_leaf VALUES (1, %s, %s, %s)", number, ident, leaf)


def smuggle(house: SimpleNamespace) -> None:
    """A row that claims an old transaction, so that it seems to have been there all along."""
    text = b"{}"
    run(
        f"INSERT INTO {ENTRY} (id, action, actor, object, ref, at, entry, leaf, xid)"
        " VALUES (%s, '', '', '', '', now(), %s, %s, '5'::xid8)",
        *(UUID(int=7), text, tree.leaf_hash(text)),
    )


def swap(house: SimpleNamespace, one: int, other: int, *, hashes: bool) -> None:
    """Two entries change places, with or without their hashes in the tree."""
    ids, extra = house.ids, uuid7()
    leaves = {row.idx: bytes(row.leaf) for row in Leaf.objects.filter(log=1)}
    steps = [
        (one, extra, leaves[one]),
        (other, ids[one], leaves[one]),
        (one, ids[other], leaves[other]),
    ]
    for place, ident, leaf in steps:
        run("UPDATE privacy_leaf SET entry_id = %s WHERE log = 1 AND idx = %s", ident, place)
        if hashes:
            run("UPDATE privacy_leaf SET leaf = %s WHERE log = 1 AND idx = %s", leaf, place)


Crime = Callable[[SimpleNamespace], object]
ANOTHER = "set_byte(hash, 3, get_byte(hash, 3) # 255)"  # whatever stood there
CRIMES: dict[str, tuple[Crime, list[str]]] = {
    "a byte of an entry": (
        lambda h: run(f"UPDATE {ENTRY} SET entry = set_byte(entry, 9, 66) WHERE id = %s", h.ids[7]),
        ["audit 7: {7}: its bytes do not yield its hash"],
    ),
    "a column beside it": (
        lambda h: run(f"UPDATE {ENTRY} SET actor = 'staff:x' WHERE id = %s", h.ids[8]),
        ["audit 8: {8}: its column actor tells something else"],
    ),
    "an entry removed": (
        lambda h: run(f"DELETE FROM {ENTRY} WHERE id = %s", h.ids[9]),
        ["audit 9: entry {9} is gone"],
    ),
    "an entry removed with its place": (
        lambda h: (
            run(f"DELETE FROM {ENTRY} WHERE id = %s", h.ids[9]),
            run("DELETE FROM privacy_leaf WHERE log = 1 AND idx = 9"),
        ),
        ["audit 9: the places up to 10 are gone"],
    ),
    "an entry added afterwards": (
        smuggle,
        ["{00000000-0000-0000-0000-000000000007}: has no place"],
    ),
    "a place added": (
        lambda h: run(
            "INSERT INTO privacy_leaf VALUES (1, %s, %s, %s)", h.size, UUID(int=7), b"x" * 32
        ),
        ["entry 00000000-0000-0000-0000-000000000007 is gone"],
    ),
    "two entries swapped": (
        lambda h: swap(h, 20, 600, hashes=False),
        ["audit 20: {600}: another hash", "audit 600: {20}: another hash"],
    ),
    "two swapped with their hashes": (
        lambda h: swap(h, 20, 600, hashes=True),
        ["audit 0 to 255: other hashes than when placed", "the first 700 entries are not those"],
    ),
    "an entry rewritten to fit": (
        lambda h: rewrite(h, 300, nodes=False),
        ["audit 256 to 511: other hashes than when placed"],
    ),
    "an entry rewritten, and the tree": (
        lambda h: rewrite(h, 705, nodes=True),
        ["the first 771 entries are not those that were signed (checkpoint {last})"],
    ),
    "an entry rewritten, the tree and the checkpoints": (
        forge_checkpoints,
        [
            "the checkpoint of 700 entries has no valid signature",
            "the checkpoint of 771 entries has no valid signature",
            "the signer has signed another log of 771 entries",
        ],
    ),
    "a byte of the stored tree": (
        lambda h: run(f"UPDATE privacy_node SET hash = {ANOTHER} WHERE pos = 1"),
        ["audit 256 to 511: other hashes than when placed"],
    ),
    "a byte of a checkpoint": (
        lambda h: run("UPDATE privacy_checkpoint SET note = replace(note, '700', '701')"),
        ["the checkpoint of 700 entries has no valid signature"],
    ),
    "a cosignature": (
        lambda h: run("UPDATE privacy_anchor SET proof = overlay(proof placing 'AAAA' from 60)"),
        ["the cosignature of w1.example.org on 771 entries does not hold"],
    ),
    "the end cut off": (
        cut_off,
        [
            "audit: 71 entries from place 700 on are gone; the signer has signed 771",
            "witness/w1.example.org/audit has seen 771 entries, and 700 are left",
        ],
    ),
    "the whole log replaced": (replace, ["768 entries from place 3 on are gone; the signer"]),
    "bytes given up too early": (
        lambda h: run(f"UPDATE {ENTRY} SET entry = '' WHERE id = %s", h.ids[11]),
        ["audit 11: {11}: its bytes are gone before their time"],
    ),
}


def test_every_crime_is_found_and_named(house):
    told: list[int] = []
    before = verify(progress=told.append)
    assert before.is_sound, before
    assert (before.entries, before.placed, before.checkpoints, before.cosignatures) == (
        (771, 771, 2, 1)
    )
    assert sum(told) == 771
    assert before.compared_with_signer

    for name, (deed, expected) in CRIMES.items():
        with crime():
            deed(house)
            fences_up()
            result = verify()
        assert not result.is_sound, name
        assert result.fences == [], name
        for text in expected:
            wanted = named(text, house)
            assert any(wanted in finding for finding in result.findings), (name, result.findings)

    assert verify().is_sound


def named(text: str, house: SimpleNamespace) -> str:
    """`{7}` stands for the id of the entry at that place."""
    text = text.replace("{last}", str(house.last.pk))
    for place in (7, 8, 9, 11, 20, 600):
        text = text.replace(f"{{{place}}}", str(house.ids[place]))
    return text.replace("{", "").replace("}", "")


WEAKENINGS = [
    ("ALTER TABLE {t} DISABLE TRIGGER ALL", "trigger {t}_stays is off"),
    ("ALTER TABLE {t} ENABLE TRIGGER ALL", "trigger {t}_stays is off"),
    ("DROP TRIGGER {t}_stays_whole ON {t}", "trigger {t}_stays_whole is gone"),
    ("CREATE RULE quiet AS ON INSERT TO {t} DO INSTEAD NOTHING", "rule quiet stands in the way"),
    ("ALTER TABLE {t} ENABLE ROW LEVEL SECURITY", "row security stands in the way"),
    (
        "DROP TRIGGER {t}_stays ON {t};"
        "CREATE TRIGGER {t}_stays BEFORE UPDATE ON {t} FOR EACH ROW WHEN (false)"
        " EXECUTE FUNCTION privacy_refuse_change();"
        "ALTER TABLE {t} ENABLE ALWAYS TRIGGER {t}_stays",
        "trigger {t}_stays was weakened",
    ),
    (
        "CREATE OR REPLACE FUNCTION privacy_term_is_over(at timestamptz) RETURNS boolean"
        " LANGUAGE sql AS 'SELECT true'",
        "the function privacy_term_is_over was rewritten",
    ),
    (
        "CREATE OR REPLACE FUNCTION privacy_prune_entry(log int, entries uuid[], before"
        " timestamptz) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
        "the function privacy_prune_entry was rewritten",
    ),
]


@pytest.mark.parametrize("table", ["privacy_auditentry", *LEDGER_TABLES[:2]])
def test_every_weakened_fence_is_named(db, table):
    assert verify().fences == []

    for statement, sentence in WEAKENINGS:
        with transaction.atomic():
            run(statement.format(t=table))
            fences = verify().fences
            transaction.set_rollback(True)
        assert any(sentence.format(t=table) in fence for fence in fences), (statement, fences)


def test_since_and_entry_read_a_part_only(house, capsys):
    """What stands before a signed checkpoint is believed; what comes after is read."""
    call_command("audit_verify", "--json", "--since", "700")
    told = json.loads(capsys.readouterr().out)
    assert (told["is_sound"], told["checkpoints"]) == (True, 2)

    call_command("audit_verify", "--json", "--entry", str(house.ids[5]))
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["place"], told["checkpoint"]) == ("proven", 5, 771)
    with crime():
        run(f"UPDATE {ENTRY} SET entry = set_byte(entry, 9, 66) WHERE id = %s", house.ids[5])
        with pytest.raises(SystemExit):
            call_command("audit_verify", "--entry", str(house.ids[5]))
    assert "its bytes do not yield its hash" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        call_command("audit_verify", "--entry", str(UUID(int=5)))

    call_command("audit_verify")
    assert "The logs are sound. 771 entries read" in capsys.readouterr().out


def test_each_byte_of_an_entry_counts(db):
    with transaction.atomic():
        entry = record("request.received", actor=SYSTEM, obj="request", ref=UUID(int=1))
    since = entry.at - datetime(2000, 1, 1, tzinfo=UTC)
    at = (since // timedelta(microseconds=1)).to_bytes(8, "big")
    shown = [part.encode() for part in (entry.action, entry.actor, entry.object, entry.ref)]
    ident = str(entry.pk).encode()
    wrong = Reader(SOURCES[Log.AUDIT]).wrong

    assert wrong(ident, entry.leaf, entry.entry, at, *shown) == ""
    for place in range(len(entry.entry)):
        flipped = bytearray(entry.entry)
        flipped[place] ^= 1
        found = wrong(ident, entry.leaf, bytes(flipped), at, *shown)
        assert found == "its bytes do not yield its hash"
    for number, column in enumerate(("action", "actor", "object", "ref")):
        other = [*shown[:number], b"x", *shown[number + 1 :]]
        found = wrong(ident, entry.leaf, entry.entry, at, *other)
        assert found == f"its column {column} tells something else"
    later = (int.from_bytes(at, "big") + 1000).to_bytes(8, "big")
    assert "column at" in wrong(ident, entry.leaf, entry.entry, later, *shown)
    assert "column id" in wrong(bytes(36), entry.leaf, entry.entry, at, *shown)


def test_pieces_are_aligned_and_leave_nothing_out():
    pieces = cut(1, CHUNK + 5, 3 * CHUNK + 7, ())

    assert [(piece.start, piece.end) for piece in pieces] == [
        (CHUNK, 2 * CHUNK),
        (2 * CHUNK, 3 * CHUNK),
        (3 * CHUNK, 3 * CHUNK + 7),
    ]
    many = Checked(Piece(1, 0, 9, ()))
    for _ in range(30):
        many.is_changed("x")
    assert (len(many.changed), many.more) == (20, 10)
