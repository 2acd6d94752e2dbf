"""Accounts at messengers: the kill switch outlasts a form that was opened before it."""

import pytest
from django.db import connection

from messengers.channels import account_of, change_channel, create_channel, stop_channel
from messengers.models import Channel
from privacy.access import Actor
from tests.profiles import OWN_HOUSE

SYSTEM = Actor.system("tests")


@pytest.fixture
def channel(db: None) -> Channel:
    return create_channel(
        kind="simulator",
        name="Simulator",
        settings={"base_url": "http://127.0.0.1:9"},
        secrets={"token": "t" * 32, "hook_secret": "s" * 32},
        profile=OWN_HOUSE,
        actor=SYSTEM,
    )


def test_a_change_does_not_undo_a_kill_switch_pulled_meanwhile(channel: Channel) -> None:
    stop_channel(channel=Channel.objects.get(pk=channel.pk), actor=SYSTEM)

    change_channel(channel=channel, actor=SYSTEM, name="Anders")

    kept = Channel.objects.get(pk=channel.pk)
    assert (kept.status, kept.name) == (Channel.Status.STOPPED, "Anders")


def test_a_change_does_not_turn_the_clock_of_the_rate_back(channel: Channel) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE messengers_channel SET theoretical_arrival_at = clock_timestamp()")

    change_channel(channel=channel, actor=SYSTEM, secrets={"token": "u" * 32})

    kept = Channel.objects.get(pk=channel.pk)
    assert kept.theoretical_arrival_at is not None
    assert account_of(kept).secrets == {"token": "u" * 32, "hook_secret": "s" * 32}
