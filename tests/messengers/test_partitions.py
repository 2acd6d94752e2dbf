"""Deliveries by month: made ahead, found again, dropped whole, and never more than may go."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from messengers import expiry, partitions
from messengers.engine import ledger
from messengers.engine.claim import RECIPIENTS
from messengers.engine.sweep import DOUBT, POISON
from messengers.models import Address, Delivery, Dispatch
from messengers.outbox import control, counts
from messengers.outbox.counts import CAUSES, IN_TOTAL, OVER_TIME
from messengers.receipts import BY_DELIVERY, BY_INDEX, BY_REF
from messengers.sql import rows, run
from privacy.models import AuditEntry, LegalHold, RetentionItem
from privacy.retention import holds, night, stock
from privacy.retention.rules import ensure_defaults
from tests.messengers.house import make_channel, make_dispatch, make_people

OLD = date(2026, 3, 1)
NEXT = date(2026, 4, 1)
LATE = datetime(2026, 11, 20, 3, tzinfo=UTC)


@pytest.fixture
def old(db: None) -> Callable[..., Dispatch]:
    """Dispatches of a month that is long over, sent and finished."""
    ensure_defaults()
    run("SELECT messengers_add_month(%s)", [OLD])
    run("SELECT messengers_add_month(%s)", [NEXT])
    channel = make_channel()

    def make(number: int, month: date = OLD, **facts: object) -> Dispatch:
        people = make_people(channel, number, first=Address.objects.count())
        first = UUID(int=partitions.first_id(month).int + Dispatch.objects.count() + 1)
        dispatch = make_dispatch([gate for _, gate in people], id=first)
        finished = datetime(month.year, month.month, 9, tzinfo=UTC)
        Delivery.objects.filter(dispatch=dispatch).update(status="accepted")
        known = {"status": "finished", "finished_at": finished, **facts}
        Dispatch.objects.filter(id=dispatch.id).update(**known)
        control.recount({batch.id: dispatch.id for batch in dispatch.batches.all()})
        return dispatch

    return make


def place_of(dispatch: Dispatch) -> str:
    found = rows(
        "SELECT DISTINCT tableoid::regclass::text FROM messengers_delivery WHERE dispatch_id = %s",
        [dispatch.id],
    )
    return " ".join(row[0] for row in found)


def test_the_migration_carries_what_is_there(db: None) -> None:
    dispatch = make_dispatch([gate for _, gate in make_people(make_channel(), 3)])
    Delivery.objects.filter(position=1).update(provider_ref=b"r" * 16, status="read")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    MigrationExecutor(connection).migrate([("messengers", "0005_the_instance_knows_its_cluster")])
    before = rows("SELECT d::text, id FROM messengers_delivery d ORDER BY id")
    assert len(before) == 3
    assert rows("SELECT relkind FROM pg_class WHERE relname = 'messengers_delivery'") == [("r",)]

    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes("messengers"))

    assert rows("SELECT d::text, id FROM messengers_delivery d ORDER BY id") == before
    assert place_of(dispatch) == f"messengers_delivery_{timezone.now():%Y_%m}"
    (number,) = rows("SELECT nextval('messengers_delivery_id_seq')")[0]
    assert number > before[-1][1]


def test_each_month_has_its_rows_and_the_rest_has_none(old: Callable[..., Dispatch]) -> None:
    first, second = old(2), old(2, NEXT)
    fresh = make_dispatch([gate for _, gate in make_people(make_channel(), 1)])

    assert place_of(first) == "messengers_delivery_2026_03"
    assert place_of(second) == "messengers_delivery_2026_04"
    assert place_of(fresh) == f"messengers_delivery_{timezone.now():%Y_%m}"
    assert partitions.strays() == 0


def test_what_had_no_month_is_told_and_moves_when_it_has_one(
    db: None, caplog: pytest.LogCaptureFixture
) -> None:
    people = make_people(make_channel(), 2)
    lost = make_dispatch([gate for _, gate in people], id=partitions.first_id(date(2025, 1, 1)))
    assert place_of(lost) == "messengers_delivery_rest"
    assert partitions.problems(timezone.now()) == [
        "2 rows of messengers_delivery have no month: run manage.py partitions"
    ]

    partitions.keep_ahead(timezone.now())
    assert "rows_without_partition" in caplog.text
    assert "partitions_missing" not in caplog.text

    run("SELECT messengers_add_month('2025-01-01')")

    assert place_of(lost) == "messengers_delivery_2025_01"
    assert (partitions.strays(), Delivery.objects.filter(dispatch=lost).count()) == (0, 2)


def test_a_missing_month_is_told_and_made(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    last = partitions.months()[-1]
    capsys.readouterr()
    run(f"DROP TABLE messengers_delivery_{timezone.now():%Y_%m}")
    assert partitions.missing_ahead() == 1
    (problem,) = partitions.problems(timezone.now())
    assert problem == f"no partition of messengers_delivery for {timezone.now():%Y-%m}"

    call_command("partitions")

    assert (partitions.missing_ahead(), partitions.problems(timezone.now())) == (0, [])
    assert f"1 made; {timezone.now():%Y-%m} to {last:%Y-%m}." in capsys.readouterr().out


def test_the_app_makes_months_only_through_the_owners_function(as_app) -> None:
    with as_app("default"), connections["default"].cursor() as cursor:
        with pytest.raises(ProgrammingError), transaction.atomic():
            cursor.execute("SELECT messengers_add_month('2031-01-01')")
        cursor.execute("SELECT messengers_make_partitions()")
        assert cursor.fetchone() == (0,)
        for table in ("messengers_delivery", f"messengers_delivery_{timezone.now():%Y_%m}"):
            cursor.execute("SELECT has_table_privilege(%s, 'UPDATE')", [table])
            assert cursor.fetchone() == (True,)
        with pytest.raises(ProgrammingError), transaction.atomic():
            cursor.execute(f"DROP TABLE messengers_delivery_{timezone.now():%Y_%m}")


# --- Dropping ---


def test_a_month_goes_at_once_and_its_numbers_stay(old: Callable[..., Dispatch]) -> None:
    gone, kept = old(3), old(2, timezone.now().date().replace(day=1))
    assert stock.due("delivery_record", LATE) == 3

    night.execute(LATE)

    assert OLD not in partitions.months()
    assert set(Delivery.objects.values_list("dispatch", flat=True)) == {kept.id}
    assert counts(gone.id)["accepted"] == 3
    item = RetentionItem.objects.get(data_class="delivery_record")
    assert (item.status, item.due, item.removed, item.overdue) == ("done", 3, 3, 0)
    assert AuditEntry.objects.filter(action="retention.removed", ref="delivery_record").exists()
    assert expiry.forget_deliveries(LATE) == 0
    assert NEXT not in partitions.months()  # it was empty, and over


@pytest.mark.parametrize(
    "facts",
    [{"status": "paused", "finished_at": None}, {"finished_at": LATE - timedelta(days=89)}],
)
def test_a_month_waits_for_its_last_dispatch(old: Callable[..., Dispatch], facts: dict) -> None:
    old(2)
    going_on = old(3, **facts)

    assert expiry.forget_deliveries(LATE) == 2
    assert expiry.forget_deliveries(LATE) == 0

    assert set(Delivery.objects.values_list("dispatch", flat=True)) == {going_on.id}
    with pytest.raises(ProgrammingError, match="has not ended"), transaction.atomic():
        partitions.drop_month(OLD, LATE - timedelta(days=90))


def test_a_month_of_somebody_held_keeps_theirs_alone(old: Callable[..., Dispatch]) -> None:
    dispatch = old(3)
    delivery = Delivery.objects.filter(dispatch=dispatch).order_by("id")[1]
    subject = Address.objects.get(id=delivery.address).subject
    hold = LegalHold.objects.create(
        subject=subject, reason_sealed=b"x", owner_id=None, since=LATE, review_at=LATE.date()
    )
    assert holds.held("delivery_record") == {subject}
    assert stock.due("delivery_record", LATE) == 2
    with pytest.raises(ProgrammingError, match="is held"), transaction.atomic():
        partitions.drop_month(OLD, LATE - timedelta(days=90))

    assert expiry.forget_deliveries(LATE) == 2

    assert Delivery.objects.get().id == delivery.id
    assert stock.due("delivery_record", LATE) == 0
    hold.ended_at = LATE
    hold.save()
    assert expiry.forget_deliveries(LATE) == 1
    assert OLD not in partitions.months()


def test_no_month_goes_before_it_is_over_for_its_term(old: Callable[..., Dispatch]) -> None:
    old(1)
    a_day_early = datetime(2026, 6, 29, 12, tzinfo=UTC)  # 31 March and 90 days is 29 June
    assert stock.due("delivery_record", a_day_early) == 0

    assert expiry.forget_deliveries(a_day_early) == 0
    assert stock.due("delivery_record", a_day_early + timedelta(days=1)) == 1
    with pytest.raises(ProgrammingError, match="is not over"), transaction.atomic():
        partitions.drop_month(OLD, datetime(2026, 3, 31, tzinfo=UTC))
    with pytest.raises(ProgrammingError, match="is not over"), transaction.atomic():
        partitions.drop_month(OLD, timezone.now() + timedelta(days=1))


# --- Pruning ---


def test_hot_statements_open_one_month_only(db: None) -> None:
    dispatch = make_dispatch([gate for _, gate in make_people(make_channel(), 3)])
    batches = [batch.id for batch in dispatch.batches.all()]
    known = {
        "has_footer": True,
        "batches": batches,
        "dispatches": [dispatch.id],
        "named": [dispatch.id],
        "first": dispatch.id,
        "last": dispatch.id,
        "dispatch": dispatch.id,
        "positions": [0],
        "statuses": ["accepted"],
        "causes": [""],
        "attempts": [1],
        "waits": [0.0],
        "refs": [None],
        "wait": 0.0,
        "is_lost": False,
    }

    rows(BY_INDEX)  # small tables would be read whole
    for statement, params in (
        (RECIPIENTS, known),
        (ledger.RECORD, known),
        (ledger.ACCEPT, known),
        (ledger.EVIDENCE, known),
        (ledger.END_LEFTOVERS, known),
        (ledger.CLOSE, known),
        (control.RECOUNT, known),
        (IN_TOTAL, known),
        (CAUSES, known),
        (OVER_TIME, {**known, "step": 60}),
        (control.END_ROWS, ["cancelled", dispatch.id]),
        (control.REQUEUE_FAILED, [dispatch.id, batches, control.FINAL_CAUSES]),
        (DOUBT, {**known, "lost": "in_doubt"}),
        (POISON, known),
    ):
        plan = "\n".join(row[0] for row in rows("EXPLAIN " + statement, params))
        opened = set(re.findall(r"messengers_delivery_(?:\d{4}_\d\d|rest)\b", plan))
        assert opened == {f"messengers_delivery_{timezone.now():%Y_%m}"}, plan
        assert not re.search("Seq Scan on messengers_(delivery|batch)", plan), plan


@pytest.mark.parametrize(("statement", "key"), [(BY_DELIVERY, 1), (BY_REF, b"r" * 16)])
def test_merging_finds_each_delivery_by_itself(db: None, statement: str, key: object) -> None:
    """A plan that reads the month and keeps it beside the receipts compares all with all."""
    dispatch = make_dispatch([gate for _, gate in make_people(make_channel(), 500)])
    this_month = timezone.now().date().replace(day=1)
    told = {
        "keys": [key] * 10_000,
        "channels": [dispatch.id] * 10_000,
        "ranks": [3] * 10_000,
        "causes": [""] * 10_000,
        "from": partitions.first_id(this_month),
        "until": partitions.first_id(partitions.next_month(this_month)),
    }
    rows(BY_INDEX)

    plan = "\n".join(row[0] for row in rows("EXPLAIN " + statement, told))

    assert "Index Cond: ((id = f.id) AND (dispatch_id = f.dispatch_id))" in plan
    assert not re.search("Seq Scan on messengers|Materialize|Join Filter", plan), plan
