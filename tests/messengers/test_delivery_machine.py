"""The life of deliveries as a game: a small model says what each row must be, after every move.

The real statements play against it on the real database. More of it:

    JAWORT_MACHINE_EXAMPLES=2000 pytest tests/messengers/test_delivery_machine.py
"""

import os
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from messengers.attempts import seal_attempt
from messengers.contract import Accepted, InDoubt, Lost, NotSent, Reason, ReceiptEvent, Refused
from messengers.engine import ledger, sweep
from messengers.engine.claim import claim, load
from messengers.engine.open_batches import Intent, OpenBatch, Recipient, Result
from messengers.engine.outcomes import judge
from messengers.gates import close_gates
from messengers.instance import current
from messengers.models import Batch, Delivery, Dispatch, Gate
from messengers.outbox import (
    Decision,
    cancel,
    counts,
    finish,
    pause,
    resume,
    retry_failed,
    settle_doubt,
)
from messengers.receipts import merge_receipts, park
from messengers.sql import engine_transaction
from tests.messengers.house import SYSTEM, make_channel, make_dispatch, make_people

FEW = 7
EXAMPLES = int(os.environ.get("JAWORT_MACHINE_EXAMPLES", FEW))
MOVES = 30
PEOPLE, SMALL = 7, 3  # batches of three, so that there are three
CALL: Any = None  # a request is of no interest here
ANSWERS = (
    Accepted("id"),
    Lost("timeout"),
    InDoubt("http 500"),
    NotSent("connect"),
    Refused(Reason.TEMPORARY),
    Refused(Reason.UNKNOWN),
    Refused(Reason.PERMANENT_RECIPIENT),
    Refused(Reason.AUTH_CONFIG),
)
RANKS = ["in_doubt", "accepted", "undelivered", "delivered", "read"]
DECISIONS = {Decision.SENT: "accepted", Decision.NOT_SENT: "failed", Decision.RESEND: "queued"}


@dataclass
class One:
    """What the model knows of one delivery."""

    status: str = "queued"
    cause: str = ""
    batch: int = 0
    position: int = 0
    gate: UUID | None = None
    open_calls: int = 0  # calls on the wire, or lost there, that no answer has settled


@dataclass
class Held:
    """A batch in a worker's hands; `lost` once its lease is somebody else's."""

    batch: OpenBatch
    is_lost: bool = False
    wire: dict[int, Recipient] = field(default_factory=dict)


class Deliveries(RuleBasedStateMachine):
    """Every rule makes one move in both worlds; the invariants compare them."""

    world: "Any" = None  # channel and people, made once for all examples

    def __init__(self) -> None:
        super().__init__()
        # Hypothesis resets nothing between examples: each of them is undone as a whole.
        self.savepoint = transaction.savepoint()
        channel, people = self.world
        self.channel, self.epoch = channel.id, current()
        self.dispatch = make_dispatch([gate for _, gate in people])
        self.dispatch_status = "running"
        self.held: list[Held] = []
        self.closed: set[UUID | None] = set()
        self.ones = {
            row.id: One(batch=row.batch_id, position=row.position, gate=row.gate)
            for row in Delivery.objects.filter(dispatch=self.dispatch)
        }

    def teardown(self) -> None:
        transaction.savepoint_rollback(self.savepoint)

    # --- Workers ---

    @rule(data=st.data(), want=st.integers(1, PEOPLE))
    def work(self, data: st.DataObject, want: int) -> None:
        """Take something if there is nothing to do, and send some of it."""
        if not any(held.batch.ready for held in self.held):
            self.take(want)
        if self.held:
            self.intend(data.draw(st.sampled_from(self.held)))

    @rule(data=st.data(), want=st.integers(1, PEOPLE))
    def work_on(self, data: st.DataObject, want: int) -> None:
        """The same again: a worker works more often than others interfere."""
        self.work(data, want)

    def take(self, want: int) -> None:
        Delivery.objects.update(next_at=None)
        Batch.objects.update(due_at=timezone.now())
        taken = claim(self.channel, want=want, min_priority=0, lease_seconds=60)
        load(taken, {})
        assert not taken or self.dispatch_status in ("running", "finished")
        for batch in taken:
            assert not any(h.batch.id == batch.id and not h.is_lost for h in self.held)
            self.held.append(Held(batch))

    def intend(self, held: Held) -> None:
        batch = held.batch
        some = [batch.ready.popleft() for _ in range(min(len(batch.ready), 2))]
        with engine_transaction():
            facts = ledger.lock([batch], self.epoch)
            assert facts.holds(batch) == (not held.is_lost)
            assert facts.allow(batch) == (not held.is_lost and self.dispatch_status == "running")
            if not facts.allow(batch):
                batch.ready.extendleft(reversed(some))
                return
            gates = ledger.ask_gates([Intent(batch, one, CALL) for one in some])
            for one in some:
                self.pass_gate(held, one, gates)
            ledger.record([batch])
            batch.results.clear()
            ledger.renew([batch], [60.0])

    def pass_gate(self, held: Held, one: Recipient, gates: ledger.Gates) -> None:
        mine = self.ones[one.delivery]
        if verdict := gates.verdict(one):
            assert one.gate_id in self.closed
            held.batch.results.append(Result(one, verdict))
            if mine.status == "queued":
                mine.status, mine.cause = "suppressed", "withdrawn"
            return
        assert one.gate_id not in self.closed  # I8
        assert (mine.status, mine.open_calls) == ("queued", 0)  # I2, I4, I6
        mine.open_calls = 1
        held.batch.wire[one.position] = one

    @precondition(lambda self: any(held.batch.wire for held in self.held))
    @rule(data=st.data(), answer=st.sampled_from(ANSWERS))
    def answer(self, data: st.DataObject, answer: Any) -> None:
        held = data.draw(st.sampled_from([held for held in self.held if held.batch.wire]))
        batch = held.batch
        one = batch.wire.pop(data.draw(st.sampled_from(sorted(batch.wire))))
        verdict = judge(answer, one.attempts)
        batch.results.append(Result(one, verdict))
        mine = self.ones[one.delivery]
        is_evidence = verdict.status in ("accepted", "failed")
        if not held.is_lost or (
            is_evidence and (mine.status, mine.cause) == ("in_doubt", "worker_lost")
        ):
            mine.status, mine.cause = verdict.status, verdict.cause
        if is_evidence or verdict.status == "queued":
            mine.open_calls = 0
        self.write(held)

    def write(self, held: Held) -> None:
        batch = held.batch
        with engine_transaction():
            if ledger.lock([batch], self.epoch).holds(batch):
                ledger.record([batch])
                ledger.renew([batch], [60.0])
            else:
                ledger.testify([batch])
        batch.results.clear()

    @precondition(lambda self: any(not held.batch.wire for held in self.held))
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        held = data.draw(st.sampled_from([held for held in self.held if not held.batch.wire]))
        self.held.remove(held)
        with engine_transaction():
            if ledger.lock([held.batch], self.epoch).holds(held.batch):
                ledger.close({held.batch.id: held.batch.dispatch})
                self.end_leftovers(held.batch.id)
        self.finished()

    @precondition(lambda self: any(not held.is_lost for held in self.held))
    @rule(dies=st.booleans())
    def leases_end(self, dies: bool) -> None:
        """All workers are silent for too long; perhaps they live on."""
        Batch.objects.filter(status="working").update(
            lease_until=timezone.now() - timezone.timedelta(seconds=1)
        )
        sweep()
        for held in [held for held in self.held if not held.is_lost]:
            held.is_lost = True
            for one in held.batch.wire.values():
                mine = self.ones[one.delivery]
                if mine.status == "queued":
                    mine.status, mine.cause = "in_doubt", "worker_lost"
            self.end_leftovers(held.batch.id)
        if dies:
            self.held.clear()
        self.finished()

    def end_leftovers(self, batch: int) -> None:
        if self.dispatch_status == "cancelled":
            for one in self.ones.values():
                if one.batch == batch and one.status == "queued":
                    one.status = "cancelled"

    # --- People ---

    @rule(is_needed=st.integers(0, 2))
    def pause_or_resume(self, is_needed: int) -> None:
        """Rarely paused, and soon resumed."""
        is_paused = self.dispatch_status == "paused"
        if not is_paused and is_needed == 0:
            assert pause(self.dispatch.id, "test") == (self.dispatch_status == "running")
            if self.dispatch_status == "running":
                self.dispatch_status = "paused"
        elif is_paused:
            assert resume(self.dispatch.id)
            self.dispatch_status = "running"

    @rule(moment=st.integers(0, 20))
    def cancel(self, moment: int) -> None:
        if moment != 7:
            return
        assert cancel(self.dispatch.id) == (self.dispatch_status in ("running", "paused"))
        if self.dispatch_status in ("running", "paused"):
            self.dispatch_status = "cancelled"
            wired = {
                one.delivery
                for held in self.held
                if not held.is_lost
                for one in held.batch.wire.values()
            }
            for delivery, mine in self.ones.items():
                if mine.status == "queued" and delivery not in wired:
                    mine.status = "cancelled"

    @rule(data=st.data())
    def close_a_gate(self, data: st.DataObject) -> None:
        gate = data.draw(st.sampled_from([one.gate for one in self.ones.values()]))
        assert gate
        close_gates(gate_ids=[gate], reason=Gate.Reason.WITHDRAWN)
        self.closed.add(gate)

    @precondition(lambda self: any(one.status == "failed" for one in self.ones.values()))
    @rule()
    def retry(self) -> None:
        again = [
            one
            for one in self.ones.values()
            if one.status == "failed" and one.cause not in ("permanent_recipient", "opted_out")
        ]
        expected = [] if self.dispatch_status == "cancelled" else again
        assert retry_failed(self.dispatch.id) == len(expected)
        for one in expected:
            one.status, one.cause = "queued", ""
            one.open_calls = 0
        if expected and self.dispatch_status == "finished":
            self.dispatch_status = "running"

    @precondition(lambda self: any(one.status == "in_doubt" for one in self.ones.values()))
    @rule(data=st.data(), decision=st.sampled_from(list(Decision)))
    def settle(self, data: st.DataObject, decision: Decision) -> None:
        doubted = [id for id, one in self.ones.items() if one.status == "in_doubt"]
        chosen = data.draw(st.sampled_from(doubted))
        if decision is Decision.RESEND and self.dispatch_status == "cancelled":
            return  # refused, which test_doubts.py shows
        settle_doubt(chosen, decision, SYSTEM)
        mine = self.ones[chosen]
        mine.status = DECISIONS[decision]
        mine.cause = "" if decision is Decision.RESEND else "settled"
        mine.open_calls = 0  # by a person's word
        if decision is Decision.RESEND and self.dispatch_status == "finished":
            self.dispatch_status = "running"

    @precondition(lambda self: any(one.status in RANKS for one in self.ones.values()))
    @rule(data=st.data(), status=st.sampled_from(["delivered", "read", "undelivered"]))
    def receipt(self, data: st.DataObject, status: Any) -> None:
        told = data.draw(
            st.sampled_from([i for i, one in self.ones.items() if one.status in RANKS])
        )
        event = ReceiptEvent("r", timezone.now(), attempt=seal_attempt(told, 1), status=status)
        park(self.channel, [event])
        merge_receipts()
        mine = self.ones[told]
        if RANKS.index(status) > RANKS.index(mine.status):  # I7
            mine.status, mine.cause, mine.open_calls = status, "", 0

    def finished(self) -> None:
        finish([self.dispatch.id])
        is_open = Batch.objects.filter(dispatch=self.dispatch).exclude(status="done").exists()
        if self.dispatch_status == "running" and not is_open:
            self.dispatch_status = "finished"

    # --- What always holds ---

    @invariant()
    def every_row_is_what_the_model_says(self) -> None:
        found = dict(Delivery.objects.filter(dispatch=self.dispatch).values_list("id", "status"))
        assert found == {delivery: one.status for delivery, one in self.ones.items()}

    @invariant()
    def all_numbers_sum_to_the_snapshot(self) -> None:
        assert sum(counts(self.dispatch.id).values()) == PEOPLE  # I5

    @invariant()
    def the_dispatch_is_over_when_nothing_is_open(self) -> None:
        self.dispatch.refresh_from_db()
        assert self.dispatch.status == self.dispatch_status  # I9
        if self.dispatch_status == "finished":
            assert not Batch.objects.filter(dispatch=self.dispatch).exclude(status="done").exists()

    @invariant()
    def a_doubt_has_a_cause_and_only_work_has_a_wire(self) -> None:
        assert not Delivery.objects.filter(status="in_doubt", cause="").exists()
        for batch in Batch.objects.filter(dispatch=self.dispatch):
            assert batch.status == "working" or not batch.on_wire


@pytest.mark.django_db
def test_every_life_of_deliveries_follows_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from messengers.outbox import start

    monkeypatch.setattr(start, "MAX_BATCH", SMALL)
    channel = make_channel()
    monkeypatch.setattr(Deliveries, "world", (channel, make_people(channel, PEOPLE)))
    Dispatch.objects.all().delete()
    run_state_machine_as_test(
        Deliveries,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=MOVES,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=EXAMPLES == FEW,  # the suite plays the same games each time
        ),
    )
