"""Random histories of two workers, a sweeper, receipts and people who interfere; no network.

After every step the invariants of docs/delivery.md have to hold. A failing history is its seed.
"""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from messengers.contract import Accepted, Answer, InDoubt, Lost, Reason, ReceiptEvent, Refused
from messengers.engine import ledger
from messengers.engine.claim import claim, load
from messengers.engine.open_batches import Intent, OpenBatch, Result
from messengers.engine.outcomes import judge
from messengers.engine.sweep import sweep
from messengers.gates import close_gates
from messengers.instance import current
from messengers.models import Batch, Delivery, Dispatch, Gate
from messengers.outbox import cancel, counts, finish, pause, resume, retry_failed
from messengers.receipts import merge_receipts, park
from tests.messengers.house import make_channel, make_dispatch, make_people

STEPS = 80
PEOPLE = 12
CALL: Any = None  # a request is of no interest here
ANSWERS: list[Answer | Lost] = [
    Accepted("id"),
    Accepted("id"),
    Accepted("id"),
    Lost("timeout"),
    InDoubt("http 500"),
    Refused(Reason.TEMPORARY),
    Refused(Reason.PERMANENT_RECIPIENT),
    Refused(Reason.THROTTLED, scope="account"),
]


class History:
    """The world, and what really left: delivery id -> how often."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.channel = make_channel()
        self.people = make_people(self.channel, PEOPLE)
        self.dispatch = make_dispatch([gate for _, gate in self.people])
        self.epoch = current()
        self.held: list[OpenBatch] = []
        self.left: dict[int, int] = {}
        self.taken: dict[int, int] = {}  # really accepted by the provider
        self.closed: set[Any] = set()

    def step(self) -> None:
        often = [self.take, self.send, self.answer, self.resume, self.sweep, self.time_passes] * 3
        seldom = [self.close, self.die, self.receipt, self.retry, self.stop_person, self.pause]
        last = [self.cancel] if self.left and self.rng.random() < 0.1 else []
        self.rng.choice(often + seldom + last)()

    # --- What workers do ---

    def take(self) -> None:
        taken = claim(self.channel.id, want=PEOPLE, min_priority=0, lease_seconds=60)
        load(taken, {})
        self.held += taken

    def send(self) -> None:
        for batch in self.held:
            some = list(batch.ready)[: self.rng.randint(1, 4)]
            with transaction.atomic():
                facts = ledger.lock([batch], self.epoch)
                if not facts.allow(batch):
                    continue
                gates = ledger.ask_gates([Intent(batch, one, CALL) for one in some])
                for one in some:
                    batch.ready.remove(one)
                    if verdict := gates.verdict(one):
                        batch.results.append(Result(one, verdict))
                    else:
                        batch.wire[one.position] = one
                self.write(batch)
            for one in some:
                if one.position in batch.wire:
                    assert one.gate_id not in self.closed  # I8
                    self.left[one.delivery] = self.left.get(one.delivery, 0) + 1

    def answer(self) -> None:
        for batch in self.held:
            for position in self.rng.sample(sorted(batch.wire), len(batch.wire) // 2):
                one = batch.wire.pop(position)
                answer = self.rng.choice(ANSWERS)
                if not isinstance(answer, Refused):
                    self.taken[one.delivery] = self.taken.get(one.delivery, 0) + 1
                batch.results.append(Result(one, judge(answer, one.attempts)))
            with transaction.atomic():
                if batch.id in ledger.lock([batch], self.epoch).ours:
                    self.write(batch)
                else:
                    ledger.testify([batch])
                    batch.results.clear()

    def write(self, batch: OpenBatch) -> None:
        ledger.record([batch])
        batch.results.clear()
        ledger.renew([batch], [60.0])

    def close(self) -> None:
        for batch in [batch for batch in self.held if not batch.wire]:
            with transaction.atomic():
                if batch.id in ledger.lock([batch], self.epoch).ours:
                    ledger.record([batch])
                    ledger.close({batch.id: batch.dispatch})
            self.held.remove(batch)
        finish([self.dispatch.id])

    def die(self) -> None:
        """A worker is gone without a word; its calls arrived or did not."""
        for batch in self.held:
            for one in batch.wire.values():
                if self.rng.random() < 0.5:
                    self.taken[one.delivery] = self.taken.get(one.delivery, 0) + 1
        self.held.clear()

    # --- What others do ---

    def time_passes(self) -> None:
        """Waits are over, and leases too: also those of the living."""
        Batch.objects.filter(status="working").update(
            lease_until=timezone.now() - timedelta(seconds=1)
        )
        Batch.objects.update(due_at=timezone.now())
        Delivery.objects.update(next_at=None)

    def sweep(self) -> None:
        sweep()

    def stop_person(self) -> None:
        _, gate = self.rng.choice(self.people)
        close_gates(gate_ids=[gate], reason=Gate.Reason.WITHDRAWN)
        self.closed.add(gate)

    def pause(self) -> None:
        pause(self.dispatch.id, "test")

    def resume(self) -> None:
        resume(self.dispatch.id)

    def cancel(self) -> None:
        cancel(self.dispatch.id)

    def retry(self) -> None:
        retry_failed(self.dispatch.id)

    def receipt(self) -> None:
        """About something that the provider really took."""
        if self.taken:
            from messengers.attempts import seal_attempt

            attempt = seal_attempt(self.rng.choice(sorted(self.taken)), 1)
            status: Any = self.rng.choice(["delivered", "read", "undelivered"])
            park(
                self.channel.id, [ReceiptEvent("r", timezone.now(), attempt=attempt, status=status)]
            )
            merge_receipts()

    # --- What always holds ---

    def check(self) -> None:
        rows = list(Delivery.objects.filter(dispatch=self.dispatch))
        found = counts(self.dispatch.id)
        assert sum(found.values()) == len(rows) == PEOPLE  # I5
        self.dispatch.refresh_from_db()
        is_open = Batch.objects.exclude(status="done").exists()
        if self.dispatch.status == "finished":
            assert not is_open  # I9
        for row in rows:
            assert self.taken.get(row.id, 0) <= 1, "written to twice"
            if row.status in ("delivered", "read", "undelivered"):
                assert self.taken.get(row.id), "a receipt for nothing"
            if row.status == "in_doubt":
                assert row.cause  # named
                assert self.left.get(row.id)
        for batch in Batch.objects.all():
            assert (batch.status == "working") == (batch.lease_until is not None)
            if batch.status != "working":
                assert batch.on_wire == []


@pytest.mark.parametrize("seed", range(12))
def test_random_histories_keep_the_invariants(db: None, seed: int) -> None:
    history = History(seed)

    for _ in range(STEPS):
        history.step()
        history.check()

    if history.dispatch.status != "paused" and not history.closed:
        assert history.left  # something did happen


def test_a_sweeper_that_sends_again_is_caught(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(sys.modules["messengers.engine.sweep"], "LOST_ON_WIRE", "queued")

    def play_all() -> None:
        for seed in range(100, 130):
            history = History(seed)
            Dispatch.objects.exclude(id=history.dispatch.id).delete()
            for _ in range(STEPS):
                history.step()
                history.check()

    with pytest.raises(AssertionError, match="twice"):
        play_all()
