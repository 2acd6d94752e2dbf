"""The circuit breaker: doubts are counted over all workers, and broadcasts wait."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models import F
from django.utils import timezone

from messengers import breaker, engine, outbox
from messengers.channels import why_silent
from messengers.engine.pace import FIRST
from messengers.models import Address, Channel, Dispatch
from messengers.outbox.behind import pause_newcomers
from messengers.rate import grant
from tests.messengers.house import make_channel, make_content, make_dispatch, make_people, states
from tests.standins.http_provider import Faults, Provider

pytestmark = pytest.mark.django_db(transaction=True)


def note(channel: Channel, doubts: int = 0, in_a_row: int | None = None, answered: int = 0) -> bool:
    in_a_row = doubts if in_a_row is None else in_a_row
    return breaker.note(channel.id, doubts=doubts, in_a_row=in_a_row, answered=answered)


def state_of(channel: Channel) -> str:
    channel.refresh_from_db()
    return channel.breaker


def status_of(dispatch: Dispatch) -> tuple[str, str]:
    dispatch.refresh_from_db()
    return dispatch.status, dispatch.status_why


def its_time_has_come(channel: Channel) -> None:
    Channel.objects.filter(id=channel.id).update(breaker_until=timezone.now())


def nobody_has_tried_for_a_minute(channel: Channel) -> None:
    Channel.objects.filter(id=channel.id).update(
        breaker_until=F("breaker_until") - timedelta(seconds=breaker.ABANDONED + 10)
    )


def broadcast(channel: Channel, number: int, first: int = 0) -> Dispatch:
    return make_dispatch([gate for _, gate in make_people(channel, number, first=first)])


def test_twenty_in_a_row_open_it_whoever_counts_them(channel: Channel) -> None:
    """Two workers see ten each, hours apart."""
    for _ in range(19):
        assert not note(channel, doubts=1)
        Channel.objects.update(doubt_times=[])  # long ago

    assert note(channel, doubts=1)
    assert state_of(channel) == "open"
    assert why_silent(channel) != ""


def test_an_answer_between_them_begins_the_count_anew(channel: Channel) -> None:
    for _ in range(10):
        note(channel, doubts=19, in_a_row=3, answered=1)
        Channel.objects.update(doubt_times=[])
        note(channel, doubts=4)
        Channel.objects.update(doubt_times=[])

    assert state_of(channel) == "closed"
    assert channel.doubts_in_a_row == 7


def test_twenty_in_a_minute_open_it_whatever_else_was_answered(channel: Channel) -> None:
    for _ in range(19):
        note(channel, doubts=1, in_a_row=0, answered=100)
    assert state_of(channel) == "closed"

    assert note(channel, doubts=1, in_a_row=0, answered=100)


def test_twenty_in_more_than_a_minute_are_a_bad_day_and_no_more(channel: Channel) -> None:
    minutes_ago = timezone.now() - timedelta(seconds=61)
    Channel.objects.update(doubt_times=[minutes_ago, *[timezone.now()] * 18])

    assert not note(channel, doubts=1, answered=1, in_a_row=0)
    assert len(Channel.objects.get().doubt_times) == 20
    assert note(channel, doubts=1, answered=1, in_a_row=0)


def test_lost_answers_pause_the_broadcast_and_replies_go_on(
    channel: Channel, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.faults = Faults(drop_after=1.0)
    dispatch = broadcast(channel, 200)
    other = broadcast(channel, 10, first=200)

    engine.run(5)

    assert status_of(dispatch) == ("paused", "too_many_doubts")
    assert states(dispatch)["in_doubt"] <= FIRST
    assert states(dispatch)["queued"] >= 200 - FIRST
    assert state_of(channel) == "open"
    assert status_of(other) in {("paused", "too_many_doubts"), ("finished", "")}
    assert "circuit_opened" in caplog.text

    provider.faults = Faults()
    address = Address.objects.first()
    assert address is not None
    answer = outbox.reply(address=address, content=make_content("Danke!"))
    newcomer = broadcast(channel, 10, first=300)
    assert pause_newcomers() == 1
    engine.run(5)

    assert states(answer) == {"accepted": 1}
    assert states(newcomer) == {"queued": 10}
    assert status_of(newcomer) == ("paused", "too_many_doubts")


def test_a_few_messages_try_it_and_it_closes(
    channel: Channel, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messengers.rate.GRANT", faster_probes())
    note(channel, doubts=20)
    dispatch = broadcast(channel, 40)
    pause_newcomers()
    assert (breaker.may_go_on(dispatch.id), grant(channel.id, 9)) == (False, 0)  # not yet
    its_time_has_come(channel)

    assert breaker.may_go_on(dispatch.id)
    assert not breaker.may_go_on(dispatch.id)  # another one waits for the outcome of this
    assert [grant(channel.id, 9), grant(channel.id, 9)] == [1, 0]
    assert outbox.resume(dispatch.id)
    engine.run(10)

    assert states(dispatch) == {"accepted": 40}
    assert state_of(channel) == "closed"
    assert (channel.breaker_opens, channel.breaker_until) == (0, None)
    assert breaker.may_go_on(dispatch.id)


def test_when_the_first_had_too_few_the_next_one_goes_on_trying(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messengers.rate.GRANT", faster_probes())
    note(channel, doubts=20)
    first, second, third = (broadcast(channel, 3, first=nth) for nth in (0, 10, 20))
    assert pause_newcomers() == 3
    its_time_has_come(channel)
    assert breaker.may_go_on(first.id)
    assert outbox.resume(first.id)
    engine.run(10)
    assert (status_of(first), state_of(channel)) == (("finished", ""), "half_open")
    assert channel.probes_left == breaker.PROBES - 3
    assert not breaker.may_go_on(second.id)  # it was tried a moment ago
    nobody_has_tried_for_a_minute(channel)

    assert breaker.may_go_on(second.id)
    assert not breaker.may_go_on(third.id)
    assert outbox.resume(second.id)
    engine.run(10)

    assert (states(second), state_of(channel)) == ({"accepted": 3}, "closed")
    assert breaker.may_go_on(third.id)


def test_a_broadcast_behind_two_breakers_goes_on_when_one_is_still_half_open(
    channel: Channel,
) -> None:
    other = make_channel()
    dispatch = make_dispatch([gate for one in (channel, other) for _, gate in make_people(one, 3)])
    for one in (channel, other):
        note(one, doubts=20)
        its_time_has_come(one)
    pause_newcomers()
    assert breaker.may_go_on(dispatch.id)
    assert outbox.resume(dispatch.id)

    note(other, doubts=1)  # which pauses it again, before the other one was tried often enough
    pause_newcomers()
    its_time_has_come(other)
    assert (state_of(channel), state_of(other)) == ("half_open", "open")
    assert not breaker.may_go_on(dispatch.id)
    nobody_has_tried_for_a_minute(channel)

    assert breaker.may_go_on(dispatch.id)
    assert (state_of(channel), state_of(other)) == ("half_open", "half_open")
    assert not breaker.may_go_on(dispatch.id)


def test_each_message_that_tries_it_is_remembered(channel: Channel) -> None:
    note(channel, doubts=20)
    breaker.try_now([channel.id])
    nobody_has_tried_for_a_minute(channel)

    assert grant(channel.id, 1) == 1

    channel.refresh_from_db()
    assert channel.breaker_until is not None
    assert channel.breaker_until > timezone.now()


def test_one_doubt_while_it_is_tried_opens_it_again_for_longer(channel: Channel) -> None:
    note(channel, doubts=20)
    channel.refresh_from_db()
    first = channel.breaker_until

    breaker.try_now([channel.id])
    assert not note(channel, answered=4, in_a_row=0)
    assert note(channel, doubts=1)

    channel.refresh_from_db()
    assert channel.breaker_opens == 2
    assert first is not None
    assert channel.breaker_until is not None
    assert channel.breaker_until - first > timedelta(seconds=0.9 * breaker.FIRST_REST)


def test_a_person_need_not_wait(channel: Channel) -> None:
    dispatch = broadcast(channel, 30)
    note(channel, doubts=20)
    pause_newcomers()

    assert outbox.resume(dispatch.id)

    assert state_of(channel) == "half_open"


def test_another_channel_is_not_touched(channel: Channel) -> None:
    other = make_channel()
    dispatch = broadcast(other, 3)
    note(channel, doubts=20)

    assert pause_newcomers() == 0
    assert status_of(dispatch) == ("running", "")
    assert grant(other.id, 3) == 3


def test_counting_is_exact_when_workers_count_at_once(channel: Channel) -> None:
    opened: list[bool] = []

    def count() -> None:
        opened.extend(note(channel, doubts=1) for _ in range(5))
        connections.close_all()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(opened) == 1  # by the twentieth of forty
    assert state_of(channel) == "open"


def faster_probes() -> str:
    from messengers import rate

    return rate.GRANT.replace(f"secs => {rate.PROBE_EVERY}", "secs => 0.1")
