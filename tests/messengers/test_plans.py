"""The plans of the engine's statements over a million rows, as the engine itself has them made.

In the suite the planner is only told of a million rows; with JAWORT_PLAN_ROWS=1000000 they are
really there, and every statement is also run:

    JAWORT_PLAN_ROWS=1000000 pytest tests/messengers/test_plans.py
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import connection
from django.utils import timezone
from psycopg import ClientCursor
from psycopg._queries import PostgresQuery
from psycopg.adapt import Transformer

from messengers.engine import claim, ledger
from messengers.engine.open_batches import OpenBatch
from messengers.engine.sweep import DOUBT, LOCK_EXPIRED, POISON
from messengers.engine.window import REPLY_PRIORITY
from messengers.engine.worker import Worker
from messengers.models import Batch, Channel, Delivery, Dispatch
from messengers.outbox import content_hash, control
from messengers.outbox.doubts import LOCK_TO_RESEND
from messengers.sql import engine_transaction, hashes, ids, numbers, rows, run, words
from tests.messengers.house import make_channel, make_content

BELIEVED = 1_000_000
REAL = int(os.environ.get("JAWORT_PLAN_ROWS", "0"))
FEW = 2560  # rows that are really there: the planner learns from them what a million look like
BIG = ("messengers_delivery", "messengers_gate", "messengers_address", "messengers_batch")
FILL = (
    """INSERT INTO messengers_address (id, channel_id, subject, sealed, created_at)
       SELECT gen_random_uuid(), %(channel)s, gen_random_uuid(), '', now()
         FROM generate_series(1, %(rows)s)""",
    """INSERT INTO messengers_gate (id, address, subject, is_open, reason, changed_at)
       SELECT gen_random_uuid(), id, subject, true, '', now() FROM messengers_address""",
    """INSERT INTO messengers_batch (dispatch_id, channel_id, number, size, priority, status,
              due_at, token, on_wire, counts, losses)
       SELECT %(dispatch)s, %(channel)s, n, 256, 0, 'waiting', now(), 0, '{}', '{}', 0
         FROM generate_series(2, %(rows)s / 256 + 1) n""",
    """INSERT INTO messengers_delivery (dispatch_id, batch_id, position, address, gate, status,
              cause, attempts)
       SELECT %(dispatch)s, b.id, nth %% 256, g.address, g.id, 'queued', '', 0
         FROM (SELECT id, address, row_number() OVER () - 1 AS nth FROM messengers_gate) g
         JOIN messengers_batch b ON b.number = nth / 256 + 2""",
)
# What a table of a million rows looks like to the planner: as dense as a thousand times these.
BELIEVE = """
    SELECT pg_restore_relation_stats('schemaname', 'public', 'relname', relname::text,
           'relpages', relpages, 'reltuples', (reltuples * %(factor)s)::real)
      FROM pg_class WHERE relkind = 'r' AND reltuples > 0
       AND relname::text LIKE ANY (%(tables)s::text[])"""

Plan = dict[str, Any]


@pytest.fixture
def world(db: None) -> dict[str, Any]:
    """A broadcast to a million: believed, or real. Its ids by name."""
    channel = make_channel()
    facts: dict[str, Any] = {
        "channel": channel.id,
        "dispatch": empty_dispatch(),
        "rows": REAL or FEW,
    }
    with connection.cursor() as cursor:
        for statement in FILL:
            cursor.execute(statement, facts)
        cursor.execute("ANALYZE")
        if not REAL:
            if connection.pg_version < 180000:
                pytest.skip("The planner can be told of rows since PostgreSQL 18.")
            tables = [f"{name}%" for name in BIG]
            cursor.execute(BELIEVE, {"factor": BELIEVED / FEW, "tables": tables})
    return facts


def empty_dispatch() -> UUID:
    content = make_content()
    dispatch = Dispatch.objects.create(
        kind="broadcast", content=content.to_json(), content_sha256=content_hash(content)
    )
    return dispatch.id


def statements(world: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """Everything that the engine asks for each claim, each commit and each sweep."""
    batch = rows("SELECT batch_id FROM messengers_delivery LIMIT 1")[0][0]
    gates = ids(row[0] for row in rows("SELECT id FROM messengers_gate LIMIT 128"))
    dispatch: UUID = world["dispatch"]
    months = {"first": dispatch, "last": dispatch}
    some = months | {"batches": numbers([batch, batch + 1]), "dispatches": ids([dispatch] * 2)}
    result = months | {
        "dispatches": ids([dispatch] * 64),
        "batches": numbers([batch] * 64),
        "positions": numbers(range(64)),
        "statuses": words(["accepted"] * 64),
        "causes": words([""] * 64),
        "attempts": numbers([1] * 64),
        "waits": numbers([None] * 64),
        "refs": hashes([None] * 64),
    }
    asked = {"dispatches": ids([dispatch]), "channels": ids([world["channel"]]), "epoch": dispatch}
    return {
        "next": (claim.NEXT, [world["channel"], 0, 16]),
        "due channels": (claim.DUE_CHANNELS, []),
        "take": (claim.TAKE, [25.0, numbers([batch])]),
        "recipients": (claim.RECIPIENTS, some | {"has_footer": True}),
        "lock": (ledger.LOCK, [numbers([batch]), numbers([0])]),
        "read": (ledger.READ, asked),
        "open gates": (ledger.OPEN_GATES, [gates]),
        "other gates": (ledger.OTHER_GATES, [gates]),
        "record": (ledger.RECORD, result),
        "accept": (ledger.ACCEPT, result),
        "evidence": (ledger.EVIDENCE, result),
        "renew": (ledger.RENEW, [numbers([batch]), words(["{1}"]), numbers([25.0])]),
        "end leftovers": (ledger.END_LEFTOVERS, some),
        "close": (ledger.CLOSE, some | {"wait": 0.0, "is_lost": False}),
        "recount": (control.RECOUNT, some),
        "expired leases": (LOCK_EXPIRED, [100]),
        "doubt": (DOUBT, some | {"lost": "in_doubt"}),
        "poison": (POISON, some),
    }


def test_a_million_rows_are_never_scanned_nor_sorted(world: dict[str, Any]) -> None:
    with engine_transaction():
        for name, (statement, params) in statements(world).items():
            nodes = list(_nodes(plan_of(statement, params)))
            for node in nodes:
                table = node.get("Relation Name", "")
                is_scan = node["Node Type"] == "Seq Scan" and table.startswith(BIG)
                assert not is_scan, (name, node)
                assert node.get("Sort Space Type", "Memory") == "Memory", (name, node)
                if node["Node Type"] == "Sort":
                    assert node["Plan Rows"] * node["Plan Width"] < 4_000_000, (name, node)
                assert _is_by_batch(node), (name, node)


def test_other_months_are_not_opened(world: dict[str, Any]) -> None:
    with engine_transaction():
        for name in (
            "recipients",
            "record",
            "accept",
            "evidence",
            "close",
            "recount",
            "doubt",
            "poison",
        ):
            statement, params = statements(world)[name]
            seen = {
                node["Relation Name"]
                for node in _nodes(plan_of(statement, params))
                if node.get("Relation Name", "").startswith("messengers_delivery_")
                and node["Node Type"] != "ModifyTable"
            }
            assert len(seen) == 1, (name, seen)


def test_an_empty_table_misleads_nobody(db: None) -> None:
    """As when a worker has made its plans before the first broadcast, whose rows nobody counted."""
    dispatch = empty_dispatch()
    months = {"first": dispatch, "last": dispatch}
    some = months | {"batches": "{1}", "dispatches": ids([dispatch])}
    with engine_transaction():
        for statement, params in (
            (claim.RECIPIENTS, some | {"has_footer": True}),
            (ledger.OPEN_GATES, [ids([dispatch])]),
            (ledger.CLOSE, some | {"wait": 0.0, "is_lost": False}),
            (control.RECOUNT, some),
        ):
            for node in _nodes(plan_of(statement, params)):
                assert node["Node Type"] != "Seq Scan", (statement, node)


def test_a_new_broadcast_is_sent_by_new_plans(db: None) -> None:
    """Those of an empty month would read all of it for each batch, until its rows are counted."""
    dispatch = empty_dispatch()
    given = [ids([dispatch]), "{1}", "{1}", dispatch, dispatch]
    names = ["dispatches", "batches", "positions", "first", "last"]
    with engine_transaction():
        planned_for("enable_indexscan", "enable_bitmapscan")
        assert reads_whole_tables(plan_of(ledger.ACCEPT, dict(zip(names, given, strict=True))))
        planned_for("enable_seqscan")

        _claimed(dispatch, priority=REPLY_PRIORITY)  # one row
        assert reads_whole_tables(kept_plan(given))

        _claimed(dispatch, priority=0)
        assert not reads_whole_tables(kept_plan(given))


def test_looking_for_doubts_reads_only_batches_that_have_some(world: dict[str, Any]) -> None:
    """It is asked every ten seconds, for two days after a broadcast."""
    batch = Batch.objects.filter(dispatch=world["dispatch"]).order_by("id")[1]
    Batch.objects.update(status="done", counts={"in_doubt": 256})
    run("ANALYZE messengers_batch")  # the planner believes that they all have
    Batch.objects.update(counts={"accepted": 256})
    Batch.objects.filter(id=batch.id).update(counts={"accepted": 255, "in_doubt": 1})
    Delivery.objects.filter(batch=batch, position=7).update(
        status="in_doubt", attempts=1, changed_at=timezone.now() - timedelta(hours=1)
    )
    Channel.objects.update(on_doubt="resend", on_doubt_since=timezone.now() - timedelta(days=1))
    asked = {"dispatch": world["dispatch"], "most": 3, "grace": 120.0}

    assert rows(LOCK_TO_RESEND, asked) == [(batch.id,)]
    assert 0 < deliveries_read(LOCK_TO_RESEND, asked) <= batch.size
    run("UPDATE messengers_batch SET counts = '{\"accepted\": 256}'")
    assert deliveries_read(LOCK_TO_RESEND, asked) == 0


def deliveries_read(statement: str, params: dict[str, Any]) -> int:
    """How many rows of deliveries the statement looks at."""
    explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
    found = ClientCursor(connection.connection).execute(explained, params).fetchone()[0]
    plan = (orjson.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in _nodes(plan)
        if node.get("Relation Name", "").startswith("messengers_delivery")
    )


def planned_for(*avoided: str) -> None:
    """What a plan made from here on avoids; one that is kept stays as it is."""
    with connection.cursor() as cursor:
        for way in ("enable_indexscan", "enable_bitmapscan", "enable_seqscan"):
            cursor.execute(f"SET LOCAL {way} = {'off' if way in avoided else 'on'}")


def reads_whole_tables(plan: Plan) -> bool:
    """Whether a month is read from its first row to its last."""
    return any(
        node["Node Type"] == "Seq Scan" and node["Relation Name"].startswith("messengers_delivery")
        for node in _nodes(plan)
    )


def _claimed(dispatch: UUID, priority: int) -> None:
    """What a worker does when it takes the first batch of a dispatch."""
    batch = OpenBatch(1, dispatch, dispatch, priority, 1)
    Worker(dispatch, 0.0)._known([batch])


def _is_by_batch(node: Plan) -> bool:
    """The range that names the months is no way into a month: a batch has to be."""
    is_index = "Index" in node["Node Type"]
    if is_index and node.get("Relation Name", "").startswith("messengers_delivery"):
        return "batch_id" in node["Index Cond"]
    return True


def plan_of(statement: str, params: dict[str, Any] | list[Any]) -> Plan:
    """The plan that the engine's own prepared statement gets."""
    raw = connection.connection
    query = PostgresQuery(Transformer(raw))
    query.convert(statement, params)
    raw.execute("DEALLOCATE ALL")
    raw.execute(b"PREPARE looked_at AS " + query.query)
    return kept_plan(
        params if isinstance(params, list) else [params[name] for name in _order(query)]
    )


def kept_plan(given: list[Any]) -> Plan:
    """The plan of the statement that was prepared last, as the server has it by now."""
    arguments = "(" + ",".join(["%s"] * len(given)) + ")" if given else ""
    analyze = "ANALYZE, " if REAL else ""
    found = ClientCursor(connection.connection).execute(
        f"EXPLAIN ({analyze}FORMAT JSON) EXECUTE looked_at{arguments}", given
    )
    plan = found.fetchone()[0]
    return (orjson.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]


def _order(query: PostgresQuery) -> list[str]:
    return list(query._order or ())


def _nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)
