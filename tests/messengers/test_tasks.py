"""What beat and the bells run: it finds its work in the database, and twice is harmless."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone

from messengers import receipts, tasks
from messengers.attempts import seal_attempt
from messengers.contract import ReceiptEvent, TextEvent
from messengers.doorbell import HANDLE_INBOX, WORK
from messengers.inbox import open_event, seal_event
from messengers.models import Batch, Delivery, Dispatch, InboundEvent
from messengers.outbox import counts
from messengers.partitions import first_id
from messengers.sql import rows
from privacy.models import Watch
from privacy.retention.rules import ensure_defaults
from privacy.tasks import destroy_inbox_keys
from privacy.vault import KeyDestroyed
from tests.messengers import inbound_double as inbound
from tests.messengers.house import make_channel, make_dispatch, make_people, phone, states


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bells that were rung; nobody hears them here."""
    bells: list[str] = []
    monkeypatch.setattr("messengers.tasks.ring", lambda task=WORK: bells.append(task))
    return bells


def waiting_event(ref: bytes = b"r" * 16, text: str = "Hallo", days: int = 0) -> InboundEvent:
    channel = make_channel()
    at = timezone.now() - timedelta(days=days)
    event = TextEvent("e1", datetime(2026, 11, 21, tzinfo=UTC), phone(1), text)
    return InboundEvent.objects.create(
        channel=channel,
        ref=ref,
        kind="text",
        received_at=at,
        day=at.date(),
        sealed=seal_event(channel.id, ref, event, at),
    )


def test_the_sweeper_rings_again_for_what_no_bell_was_heard(db: None, rung: list[str]) -> None:
    tasks.sweep()
    assert rung == []

    make_dispatch([gate for _, gate in make_people(make_channel(), 1)])
    waiting_event()
    tasks.sweep()

    assert rung == [WORK, HANDLE_INBOX]


def test_the_sweeper_ends_what_is_too_old(db: None, rung: list[str]) -> None:
    dispatch = make_dispatch([gate for _, gate in make_people(make_channel(), 3)])
    Dispatch.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    tasks.sweep()
    tasks.sweep()

    dispatch.refresh_from_db()
    assert (dispatch.status, states(dispatch)) == ("expired", {"expired": 3})
    assert rung == []


def test_the_sweeper_finishes_what_a_worker_could_not_say(db: None) -> None:
    dispatch = make_dispatch([gate for _, gate in make_people(make_channel(), 1)])
    Delivery.objects.update(status="accepted")
    Batch.objects.update(status="done", counts={"accepted": 1})

    tasks.sweep()

    dispatch.refresh_from_db()
    assert (dispatch.status, dispatch.finished_at is not None) == ("finished", True)


@pytest.fixture
def backup(old_day: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another connection reads the receipts for hours, as `pg_dump` does."""
    monkeypatch.setattr(receipts._put_off, "until", 0.0)
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("LOCK TABLE messengers_receiptgroup IN ACCESS SHARE MODE")
        yield
    finally:
        other.close()


def accepted_and_told() -> Dispatch:
    """A message whose receipt waits to be merged."""
    channel = make_channel()
    dispatch = make_dispatch([gate for _, gate in make_people(channel, 1)])
    Delivery.objects.update(status="accepted")
    Batch.objects.update(status="done", counts={"accepted": 1})
    attempt = seal_attempt(Delivery.objects.get().id, 1)
    told = ReceiptEvent(ref="r1", at=timezone.now(), attempt=attempt, status="delivered")
    receipts.park(channel.id, [told])
    return dispatch


def test_a_backup_over_midnight_stops_no_sweep(
    backup: None, old_day: str, rung: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    dispatch = accepted_and_told()
    waiting_event()

    tasks.sweep()
    tasks.sweep()

    assert states(dispatch) == {"delivered": 1}
    assert Watch.objects.get(name="sweeper").trouble == ""
    assert rung == [HANDLE_INBOX] * 2
    assert rows("SELECT to_regclass(%s)", [old_day]) != [(None,)]
    assert caplog.text.count("receipts_not_given_up") == 1  # it is not asked for again at once
    assert "LockNotAvailable" in caplog.text


def test_a_step_that_breaks_keeps_no_other_from_its_work(
    db: None,
    rung: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    dispatch = accepted_and_told()
    waiting_event()

    def fail() -> int:
        raise OperationalError("FATAL: +4917604069001")

    monkeypatch.setattr(tasks, "pause_newcomers", fail)
    with pytest.raises(OperationalError):
        tasks.sweep()

    assert states(dispatch) == {"delivered": 1}
    assert rung == [HANDLE_INBOX]
    assert not Watch.objects.filter(name="sweeper").exists()
    assert "OperationalError" in caplog.text
    assert "+4917604069001" not in caplog.text


def test_old_receipts_that_stay_are_no_reason_to_miss_the_sweeper(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise OperationalError

    monkeypatch.setattr(tasks, "give_up", fail)
    with pytest.raises(OperationalError):
        tasks.sweep()

    assert Watch.objects.filter(name="sweeper").exists()


def test_a_paused_channel_is_not_rung_for(db: None, rung: list[str]) -> None:
    channel = make_channel()
    make_dispatch([gate for _, gate in make_people(channel, 1)])
    channel.paused_until = timezone.now() + timedelta(minutes=1)
    channel.save()

    tasks.sweep()

    assert rung == []


def test_handling_the_inbox_twice_answers_once(db: None, settings) -> None:
    settings.INBOUND = "tests.messengers.inbound_double"
    inbound.forget()
    waiting_event()

    tasks.handle_inbox()
    tasks.handle_inbox()

    assert inbound.handled == ["Hallo"]


def test_bodies_die_with_the_key_of_their_day(db: None) -> None:
    ensure_defaults()
    old, fresh = waiting_event(days=40), waiting_event(ref=b"s" * 16)
    assert open_event(old).text == open_event(fresh).text == "Hallo"

    assert destroy_inbox_keys(timezone.now()) == 1
    assert tasks.forget_bodies(timezone.now()) == 1
    assert tasks.forget_bodies(timezone.now()) == 0

    with pytest.raises(KeyDestroyed):
        open_event(old)
    assert open_event(fresh).text == "Hallo"
    assert InboundEvent.objects.get() == fresh


def test_who_was_written_to_is_forgotten_after_its_term(db: None) -> None:
    ensure_defaults()
    of_spring = first_id(date(2026, 5, 1))
    gates = [gate for _, gate in make_people(make_channel(), 2)]
    dispatch = make_dispatch(gates, id=of_spring)
    Dispatch.objects.update(status="finished", finished_at=timezone.now() - timedelta(days=91))

    assert tasks.forget_old_deliveries(timezone.now() - timedelta(days=2)) == 0
    assert tasks.forget_old_deliveries(timezone.now()) == 2

    assert Delivery.objects.count() == 0
    assert sum(counts(dispatch.id).values()) == 2


def test_activate_joins_another_host(db: None) -> None:
    from messengers import instance

    epoch = instance.current()
    instance._path().unlink()

    call_command("activate", "--join", verbosity=0)

    assert instance.current() == epoch


def test_a_long_queue_is_left_to_the_next_bell(db: None, settings, rung, monkeypatch) -> None:
    settings.INBOUND = "tests.messengers.inbound_double"
    inbound.forget()
    for number in range(3):
        waiting_event(ref=bytes([number]) * 16, text=f"Nr {number}")
    monkeypatch.setattr(tasks, "WORK_SECONDS", 0.0)
    monkeypatch.setattr(tasks, "MERGE_SECONDS", 0.0)

    tasks.handle_inbox()
    assert (inbound.handled, rung) == (["Nr 0"], [HANDLE_INBOX])
    monkeypatch.setattr(tasks, "WORK_SECONDS", 30.0)
    tasks.handle_inbox()

    assert (inbound.handled, rung) == (["Nr 0", "Nr 1", "Nr 2"], [HANDLE_INBOX])
