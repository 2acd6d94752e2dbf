"""Receipts: in any order, any number of times, early or late; the rank only rises."""

import itertools
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.db.models import F
from django.utils import timezone

from messengers import receipts
from messengers.attempts import seal_attempt
from messengers.contract import Reason, ReceiptEvent
from messengers.engine.ledger import provider_ref
from messengers.models import (
    Address,
    Batch,
    Channel,
    Delivery,
    Dispatch,
    Gate,
    ReceiptGroup,
    Recount,
)
from messengers.outbox import counts
from messengers.partitions import first_id
from messengers.personal_data import erase
from messengers.receipts import RANK, give_up, merge_receipts, park, recount_stale
from messengers.sql import rows, run
from tests.messengers.house import make_channel, make_dispatch, make_people, states

AT = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


@pytest.fixture
def channel(db: None) -> Channel:
    return make_channel()


@pytest.fixture(autouse=True)
def _nothing_was_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts._put_off, "until", 0.0)


def accepted(channel: Channel, number: int = 1) -> Dispatch:
    """A dispatch whose messages were all accepted, as `wamid.0`, `wamid.1` …"""
    dispatch = make_dispatch([gate for _, gate in make_people(channel, number)])
    for delivery in Delivery.objects.filter(dispatch=dispatch):
        delivery.status = "accepted"
        delivery.provider_ref = provider_ref(channel.id, f"wamid.{delivery.position}")
        delivery.save()
    Batch.objects.update(status="done", counts={"accepted": number})
    return dispatch


def receipt(status: Any, position: int = 0, **values) -> ReceiptEvent:
    values.setdefault("provider_id", f"wamid.{position}")
    return ReceiptEvent(ref=f"{status}-{position}", at=AT, status=status, **values)


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["undelivered", "delivered", "read"]))
)
def test_the_highest_rank_wins_in_any_order(channel: Channel, order: tuple[str, ...]) -> None:
    dispatch = accepted(channel)

    for status in order:
        park(channel.id, [receipt(status)])
        merge_receipts()
    Recount.objects.update(due_at=timezone.now())
    recount_stale()

    assert states(dispatch) == {"read": 1}
    assert counts(dispatch.id)["read"] == 1


def test_all_of_them_in_one_group_give_the_same(channel: Channel) -> None:
    dispatch = accepted(channel, 20)
    events = [
        receipt(status, position)
        for position in range(20)
        for status in ("delivered", "read", "delivered", "undelivered")
    ]
    random.Random(3).shuffle(events)

    park(channel.id, events)

    assert [group.size for group in ReceiptGroup.objects.all()] == [20]  # folded at the door
    assert merge_receipts() == 20
    assert states(dispatch) == {"read": 20}
    assert ReceiptGroup.objects.count() == 0


@pytest.mark.parametrize("old", list(RANK))
@pytest.mark.parametrize("new", ["undelivered", "delivered", "read"])
def test_every_pair_of_states(channel: Channel, old: str, new: str) -> None:
    dispatch = accepted(channel)
    Delivery.objects.update(status=old)
    rises = RANK[new] > RANK[old]

    park(channel.id, [receipt(new)])
    merge_receipts()

    assert states(dispatch) == {new if rises else old: 1}
    # The table of transitions says the same as the engine's rank.
    assert rises == (new in Delivery.TRANSITIONS[old])


@pytest.mark.parametrize("state", ["queued", "failed", "suppressed", "cancelled", "expired"])
def test_a_receipt_never_makes_up_a_message(channel: Channel, state: str) -> None:
    dispatch = accepted(channel)
    Delivery.objects.update(status=state)

    park(channel.id, [receipt("read")])
    merge_receipts()

    assert states(dispatch) == {state: 1}


def test_a_receipt_with_our_attempt_settles_a_doubt(channel: Channel) -> None:
    dispatch = accepted(channel)
    Delivery.objects.update(status="in_doubt", cause="worker_lost", provider_ref=None)
    delivery = Delivery.objects.get()

    park(channel.id, [receipt("delivered", attempt=seal_attempt(delivery.id, 5), provider_id="")])
    merge_receipts()

    assert states(dispatch) == {"delivered": 1}
    assert Delivery.objects.get().cause == ""


def test_a_receipt_that_comes_before_its_answer_is_tried_again(channel: Channel) -> None:
    dispatch = accepted(channel)
    Delivery.objects.update(status="queued", provider_ref=None)
    park(channel.id, [receipt("delivered")])
    assert merge_receipts() == 0
    parked = ReceiptGroup.objects.get()
    assert parked.tries == 1
    assert parked.next_at > timezone.now() + timedelta(seconds=3)

    Delivery.objects.update(status="accepted", provider_ref=provider_ref(channel.id, "wamid.0"))
    ReceiptGroup.objects.update(next_at=timezone.now())

    assert merge_receipts() == 1
    assert states(dispatch) == {"delivered": 1}


def test_nobody_waits_longer_than_seven_days(channel: Channel) -> None:
    park(channel.id, [receipt("delivered", 1), receipt("delivered", 2)])
    park(channel.id, [receipt("delivered", 3)])
    old = ReceiptGroup.objects.order_by("id").first()
    assert give_up() == 0
    ReceiptGroup.objects.filter(id=old.id).update(at=F("at") - timedelta(days=8))

    assert give_up() == 2
    assert ReceiptGroup.objects.get().size == 1


def test_a_day_of_receipts_goes_whole_after_seven_more(channel: Channel) -> None:
    park(channel.id, [receipt("delivered", 1), receipt("delivered", 2)])
    days = [timezone.now() - timedelta(days=ago) for ago in (7, 8)]
    for day in days:
        run("SELECT messengers_add_day(%s)", [day.date()])
    kept, given_up = (f"messengers_receiptgroup_{day:%Y_%m_%d}" for day in days)
    ReceiptGroup.objects.update(at=days[1])
    assert rows(f"SELECT size FROM {given_up}") == [(2,)]

    assert give_up() == 2

    assert rows("SELECT to_regclass(%s), to_regclass(%s)", [kept, given_up]) == [(kept, None)]


def is_there(table: str) -> bool:
    return rows("SELECT to_regclass(%s) IS NOT NULL", [table]) == [(True,)]


@pytest.mark.parametrize("read", ["messengers_receiptgroup", "ONLY {day}"])
def test_a_day_that_somebody_reads_goes_later(
    old_day: str, read: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`pg_dump` holds every table from its first moment to its last."""
    with being_read(read.format(day=old_day)):
        began = time.monotonic()
        assert give_up() == 0
        assert time.monotonic() - began < 1  # a hook that wants to write waits as long
    assert "receipts_not_given_up" in caplog.text
    assert (give_up(), is_there(old_day)) == (0, True)  # not at once

    monkeypatch.setattr(receipts._put_off, "until", 0.0)
    give_up()

    assert not is_there(old_day)


@contextmanager
def being_read(tables: str) -> Iterator[None]:
    """Another connection has them in its transaction."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {tables} IN ACCESS SHARE MODE")
        yield
    finally:
        other.close()


def test_only_a_lock_is_a_reason_to_put_it_off(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "GIVE_UP", "SELECT pg_sleep(1)")
    run("SET LOCAL statement_timeout = '20ms'")

    with pytest.raises(OperationalError):
        give_up()

    assert not receipts._put_off.until


def test_the_running_app_may_lock_and_give_up_a_day(channel: Channel, as_app) -> None:
    day = timezone.now() - timedelta(days=8)
    run("SELECT messengers_add_day(%s)", [day.date()])

    with as_app("default"), connections["default"].cursor() as cursor:
        cursor.execute("SELECT current_user <> session_user")
        assert cursor.fetchone() == (True,)
        give_up()

    assert not is_there(f"messengers_receiptgroup_{day:%Y_%m_%d}")


def test_another_channels_provider_cannot_speak_about_it(channel: Channel) -> None:
    dispatch = accepted(channel)
    other = make_channel()
    attempt = seal_attempt(Delivery.objects.get().id, 5)

    park(other.id, [receipt("read"), receipt("read", attempt=attempt)])
    merge_receipts()

    assert states(dispatch) == {"accepted": 1}


def test_a_made_up_attempt_is_not_even_kept(channel: Channel) -> None:
    assert park(channel.id, [receipt("read", provider_id="", attempt="a" * 48)]) == 0
    assert ReceiptGroup.objects.count() == 0


def test_an_erased_person_takes_their_waiting_receipts_along(channel: Channel) -> None:
    dispatch = accepted(channel, 3)
    first, second, third = Delivery.objects.order_by("position")
    Delivery.objects.update(status="queued")
    ours = {"attempt": seal_attempt(first.id, 5), "provider_id": ""}
    park(channel.id, [receipt("read", 0, **ours), receipt("read", 1), receipt("read", 2)])
    waiting = "SELECT delivery, provider_ref FROM messengers_parkedreceipt"
    assert len(rows(waiting)) == 3

    for gone in (first, second):
        erase(Address.objects.get(id=gone.address).subject)

    assert rows(waiting) == [(None, bytes(third.provider_ref or b""))]
    Delivery.objects.filter(id=third.id).update(status="accepted")
    assert merge_receipts() == 1
    assert states(dispatch)["read"] == 1


def test_months_long_past_are_looked_at_last_and_still_found(channel: Channel) -> None:
    dispatch = accepted(channel, 2)
    run("SELECT messengers_add_month('2026-03-01')")
    old = first_id(date(2026, 3, 1))
    run("UPDATE messengers_delivery SET dispatch_id = %s WHERE position = 1", [old])

    park(channel.id, [receipt("read", 0), receipt("read", 1)])

    assert merge_receipts() == 2
    assert (states(dispatch), Delivery.objects.get(dispatch=old).status) == ({"read": 1}, "read")


def test_a_message_of_a_month_long_past_is_found_even_if_its_answer_came_late(
    channel: Channel,
) -> None:
    """A broadcast of March is tried again in November; its receipt is quicker than our commit."""
    accepted(channel)
    run("SELECT messengers_add_month('2026-03-01')")
    run("UPDATE messengers_delivery SET dispatch_id = %s", [first_id(date(2026, 3, 1))])
    Delivery.objects.update(status="queued", provider_ref=None)
    park(channel.id, [receipt("delivered")])
    assert merge_receipts() == 0
    Delivery.objects.update(status="accepted", provider_ref=provider_ref(channel.id, "wamid.0"))

    for _ in range(8):
        assert Delivery.objects.get().status == "accepted"
        ReceiptGroup.objects.update(next_at=timezone.now())
        merge_receipts()

    assert Delivery.objects.get().status == "delivered"


def test_a_batch_is_counted_at_once_and_then_no_sooner_than_its_turn(channel: Channel) -> None:
    dispatch = accepted(channel, 3)
    park(channel.id, [receipt("delivered", 0)])
    merge_receipts()
    assert counts(dispatch.id)["delivered"] == 1

    park(channel.id, [receipt("delivered", 1)])
    merge_receipts()
    assert counts(dispatch.id)["delivered"] == 1
    assert sum(counts(dispatch.id).values()) == 3
    Recount.objects.update(due_at=timezone.now())

    assert recount_stale() == 1
    assert counts(dispatch.id)["delivered"] == 2
    Recount.objects.update(due_at=timezone.now() - timedelta(minutes=2))
    recount_stale()
    assert not Recount.objects.exists()


def test_an_address_that_bounced_later_closes_its_gate(channel: Channel) -> None:
    dispatch = accepted(channel, 2)
    gate = Delivery.objects.get(position=1).gate

    park(channel.id, [receipt("undelivered", 1, reason=Reason.PERMANENT_RECIPIENT)])
    park(channel.id, [receipt("undelivered", 0, reason=Reason.TEMPORARY)])
    merge_receipts()

    assert states(dispatch) == {"undelivered": 2}
    assert Gate.objects.get(id=gate).reason == Gate.Reason.HARD_BOUNCE
    assert Gate.objects.filter(is_open=True).count() == 1
    assert counts(dispatch.id)["undelivered"] == 2
