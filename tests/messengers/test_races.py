"""STOP against the engine, with real connections: no intent commits after the STOP has.

Each race runs an intent in one connection and a withdrawal in another, at the same moment. The
provider's side of it is `wire`: the positions that an intent has committed.
"""

import random
import threading
import time
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connections, transaction
from django.utils import timezone

from messengers.channels import stop_channel
from messengers.engine import ledger, sweep
from messengers.engine.claim import claim, load
from messengers.engine.open_batches import Intent, OpenBatch
from messengers.gates import close_gates
from messengers.instance import current
from messengers.models import Batch, Delivery, Gate
from messengers.outbox import cancel, pause
from messengers.sql import rows
from tests.messengers.house import SYSTEM, make_channel, make_dispatch, make_people

pytestmark = pytest.mark.django_db(transaction=True)

RACES = 200  # of one batch
MOMENT = 0.006  # seconds; within so much both sides begin
WIRE = "SELECT on_wire FROM messengers_batch WHERE id = %s"
PLAIN = "SELECT uuid_send(id), needs_footer FROM messengers_gate WHERE id = ANY(%s) AND is_open"


def in_thread(work) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def intend(batch: OpenBatch, epoch: UUID, count: int, pause_seconds: float) -> bool:
    """One commit of the engine for the first `count` positions; True if all may be sent."""
    with transaction.atomic():
        facts = ledger.lock([batch], epoch)
        intents = [Intent(batch, recipient, None) for recipient in list(batch.ready)[:count]]
        gates = ledger.ask_gates(intents)
        allowed = [i for i in intents if facts.allow(batch) and gates.let(i.recipient)]
        time.sleep(pause_seconds)  # the answers of this commit are being written
        for intent in allowed:
            batch.wire[intent.recipient.position] = intent.recipient
        ledger.renew([batch], [60.0])
    return len(allowed) == count


def race(number: int) -> tuple[int, int]:
    """`number` races; (how often the intent won, how often it committed after the STOP)."""
    channel = make_channel()
    people = make_people(channel, number)
    make_dispatch([gate for _, gate in people])
    (batch,) = claim(channel.id, want=number, min_priority=0, lease_seconds=600)
    load([batch], {})
    everybody = list(batch.ready)
    both = threading.Barrier(2, timeout=60)
    wire_after_stop: list[list[int]] = []

    def stop_all() -> None:
        for recipient in everybody:
            both.wait()
            time.sleep(random.uniform(0, MOMENT))
            with transaction.atomic():
                close_gates(gate_ids=[recipient.gate_id], reason=Gate.Reason.WITHDRAWN)
            wire_after_stop.append(rows(WIRE, [batch.id])[0][0])
            both.wait()

    thread = in_thread(stop_all)
    epoch, won, too_late = current(), 0, 0
    for recipient in everybody:
        batch.ready.clear()
        batch.ready.append(recipient)
        batch.wire.clear()
        both.wait()
        time.sleep(random.uniform(0, MOMENT))
        is_sent = intend(batch, epoch, 1, random.uniform(0, MOMENT))
        both.wait()
        won += is_sent
        # What was not there when the STOP had been committed was committed after it.
        too_late += is_sent and recipient.position not in wire_after_stop[-1]
    thread.join()
    return won, too_late


def test_no_intent_commits_after_the_stop_has() -> None:
    won, too_late = race(RACES)

    assert too_late == 0
    assert 0 < won < RACES  # both sides won some: these were races


def test_the_same_race_catches_a_claim_without_the_lock(monkeypatch) -> None:
    monkeypatch.setattr(ledger, "OPEN_GATES", PLAIN)

    _won, too_late = race(RACES // 2)

    assert too_late > 0


@pytest.mark.parametrize("end", [cancel, pause], ids=["cancel", "pause"])
def test_no_intent_commits_after_a_dispatch_was_ended(end) -> None:
    """The engine waits for the batch's lock and then reads the dispatch anew."""
    channel = make_channel()
    dispatch = make_dispatch([gate for _, gate in make_people(channel, 3)])
    epoch = current()
    (batch,) = claim(channel.id, want=3, min_priority=0, lease_seconds=60)
    load([batch], {})
    ended, may_commit = threading.Event(), threading.Event()

    def end_slowly() -> None:
        with transaction.atomic():
            end(dispatch.id)
            ended.set()
            may_commit.wait(10)

    ender = in_thread(end_slowly)
    ended.wait(10)
    sent: list[bool] = []
    worker = in_thread(lambda: sent.append(intend(batch, epoch, 3, 0)))
    wait_for_a_lock()
    may_commit.set()
    ender.join()
    worker.join()

    assert sent == [False]
    assert Batch.objects.get(id=batch.id).on_wire == []


def test_nothing_is_claimed_while_the_kill_switch_is_pressed() -> None:
    """What is claimed then would commit by what its worker had read before."""
    channel = make_channel()
    make_dispatch([gate for _, gate in make_people(channel, 3)])
    epoch = current()
    pressed, may_commit = threading.Event(), threading.Event()

    def stop_slowly() -> None:
        with transaction.atomic():
            stop_channel(channel=channel, actor=SYSTEM)
            pressed.set()
            may_commit.wait(10)

    stopper = in_thread(stop_slowly)
    pressed.wait(10)
    assert claim(channel.id, want=3, min_priority=0, lease_seconds=60) == []
    may_commit.set()
    stopper.join()

    (batch,) = claim(channel.id, want=3, min_priority=0, lease_seconds=60)
    load([batch], {})
    assert not intend(batch, epoch, 3, 0)


def test_two_claims_never_get_the_same_batch() -> None:
    channel = make_channel()
    make_dispatch([gate for _, gate in make_people(channel, 2000)])
    taken: list[int] = []

    def take() -> None:
        while found := claim(channel.id, want=1, min_priority=0, lease_seconds=60):
            taken.extend(batch.id for batch in found)

    threads = [in_thread(take) for _ in range(4)]
    for thread in threads:
        thread.join()

    assert sorted(taken) == sorted(Batch.objects.values_list("id", flat=True))
    assert len(set(Batch.objects.values_list("token", flat=True))) == len(taken) == 8


def test_who_lost_the_lease_writes_nothing() -> None:
    channel = make_channel()
    make_dispatch([gate for _, gate in make_people(channel, 2)])
    (mine,) = claim(channel.id, want=1, min_priority=0, lease_seconds=60)
    load([mine], {})
    Batch.objects.update(token=mine.token + 1)  # somebody else's now

    assert not intend(mine, current(), 2, 0)

    assert Batch.objects.get().on_wire == []
    assert set(Delivery.objects.values_list("status", flat=True)) == {"queued"}


def test_who_sleeps_and_takes_the_batch_anew_holds_it_by_the_new_lease_alone() -> None:
    """Answers to calls of the first lease must not close what is being sent by the second."""
    channel = make_channel()
    make_dispatch([gate for _, gate in make_people(channel, 2)])
    (first,) = claim(channel.id, want=1, min_priority=0, lease_seconds=60)
    load([first], {})
    assert intend(first, current(), 1, 0)
    Batch.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert sweep()["leases"] == 1
    (second,) = claim(channel.id, want=1, min_priority=0, lease_seconds=60)
    load([second], {})

    with transaction.atomic():
        facts = ledger.lock([first, second], current())

    assert first.id == second.id
    assert [len(batch.ready) for batch in (first, second)] == [2, 1]  # one is in doubt
    assert (facts.holds(first), facts.allow(first)) == (False, False)
    assert (facts.holds(second), facts.allow(second)) == (True, True)


def wait_for_a_lock() -> None:
    until = time.monotonic() + 10
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    while not rows(query)[0][0]:
        assert time.monotonic() < until, "nobody waited for a lock"
        time.sleep(0.005)
