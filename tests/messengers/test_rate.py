"""The rate of a channel is exact, however many workers ask at once."""

import threading
import time

import pytest
from django.db import connections

from messengers.models import Channel
from messengers.rate import grant
from tests.messengers.house import make_channel

pytestmark = pytest.mark.django_db(transaction=True)


def empty(channel: Channel) -> None:
    while grant(channel.id, 10_000, is_reply=True):
        pass


def test_four_workers_together_get_the_rate_and_no_more() -> None:
    channel = make_channel(rate_per_second=300.0, reply_reserve=0.0)
    empty(channel)
    began = time.monotonic()
    got: list[int] = []

    def ask() -> None:
        while time.monotonic() - began < 2.0:
            got.append(grant(channel.id, 7))
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began

    assert sum(got) <= 300 * seconds + 1
    assert sum(got) >= 300 * 2.0 * 0.7


def test_a_quiet_hour_saves_up_no_more_than_a_second() -> None:
    channel = make_channel(rate_per_second=50.0, reply_reserve=0.0)

    assert grant(channel.id, 10_000) == 50
    assert grant(channel.id, 10_000) <= 2


def test_broadcasts_leave_a_share_to_replies() -> None:
    channel = make_channel(rate_per_second=100.0, reply_reserve=0.1)

    assert 88 <= grant(channel.id, 10_000) <= 92
    assert grant(channel.id, 10_000) <= 2
    assert 8 <= grant(channel.id, 10_000, is_reply=True) <= 14


@pytest.mark.parametrize("rate", [0.2, 1.0, 2.5])
def test_a_slow_channel_sends_at_least_one(rate: float) -> None:
    channel = make_channel(rate_per_second=rate, reply_reserve=0.1)

    first = grant(channel.id, 100)

    assert first >= 1
    assert grant(channel.id, 100) == 0


def test_a_stopped_channel_grants_nothing() -> None:
    channel = make_channel(rate_per_second=100.0)
    Channel.objects.update(status="stopped")

    assert grant(channel.id, 1, is_reply=True) == 0
