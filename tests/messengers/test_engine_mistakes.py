"""The engine among mistakes: of an operator who types a token, of a disk, and of our own."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from messengers import media
from messengers.channels import change_channel
from messengers.contract import Content, Image
from messengers.engine import lines, run
from messengers.engine.effects import LONGEST_PAUSE, pause_channel
from messengers.engine.worker import Worker
from messengers.models import Batch, Channel, Delivery, Dispatch, InboundEvent
from tests.messengers.house import SYSTEM, make_channel, make_dispatch, make_people, states
from tests.messengers.test_engine import causes, gates_of, rewrite_address
from tests.standins.http_provider import Faults, Provider

pytestmark = pytest.mark.django_db(transaction=True)
WRONG = "a\u2013b"  # copied from a letter, with the dash that its author's program made


@pytest.fixture
def picture(settings: Any, tmp_path: Any) -> Content:
    settings.JAWORT_MEDIA_DIR = tmp_path
    key = media.store(b"\x89PNG picture", "image/png")
    return Content("Bild", "de", image=Image(key, "Ein Bild", "image/png"))


def due_again(channel: Channel) -> None:
    """As if everything that has to wait had waited."""
    Channel.objects.filter(id=channel.id).update(paused_until=None)
    Batch.objects.update(due_at=timezone.now())
    Delivery.objects.update(next_at=None)


# --- What an operator types ---


@pytest.mark.parametrize("bulk", [1, 50])
def test_a_token_that_no_request_can_carry_puts_nobody_in_doubt(
    channel: Channel, provider: Provider, bulk: int
) -> None:
    url = channel.settings["base_url"]
    wrong = make_channel(settings={"base_url": url, "bulk": bulk}, secrets={"token": WRONG})
    waits = make_dispatch(gates_of(make_people(wrong, 300)))
    goes = make_dispatch(gates_of(make_people(channel, 300)))

    run(60)

    waits.refresh_from_db()
    assert (states(waits), states(goes)) == ({"queued": 300}, {"accepted": 300})
    assert (waits.status, waits.status_why) == ("paused", "auth_config")
    assert set(Delivery.objects.filter(dispatch=waits).values_list("attempts", flat=True)) == {0}


def test_nor_does_it_where_a_picture_has_to_go_first(
    channel: Channel, provider: Provider, picture: Content
) -> None:
    change_channel(channel=channel, secrets={"token": WRONG}, actor=SYSTEM)
    dispatch = make_dispatch(gates_of(make_people(channel, 3)), content=picture)

    run(60)
    dispatch.refresh_from_db()
    assert (dispatch.status_why, states(dispatch)) == ("auth_config", {"queued": 3})


def test_a_channel_that_rested_two_thousand_times_rests_once_more(channel: Channel) -> None:
    Channel.objects.filter(id=channel.id).update(setbacks=2000)

    pause_channel(channel.id, "unreachable", None)

    channel.refresh_from_db()
    assert channel.paused_until is not None
    rest = channel.paused_until - timezone.now()
    assert timedelta() < rest < timedelta(seconds=1.3 * LONGEST_PAUSE)


# --- What a disk does ---


def test_one_key_that_does_not_open_is_one_persons_misfortune(channel: Channel) -> None:
    people = make_people(channel, 300)
    dispatch = make_dispatch(gates_of(people))
    with connections["keystore"].cursor() as cursor:
        cursor.execute(
            "UPDATE keystore_subjectkey SET wrapped = set_byte(wrapped, 40,"
            " 255 - get_byte(wrapped, 40)) WHERE subject = %s AND klass = 'ops'",
            [people[7][0].subject],
        )
        assert cursor.rowcount == 1

    run(60)

    assert states(dispatch) == {"accepted": 299, "failed": 1}
    assert causes(dispatch) == {"", "unreadable"}


# --- Pictures ---


def test_a_picture_that_arrived_is_kept_in_mind_until_the_database_is_back(
    channel: Channel, provider: Provider, picture: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatch = make_dispatch(gates_of(make_people(channel, 3)), content=picture)
    failures = [OperationalError("the connection was lost")]
    write = lines.run

    def once_broken(*args: Any, **how: Any) -> int:
        if failures:
            raise failures.pop()
        return write(*args, **how)

    monkeypatch.setattr(lines, "run", once_broken)

    run(60)

    dispatch.refresh_from_db()
    assert failures == []
    assert states(dispatch) == {"accepted": 3}
    assert str(channel.id) in dispatch.prepared
    assert provider.requests == 1 + 3


def test_a_picture_that_could_not_leave_waits_like_a_text(
    channel: Channel, provider: Provider, picture: Content
) -> None:
    url = channel.settings["base_url"]
    away = channel.settings | {"base_url": "http://127.0.0.1:9"}
    Channel.objects.filter(id=channel.id).update(settings=away)
    dispatch = make_dispatch(gates_of(make_people(channel, 3)), content=picture)

    run(60)
    channel.refresh_from_db()
    dispatch.refresh_from_db()
    assert (channel.paused_why, channel.setbacks) == ("unreachable", 1)
    assert (dispatch.status, states(dispatch)) == (Dispatch.Status.RUNNING, {"queued": 3})

    Channel.objects.filter(id=channel.id).update(settings=away | {"base_url": url})
    due_again(channel)
    run(60)
    assert states(dispatch) == {"accepted": 3}


# --- Our own ---


def test_a_mistake_of_ours_still_writes_the_answers_of_what_is_out(
    channel: Channel, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.faults = Faults(latency=0.3)
    dispatch = make_dispatch(gates_of(make_people(channel, 100)))
    look = Worker._look_for_batches

    def stumble(worker: Worker) -> None:
        if any(batch.wire for batch in worker.batches):
            raise ZeroDivisionError
        look(worker)

    monkeypatch.setattr(Worker, "_look_for_batches", stumble)
    with pytest.raises(ZeroDivisionError):
        run(60)

    out = len(provider.accepted)
    assert out > 0
    assert states(dispatch) == {"accepted": out, "queued": 100 - out}
    assert [(batch.status, batch.on_wire) for batch in Batch.objects.all()] == [("waiting", [])]

    monkeypatch.undo()
    due_again(channel)
    run(60)
    assert states(dispatch) == {"accepted": 100}
    assert len(provider.accepted) == 100


def test_a_refusal_that_comes_late_is_a_withdrawal_all_the_same(
    channel: Channel, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose batch was taken away hears that somebody has blocked us."""
    people = make_people(channel, 1)
    rewrite_address(people[0][0], "+491700000403")
    make_dispatch(gates_of(people))
    poll = Worker._poll

    def fenced(worker: Worker) -> None:
        for batch in worker.batches:
            if batch.wire:
                Batch.objects.update(token=batch.token + 1, lease_until=timezone.now())
                batch.is_fenced = True
                batch.stop()
        poll(worker)
        time.sleep(0.01)

    monkeypatch.setattr(Worker, "_poll", fenced)
    run(2)

    assert InboundEvent.objects.get().kind == InboundEvent.Kind.OPT_OUT
