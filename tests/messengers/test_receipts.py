"""Receipts: in any order, any number of times, early or late; the rank only rises."""

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from messengers.attempts import seal_attempt
from messengers.contract import Reason, ReceiptEvent
from messengers.engine.ledger import provider_ref
from messengers.models import Batch, Channel, Delivery, Dispatch, Gate, ParkedReceipt
from messengers.outbox import counts
from messengers.receipts import RANK, give_up, merge_receipts, park
from tests.messengers.house import make_channel, make_dispatch, make_people, states

AT = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


@pytest.fixture
def channel(db: None) -> Channel:
    return make_channel()


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

    assert merge_receipts() == 80
    assert states(dispatch) == {"read": 20}
    assert ParkedReceipt.objects.count() == 0


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
    parked = ParkedReceipt.objects.get()
    assert parked.tries == 1
    assert parked.next_at > timezone.now() + timedelta(seconds=3)

    Delivery.objects.update(status="accepted", provider_ref=provider_ref(channel.id, "wamid.0"))
    ParkedReceipt.objects.update(next_at=timezone.now())

    assert merge_receipts() == 1
    assert states(dispatch) == {"delivered": 1}


def test_nobody_waits_longer_than_seven_days(channel: Channel) -> None:
    park(channel.id, [receipt("delivered", 1), receipt("delivered", 2)])
    ParkedReceipt.objects.filter(id=ParkedReceipt.objects.first().id).update(
        at=F("at") - timedelta(days=7, seconds=1)
    )

    assert give_up() == 1
    assert ParkedReceipt.objects.count() == 1


def test_another_channels_provider_cannot_speak_about_it(channel: Channel) -> None:
    dispatch = accepted(channel)
    other = make_channel()
    attempt = seal_attempt(Delivery.objects.get().id, 5)

    park(other.id, [receipt("read"), receipt("read", attempt=attempt)])
    merge_receipts()

    assert states(dispatch) == {"accepted": 1}


def test_a_made_up_attempt_is_not_even_kept(channel: Channel) -> None:
    assert park(channel.id, [receipt("read", provider_id="", attempt="a" * 48)]) == 0
    assert ParkedReceipt.objects.count() == 0


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
