"""The sequencer against real writers: nothing lost, no gap, the tree of the plain list."""

import threading
import time
from uuid import UUID

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from privacy.access import Actor
from privacy.audit import record, tree
from privacy.audit.errors import NeedsRebase
from privacy.audit.nodes import StoredTree, complete_tiles, root_of, size_of
from privacy.audit.rebase import rebase
from privacy.audit.sequencer import append_rows, lag, sequence
from privacy.ids import uuid7
from privacy.models import AuditEntry, Leaf, Log, Node
from tests.privacy.audit.placing import place_all
from tests.privacy.audit.thief import as_thief

SYSTEM = Actor.system("retention")


def add() -> AuditEntry:
    with transaction.atomic():
        return record("request.received", actor=SYSTEM, obj="request", ref=UUID(int=1))


def leaves() -> list[bytes]:
    rows = Leaf.objects.filter(log=Log.AUDIT).order_by("idx")
    assert [row.idx for row in rows] == list(range(len(rows)))
    return [bytes(row.leaf) for row in rows]


def other_connection() -> psycopg.Connection:
    values = connection.settings_dict
    return psycopg.connect(
        host=values["HOST"],
        port=values["PORT"] or None,
        user=values["USER"],
        password=values["PASSWORD"] or None,
        dbname=values["NAME"],
    )


TIMED = ("checkpoint", "anchor", "rebase")
INSERT = (
    "INSERT INTO privacy_auditentry (id, action, actor, object, ref, at, entry, leaf)"
    " VALUES (%s, 'a.b', 'system:x', 'x', '', now(), %s, %s)"
)


def write(line: psycopg.Connection, text: bytes) -> None:
    line.execute(INSERT, [uuid7(), text, tree.leaf_hash(text)])


def writer(number: int, rounds: int, kept: list[bytes]) -> None:
    """Commits most of its transactions, rolls others back, some of them slow."""
    with other_connection() as line:
        for turn in range(rounds):
            texts = [b"%d %d %d" % (number, turn, n) for n in range(turn % 3 + 1)]
            for text in texts:
                write(line, text)
            if turn % 5 == number % 5:
                time.sleep(0.004)
            if turn % 4 == 3:
                line.rollback()
            else:
                line.commit()
                kept += texts


def test_eight_writers_with_rollbacks_lose_nothing_and_leave_no_gap(transactional_db):
    kept: list[list[bytes]] = [[] for _ in range(8)]
    threads = [threading.Thread(target=writer, args=(n, 40, kept[n])) for n in range(8)]

    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        sequence(batch=37)
    place_all(batch=37)

    written = {tree.leaf_hash(text) for texts in kept for text in texts}
    found = leaves()
    assert len(found) == len(written) == 8 * 60  # a fourth of 40 rounds was rolled back
    assert set(found) == written
    assert root_of(Log.AUDIT, len(found)) == tree.root_of(found)
    assert Node.objects.count() == len(found) // 256 == 1
    assert lag(Log.AUDIT) == (0, None)


def test_what_could_still_be_overtaken_waits(transactional_db):
    """A slow transaction holds back whatever began after it, because it may yet commit before."""
    with other_connection() as slow:
        write(slow, b"slow")
        add()
        assert sequence()[Log.AUDIT] == 0
        waiting, since = lag(Log.AUDIT)
        assert (waiting, since is not None) == (1, True)
        slow.commit()

    assert place_all() == 2
    assert leaves()[0] == tree.leaf_hash(b"slow")
    assert place_all() == 0


def test_only_one_leader_appends(transactional_db):
    add()
    with other_connection() as line:
        line.execute("SELECT pg_advisory_xact_lock(%s)", [0x6C656467_6572_00 + 1])
        assert sequence()[Log.AUDIT] == 0

    assert place_all() == 1


def test_stored_subtrees_are_those_of_the_whole_tree(db):
    """Appended in odd portions over more than 65,536 leaves, so that two levels are stored."""
    many = [tree.leaf_hash(b"%d" % n) for n in range(66_000)]
    size = 0
    for portion in (1, 254, 1, 300, 65_000, 444):
        append_rows(Log.AUDIT, size, [(uuid7(), leaf) for leaf in many[size : size + portion]])
        size += portion

    stored, whole = StoredTree(Log.AUDIT), tree.subtrees_of(many)
    assert (size, size_of(Log.AUDIT)) == (66_000, 66_000)
    assert Node.objects.filter(level=8).count() == 257
    assert Node.objects.filter(level=16).count() == 1
    for count in (1, 255, 256, 257, 65_536, 65_537, 66_000):
        assert root_of(Log.AUDIT, count) == tree.root_at(count, whole)
    for index in (0, 255, 256, 65_535, 65_999):
        assert tree.inclusion_path(index, size, stored) == tree.inclusion_path(index, size, whole)
    assert tree.consistency_path(300, size, stored) == tree.consistency_path(300, size, whole)
    assert complete_tiles(Log.AUDIT, size, []) == []
    with pytest.raises(LookupError, match="not complete"):
        stored(8, 257)


def test_the_running_app_may_only_add_to_the_tree(transactional_db, as_app):
    with as_app("default"):
        add()
        assert place_all() == 1  # its rights are enough for the sequencer
    with pytest.raises(DatabaseError, match="insert-only"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM privacy_leaf")  # not even the tables' owner
    for table in ("leaf", "node", "checkpoint", "anchor", "rebase"):
        for statement in (
            f"UPDATE privacy_{table} SET {'at = at' if table in TIMED else 'log = log'}",
            f"DELETE FROM privacy_{table}",
            f"TRUNCATE privacy_{table} CASCADE",
        ):
            with (
                as_app("default"),
                pytest.raises(DatabaseError, match="permission denied"),
                connection.cursor() as cursor,
            ):
                cursor.execute(statement)


def test_a_dump_restored_into_a_new_cluster_goes_on_after_a_rebase(transactional_db):
    """There, transactions count from the beginning: the old rows' numbers lie in the future."""
    for _ in range(3):
        add()
    place_all()
    left_over = add()  # the dump was taken before this one had its place
    as_thief(
        "privacy_auditentry",
        "UPDATE privacy_auditentry SET xid = (xid::text::bigint + 1000000)::text::xid8",
    )
    before = leaves()
    new = add()
    with pytest.raises(NeedsRebase, match="audit_rebase"):
        sequence()

    assert rebase() == {Log.AUDIT: 2}
    assert rebase() == {}

    later = add()
    assert place_all() >= 1
    assert leaves()[:3] == before
    assert set(leaves()[3:]) == {bytes(e.leaf) for e in (left_over, new, later)}
    assert len(leaves()) == 6
    assert lag(Log.AUDIT) == (0, None)
