"""Filling the outbox, reading how far it is, and settling what nobody could know."""

import time

import pytest
from django.db import connection, transaction
from django.utils import timezone

from messengers.contract import Content
from messengers.engine import ledger
from messengers.errors import NotInDoubt
from messengers.models import MAX_BATCH, Batch, Delivery, Dispatch
from messengers.outbox import (
    Decision,
    batches,
    cancel,
    causes,
    content_hash,
    counts,
    doubts,
    expire,
    finish,
    pause,
    reply,
    results_over_time,
    settle_doubt,
    start_dispatch,
)
from messengers.outbox.control import recount
from messengers.sql import engine_transaction
from privacy.models import AuditEntry
from tests.messengers.house import (
    RECIPIENTS,
    SYSTEM,
    make_channel,
    make_content,
    make_dispatch,
    make_people,
    states,
)

ROWS_100K = """
    SELECT gen_random_uuid(), gen_random_uuid(), %s::uuid FROM generate_series(1, %s)"""


def test_a_snapshot_is_cut_into_batches_of_at_most_256(db: None) -> None:
    channel = make_channel()
    dispatch = make_dispatch([gate for _, gate in make_people(channel, 600)])

    assert dispatch.size == 600
    sizes = list(Batch.objects.order_by("number").values_list("number", "size"))
    assert sizes == [(1, 256), (2, 256), (3, 88)]
    for batch in Batch.objects.all():
        positions = Delivery.objects.filter(batch=batch).values_list("position", flat=True)
        assert sorted(positions) == list(range(batch.size))
        assert batch.counts == {"queued": batch.size}


def test_a_batch_has_one_channel_and_channels_take_turns(db: None) -> None:
    one, other = make_channel(), make_channel()
    people = make_people(one, 300) + make_people(other, 300)
    make_dispatch([gate for _, gate in people])

    found = list(Batch.objects.order_by("number").values_list("channel_id", "size"))
    assert [size for _, size in found] == [256, 256, 44, 44]
    assert found[0][0] != found[1][0]
    for batch in Batch.objects.all():
        addresses = Delivery.objects.filter(batch=batch).values_list("address", flat=True)
        channels = {a.channel_id for a, _ in people if a.id in set(addresses)}
        assert channels == {batch.channel_id}


def test_the_same_recipients_give_the_same_rows(db: None) -> None:
    gates = [gate for _, gate in make_people(make_channel(), 50)]

    first, second = make_dispatch(gates), make_dispatch(gates[::-1])

    def placed(dispatch: Dispatch) -> list:
        rows = Delivery.objects.filter(dispatch=dispatch).order_by("id")
        return list(rows.values_list("position", "address", "gate"))

    assert sorted(placed(first)) == sorted(placed(second))


def test_an_address_that_comes_twice_counts_once(db: None) -> None:
    people = make_people(make_channel(), 3)
    content = make_content()
    dispatch = Dispatch.objects.create(
        kind="broadcast", content=content.to_json(), content_sha256=content_hash(content)
    )

    size = start_dispatch(
        dispatch=dispatch,
        recipients_sql=f"{RECIPIENTS} UNION ALL {RECIPIENTS}",
        params=[[gate for _, gate in people]] * 2,
    )

    assert size == dispatch.size == Delivery.objects.count() == 3


def test_nobody_at_all_is_a_dispatch_of_nought(db: None) -> None:
    dispatch = make_dispatch([])

    assert dispatch.size == 0
    assert finish([dispatch.id]) == 1


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_is_there_whole_or_not_at_all() -> None:
    people = make_people(make_channel(), 300)

    @transaction.atomic
    def start_and_fail() -> None:
        make_dispatch([gate for _, gate in people])
        assert Delivery.objects.count() == 300  # it was there
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        start_and_fail()

    assert (Delivery.objects.count(), Batch.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_needs_the_callers_transaction() -> None:
    with pytest.raises(RuntimeError):
        start_dispatch(dispatch=Dispatch(), recipients_sql="", params=[])


@pytest.mark.slow
def test_a_hundred_thousand_recipients_take_seconds(db: None) -> None:
    channel, content = make_channel(), make_content()
    dispatch = Dispatch.objects.create(
        kind="broadcast", content=content.to_json(), content_sha256=content_hash(content)
    )
    began = time.monotonic()

    size = start_dispatch(dispatch=dispatch, recipients_sql=ROWS_100K, params=[channel.id, 100_000])

    print(f"snapshot of 100,000: {time.monotonic() - began:.2f} s")
    assert size == 100_000
    assert time.monotonic() - began < 60
    assert Batch.objects.count() == -(-100_000 // MAX_BATCH)
    assert sum(counts(dispatch.id).values()) == 100_000


def test_counts_sum_to_the_size_in_every_state(db: None) -> None:
    dispatch = make_dispatch([gate for _, gate in make_people(make_channel(), 300)])
    Batch.objects.filter(number=1).update(
        status="working", on_wire=[0, 5, 9], lease_until="2026-1-1"
    )
    Delivery.objects.filter(batch__number=1, position__in=[1, 2]).update(status="accepted")

    found = counts(dispatch.id)

    assert sum(found.values()) == 300
    assert (found["sending"], found["accepted"], found["queued"]) == (3, 2, 295)
    assert set(found) == set(Delivery.Status.values)
    by_batch = batches(dispatch.id)
    assert [view.number for view in by_batch] == [1, 2]
    assert all(sum(view.counts.values()) == view.size for view in by_batch)


def test_counting_reads_resting_batches_without_their_rows(db: None) -> None:
    dispatch = make_dispatch([gate for _, gate in make_people(make_channel(), 300)])
    Delivery.objects.all().delete()

    assert counts(dispatch.id)["queued"] == 300


def test_expiring_and_cancelling_keep_the_sum(db: None) -> None:
    gates = [gate for _, gate in make_people(make_channel(), 30)]
    late, unwanted = make_dispatch(gates), make_dispatch(gates)

    assert expire(late.id)
    assert cancel(unwanted.id)

    assert counts(late.id)["expired"] == counts(unwanted.id)["cancelled"] == 30
    late.refresh_from_db()
    assert (late.status, late.finished_at is not None) == ("expired", True)


@pytest.mark.parametrize("status", ["paused", "cancelled", "expired", "finished"])
def test_only_running_ones_are_paused(db: None, status: str) -> None:
    dispatch = make_dispatch([gate for _, gate in make_people(make_channel(), 1)])
    Dispatch.objects.update(status=status)

    assert not pause(dispatch.id)

    dispatch.refresh_from_db()
    assert dispatch.status == status


def test_a_reply_belongs_to_its_transaction(db: None) -> None:
    ((address, _),) = make_people(make_channel(), 1)

    @transaction.atomic
    def reply_and_fail() -> None:
        reply(address=address, content=Content("Hallo", "de"))
        assert Dispatch.objects.count() == 1
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        reply_and_fail()

    assert Dispatch.objects.count() == 0


def test_a_reply_is_one_delivery_ahead_of_broadcasts(db: None) -> None:
    ((address, gate),) = make_people(make_channel(), 1)

    dispatch = reply(
        address=address,
        content=Content("Bitte bestätigen", "de"),
        kind=Dispatch.Kind.CONFIRMATION,
        gate_id=gate,
    )

    delivery = Delivery.objects.get(dispatch=dispatch)
    assert (delivery.address, delivery.gate, delivery.position) == (address.id, gate, 0)
    assert (dispatch.priority, dispatch.size, dispatch.kind) == (10, 1, "confirmation")
    assert dispatch.expires_at is not None


# --- Doubts ---


def in_doubt(number: int = 1) -> Dispatch:
    dispatch = make_dispatch([gate for _, gate in make_people(make_channel(), number)])
    Delivery.objects.update(status="in_doubt", cause="worker_lost", attempts=1)
    Batch.objects.update(status="done", counts={"in_doubt": number})
    Dispatch.objects.update(status="finished")
    return dispatch


@pytest.mark.parametrize(
    ("decision", "state", "dispatch_state"),
    [
        (Decision.SENT, "accepted", "finished"),
        (Decision.NOT_SENT, "failed", "finished"),
        (Decision.RESEND, "queued", "running"),
    ],
)
def test_a_person_settles_a_doubt_once_and_it_is_written_down(
    db: None, decision: Decision, state: str, dispatch_state: str
) -> None:
    dispatch = in_doubt(2)
    doubt = doubts(dispatch.id)[0]
    assert doubt.cause == "worker_lost"

    settle_doubt(doubt.delivery_id, decision, SYSTEM)
    with pytest.raises(NotInDoubt):
        settle_doubt(doubt.delivery_id, decision, SYSTEM)

    dispatch.refresh_from_db()
    assert states(dispatch) == {"in_doubt": 1, state: 1}
    assert dispatch.status == dispatch_state
    assert counts(dispatch.id)[state] == 1
    assert AuditEntry.objects.filter(action="delivery.settled", ref=str(dispatch.id)).count() == 1


def test_nothing_is_sent_again_after_a_cancellation(db: None) -> None:
    dispatch = in_doubt()
    Dispatch.objects.update(status="cancelled")

    with pytest.raises(NotInDoubt), transaction.atomic():
        settle_doubt(doubts(dispatch.id)[0].delivery_id, Decision.RESEND, SYSTEM)

    assert states(dispatch) == {"in_doubt": 1}


def test_causes_and_times_are_counted(db: None) -> None:
    dispatch = in_doubt(3)
    Delivery.objects.filter(position=0).update(status="failed", cause="policy_window")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE messengers_delivery SET changed_at = '2026-11-21 20:00:30+00'")
    recount({batch.id: dispatch.id for batch in dispatch.batches.all()})

    assert causes(dispatch.id) == [("in_doubt", "worker_lost", 2), ("failed", "policy_window", 1)]
    over_time = [(at.isoformat(), status, n) for at, status, n in results_over_time(dispatch.id)]
    assert over_time == [
        ("2026-11-21T20:00:00+00:00", "failed", 1),
        ("2026-11-21T20:00:00+00:00", "in_doubt", 2),
    ]


def test_a_batch_whose_deliveries_are_gone_keeps_its_counts(db: None) -> None:
    """As when retention or an erasure was there before its worker."""
    dispatch = make_dispatch([gate for _, gate in make_people(make_channel(), 2)])
    known = {"counts": {"failed": 2}, "causes": {"failed|unknown": 2}, "minutes": {"60|failed": 2}}
    Batch.objects.update(status="working", lease_until=timezone.now(), **known)
    Delivery.objects.all().delete()

    with engine_transaction():
        (closed,) = ledger.close({batch.id: dispatch.id for batch in Batch.objects.all()})

    assert closed[2] == "done"
    assert Batch.objects.values(*known).get() == known
