"""The rate of a channel is exact, however many workers ask at once."""

import time
from collections.abc import Callable
from uuid import UUID

import pytest

from messengers.models import Channel
from messengers.rate import PROBE_RATE, REPLIES_AT_ONCE, Allowance, grant
from tests.messengers.house import make_channel
from tests.messengers.rate import (
    as_a_worker,
    contend,
    most_in_a_second,
    one_by_one,
    surely_in_a_second,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("rate", "seconds", "how"),
    [(0.5, 2.5, as_a_worker), (400.0, 1.0, as_a_worker), (150.0, 0.8, one_by_one)],
)
def test_eight_processes_together_get_the_rate_and_no_more(
    rate: float, seconds: float, how: Callable[[UUID], Callable[[], int]]
) -> None:
    channel = make_channel(rate_per_second=rate, reply_reserve=0.1)

    grants = contend(channel.id, workers=8, seconds=seconds, how=how)
    lasted = max(after for _, after in grants) - min(before for before, _ in grants)

    # What the bucket held at the start may go on top of what the rate makes of the time.
    assert len(grants) <= rate * lasted + most_in_a_second(rate) - rate
    # The long form asks for 95 %; here others may have kept all eight from the processor.
    assert len(grants) >= int(rate * lasted * (0.8 if how is as_a_worker else 0.3))
    assert surely_in_a_second(grants) <= most_in_a_second(rate)


def test_a_quiet_hour_saves_up_one_refill_and_no_flood() -> None:
    channel = make_channel(rate_per_second=200.0, reply_reserve=0.0)

    began = time.monotonic()
    assert grant(channel.id, 10_000) == 15  # one, and 75 ms of 97 % of the rate
    assert grant(channel.id, 10_000) <= 200 * (time.monotonic() - began) + 1


@pytest.mark.parametrize(("rate", "kept"), [(0.5, 1), (5.0, 1), (80.0, 8), (1000.0, 16)])
def test_a_broadcast_that_takes_all_it_gets_leaves_replies_their_share(
    rate: float, kept: int
) -> None:
    channel = make_channel(rate_per_second=rate, reply_reserve=0.1)
    began = time.monotonic()
    assert grant(channel.id, 10_000) >= 1

    assert grant(channel.id, kept, is_reply=True) == kept
    assert kept <= REPLIES_AT_ONCE
    # And they in turn take nothing that was not there: the broadcast waits until it is made good.
    assert grant(channel.id, 10_000) <= max(0.0, rate * (time.monotonic() - began) + 1 - kept)


@pytest.mark.parametrize("rate", [0.2, 1.0, 2.5])
def test_a_slow_channel_sends_one_at_a_time(rate: float) -> None:
    channel = make_channel(rate_per_second=rate, reply_reserve=0.1)

    assert grant(channel.id, 100) == 1
    assert grant(channel.id, 100) == 0


def test_a_stopped_channel_grants_nothing() -> None:
    channel = make_channel(rate_per_second=100.0)
    Channel.objects.update(status="stopped")

    assert grant(channel.id, 1, is_reply=True) == 0


def test_after_a_setback_a_channel_is_tried_with_few_messages() -> None:
    channel = make_channel(rate_per_second=10_000.0, setbacks=1)
    allowance = Allowance(channel.id)

    assert allowance.take(128, is_reply=False) == 1
    assert allowance.has_setbacks
    assert len(contend(channel.id, workers=2, seconds=0.5)) <= PROBE_RATE * 0.5 + 1
    Channel.objects.update(setbacks=0)
    assert grant(channel.id, 128) > PROBE_RATE


def test_what_was_not_used_at_once_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a worker that hoards would send more than the rate later on."""
    channel = make_channel(rate_per_second=1000.0, reply_reserve=0.0)
    allowance = Allowance(channel.id)
    clock = [100.0]
    monkeypatch.setattr("messengers.rate.time.monotonic", lambda: clock[0])
    assert allowance.take(40, is_reply=False) == 40
    clock[0] += 0.01
    allowance.take(10, is_reply=False)  # used forty in ten milliseconds: eighty are asked for
    assert allowance.may_ask(clock[0])
    clock[0] += 0.05
    Channel.objects.update(rate_per_second=0.001)

    assert allowance.take(1, is_reply=False) == 0


def test_a_reply_asks_again_at_once_where_a_broadcast_was_refused() -> None:
    channel = make_channel(rate_per_second=0.5, reply_reserve=0.1)
    allowance = Allowance(channel.id)
    assert allowance.take(100, is_reply=False) == 1
    assert allowance.take(1, is_reply=False) == 0

    assert allowance.take(1, is_reply=True) == 1
