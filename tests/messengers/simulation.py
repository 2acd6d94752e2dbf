"""The engine's worker in a simulated world: ledger, provider and clock come from a seed.

    python -m tests.messengers.simulation --steps 1000000

Several workers, a sweeper, people who close gates and pause dispatches, a provider that loses
answers, a database that breaks before, in and after a commit, processes that die between any two
statements. Everything happens in one thread, so a seed is a history, and orders come up that no
crash loop reaches: a commit whose success nobody heard of, a worker that sleeps through its lease
and wakes up with answers, a kill between the commit and the first call.

`worker`, `window`, `outcomes` and `pace` are the real ones; what they ask of the database is
answered from memory by the rules of docs/delivery.md.
"""

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import UUID

from django.db import OperationalError

CALL_SECONDS, LEASE_SECONDS = 5.0, 10.0
PEOPLE, BATCH = 24, 8
STEPS = 300  # of one history
END_STEPS = 4000  # until everything has to have ended
EPOCH = UUID(int=1)
CHANNELS = (UUID(int=101), UUID(int=102))
DISPATCHES = (UUID(int=201), UUID(int=202))
ENDED = ("accepted", "failed", "in_doubt", "suppressed", "cancelled", "expired")


class Killed(BaseException):
    """kill -9: no `except` and no `finally` of the worker's may matter any more."""


class Violation(BaseException):  # no `except` of the worker's may take it for a mistake
    """A promise was broken."""


@dataclass
class Row:
    """Anything in the ledger; `before` is kept until its transaction has ended."""

    def change(self, world: "World", **values: Any) -> None:
        world.undo.append((self, dict(self.__dict__)))
        self.__dict__.update(values)


@dataclass
class Delivery(Row):
    id: int
    batch: int
    position: int
    gate: UUID
    status: str = "queued"
    cause: str = ""
    attempts: int = 0
    next_at: float = 0.0


@dataclass
class Batch(Row):
    id: int
    dispatch: UUID
    channel: UUID
    priority: int = 0
    status: str = "waiting"
    token: int = 0
    due_at: float = 0.0
    lease_until: float = 0.0
    on_wire: frozenset[int] = frozenset()


@dataclass
class Fates:
    """How often what goes wrong; all nought when the world comes to rest."""

    kill: float = 0.004
    break_before: float = 0.01
    break_after: float = 0.01
    slow_commit: float = 0.01
    lost: float = 0.08


@dataclass
class World:
    """The ledger, the provider and the clock of one history."""

    rng: random.Random
    now: float = 1000.0
    fates: Fates = field(default_factory=Fates)
    undo: list[tuple[Row, dict[str, Any]]] = field(default_factory=list)
    batches: dict[int, Batch] = field(default_factory=dict)
    rows: dict[tuple[int, int], Delivery] = field(default_factory=dict)
    dispatches: dict[UUID, str] = field(default_factory=dict)
    paused: dict[UUID, float] = field(default_factory=dict)  # channel -> until
    closed: set[UUID] = field(default_factory=set)  # gates
    busy: set[UUID] = field(default_factory=set)  # gates that somebody is about to close
    tokens: int = 0
    taken: Counter[int] = field(default_factory=Counter)  # delivery -> accepted so often
    out: set[int] = field(default_factory=set)  # deliveries with a call that nobody has settled
    doubted: set[int] = field(default_factory=set)
    calls: int = 0

    # --- Time and transactions ---

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def may_die(self) -> None:
        if self.chance(self.fates.kill):
            raise Killed

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self.chance(self.fates.break_before):
            raise OperationalError("no connection")
        wired = {batch.id: (batch.token, batch.on_wire) for batch in self.batches.values()}
        self.undo = []
        try:
            yield
            if self.chance(self.fates.slow_commit):
                self.now += self.rng.uniform(1.0, 8.0)
            self.may_die()
        except BaseException:
            for row, before in reversed(self.undo):
                row.__dict__.update(before)
            raise
        self._committed(wired)
        if self.chance(self.fates.break_after):
            raise OperationalError("the answer to COMMIT was lost")

    def _committed(self, wired: dict[int, tuple[int, frozenset[int]]]) -> None:
        """No intent for a closed gate or an ended dispatch."""
        for batch in self.batches.values():
            before = wired.get(batch.id)
            new = batch.on_wire - (
                before[1] if before and before[0] == batch.token else frozenset()
            )
            for position in new:
                gate = self.rows[batch.id, position].gate
                require(gate not in self.closed, "an intent for a closed gate")
                require(self.dispatches[batch.dispatch] == "running", "an intent of an ended one")
                require(
                    self.paused[batch.channel] <= self.now + 8.0, "an intent on a paused channel"
                )

    # --- What the worker asks of the database ---

    def due_channels(self) -> list[UUID]:
        return sorted({b.channel for b in self.batches.values() if self._is_due(b)})

    def _is_due(self, batch: Batch) -> bool:
        rests = self.paused[batch.channel] > self.now
        return batch.status == "waiting" and batch.due_at <= self.now and not rests

    def claim(self, channel: UUID, *, want: int, min_priority: int, lease_seconds: float) -> Any:
        from messengers.engine.open_batches import OpenBatch

        with self.transaction():
            found = [
                b
                for b in self.batches.values()
                if b.channel == channel and b.priority >= min_priority and self._is_due(b)
            ][: 1 + want // BATCH]
            for batch in found:
                self.tokens += 1
                batch.change(
                    self,
                    status="working",
                    token=self.tokens,
                    on_wire=frozenset(),
                    lease_until=self.now + lease_seconds,
                )
        return [OpenBatch(b.id, b.dispatch, b.channel, b.priority, b.token) for b in found]

    def load(self, batches: Iterable[Any], common: object) -> None:
        from messengers.engine.open_batches import Recipient, Values

        if self.chance(self.fates.break_before):
            raise OperationalError("no connection")
        for batch in batches:
            for row in self._queued(batch.id):
                if row.next_at <= self.now:
                    batch.ready.append(
                        Recipient(
                            row.position,
                            row.id,
                            row.gate.bytes,
                            row.attempts,
                            address=str(row.id),
                            values=Values({}, None),
                            attempt=str(row.id),
                        )
                    )

    def _queued(self, batch: int) -> list[Delivery]:
        return [r for (b, _), r in self.rows.items() if b == batch and r.status == "queued"]

    def lock(self, batches: Sequence[Any], epoch: UUID) -> Any:
        from messengers.engine.ledger import Facts

        self.may_die()
        held = [batch for batch in batches if self._holds(batch)]
        ours, tokens = {batch.id for batch in held}, {batch.token for batch in held}
        running = {d for d, status in self.dispatches.items() if status == "running"}
        channels = {c for c, until in self.paused.items() if until <= self.now}
        return Facts(ours, tokens, running, set(), channels, epoch == EPOCH)

    def _holds(self, batch: Any) -> bool:
        row = self.batches[batch.id]
        return row.status == "working" and row.token == batch.token

    def ask_gates(self, intents: Iterable[Any]) -> Any:
        from messengers.engine.ledger import Gates

        self.may_die()
        gates = Gates()
        for gate in (intent.recipient.gate_id for intent in intents):
            if gate in self.closed:
                gates.closed[gate.bytes] = "withdrawn"
            elif gate not in self.busy:
                gates.open[gate.bytes] = False
        return gates

    def record(self, batches: Iterable[Any]) -> None:
        self.may_die()
        for batch in batches:
            for result in batch.results:
                row = self.rows[batch.id, result.recipient.position]
                if row.status == "queued":
                    self._write(row, result)

    def _write(self, row: Delivery, result: Any) -> None:
        verdict = result.verdict
        row.change(
            self,
            status=verdict.status,
            cause=verdict.cause,
            attempts=result.recipient.attempts + verdict.is_attempt,
            next_at=self.now + (verdict.wait or 0.0),
        )

    def testify(self, batches: Iterable[Any]) -> None:
        for batch in batches:
            for result in batch.results:
                row = self.rows[batch.id, result.recipient.position]
                is_evidence = result.verdict.status in ("accepted", "failed")
                if is_evidence and (row.status, row.cause) == ("in_doubt", "worker_lost"):
                    self._write(row, result)

    def renew(self, batches: Iterable[Any], leases: Iterable[float]) -> None:
        self.may_die()
        for batch, lease in zip(batches, leases, strict=True):
            self.batches[batch.id].change(
                self, on_wire=frozenset(batch.wire), lease_until=self.now + lease
            )

    def ask(self, batches: Sequence[Any], epoch: UUID, intents: Iterable[Any]) -> Any:
        return self.lock(batches, epoch), self.ask_gates(intents)

    def close(
        self, ids: Iterable[int], *, are_running: bool = False, wait_seconds: float = 0.0
    ) -> Any:
        closed = []
        for batch in map(self.batches.__getitem__, ids):
            status = self.dispatches[batch.dispatch]
            for row in self._queued(batch.id) if status == "cancelled" and not are_running else ():
                row.change(self, status="cancelled")
            left = self._queued(batch.id)
            to = "done" if not left else "held" if status == "paused" else "waiting"
            due = max((row.next_at for row in left), default=0.0)
            batch.change(
                self, status=to, on_wire=frozenset(), due_at=max(due, self.now + wait_seconds)
            )
            closed.append((batch.id, batch.dispatch, to))
        return closed

    def finish(self, dispatches: Iterable[UUID]) -> None:
        for dispatch in dispatches:
            rest = [
                b for b in self.batches.values() if b.dispatch == dispatch and b.status != "done"
            ]
            if not rest and self.dispatches[dispatch] == "running":
                self.dispatches[dispatch] = "finished"

    # --- What happens beside the workers ---

    def sweep(self) -> None:
        self.undo = []
        for batch in list(self.batches.values()):
            if batch.status == "working" and batch.lease_until < self.now:
                for position in batch.on_wire:
                    row = self.rows[batch.id, position]
                    if row.status == "queued":
                        row.change(self, status="in_doubt", cause="worker_lost")
                        self.doubted.add(row.id)
                self.close([batch.id])
        for dispatch in DISPATCHES:
            self.finish([dispatch])

    def interfere(self) -> None:
        """Somebody changes their mind. Whoever stops a dispatch waits for its batches' locks."""
        dispatch, channel = self.rng.choice(DISPATCHES), self.rng.choice(CHANNELS)
        gate = self.rng.choice([row.gate for row in self.rows.values()])
        match self.rng.choice(["busy", "close", "close", "pause", "resume", "resume", "rest"]):
            case "busy":
                self.busy ^= {gate}
            case "close":
                self.closed.add(gate)
                self.busy.discard(gate)
            case "pause":
                self._stop(dispatch, "paused")
            case "resume":
                self.resume(dispatch)
            case "rest":
                self.paused[channel] = self.now + self.rng.uniform(0.1, 3.0)
        if self.chance(0.01):
            self._stop(dispatch, "cancelled")

    def _stop(self, dispatch: UUID, to: str) -> None:
        if self.dispatches[dispatch] not in ("running", "paused"):
            return
        self.dispatches[dispatch] = to
        for batch in self.batches.values():
            if batch.dispatch == dispatch and batch.status in ("waiting", "held"):
                batch.status = "held" if to == "paused" else "done"
                for row in self._queued(batch.id) if to == "cancelled" else ():
                    row.status = "cancelled"

    def resume(self, dispatch: UUID) -> None:
        if self.dispatches[dispatch] == "paused":
            self.dispatches[dispatch] = "running"
            for batch in self.batches.values():
                if batch.dispatch == dispatch and batch.status == "held":
                    batch.status = "waiting"


def require(is_so: bool, promise: str) -> None:
    if not is_so:
        raise Violation(promise)


# --- The provider and the line to it ---


def positions(key: Any) -> list[int]:
    """Those whose answers a call brings."""
    return [intent.recipient.position for intent in getattr(key, "intents", [key])]


class Provider:
    """A transport whose answers are drawn when the call leaves, and come later or never."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.waiting: list[tuple[float, Any, Any]] = []

    @property
    def in_flight(self) -> int:
        return len(self.waiting)

    def submit(self, key: Any, request: Any, timeout: float) -> None:
        world = self.world
        batch = world.batches[key.batch.id]
        require(batch.token == key.batch.token, "a call without the lease")
        require(batch.lease_until >= world.now + timeout, "a call that may outlive its lease")
        answers = []
        for position in positions(key):
            row = world.rows[batch.id, position]
            require(position in batch.on_wire, "a call without a committed intent")
            require(row.status == "queued", f"a call for one who is {row.status}")
            require(row.id not in world.out, "a second call before the first was settled")
            require(row.id not in world.doubted, "a doubt was sent again")
            world.out.add(row.id)
            world.calls += 1
            answers.append(self.fate(row.id))
        lost = world.chance(world.fates.lost)
        delay = timeout if lost else world.rng.choice([0.0, 0.001, 0.02, 0.5, timeout * 0.99])
        self.waiting.append((world.now + delay, key, self.outcome(key, answers, lost)))
        world.may_die()

    def fate(self, delivery: int) -> Any:
        """What the provider makes of one message; an acceptance is for good."""
        from messengers.contract import Accepted, InDoubt, Reason, Refused

        kinds = ["accepted"] * 8 + ["temporary", "permanent", "throttled", "doubt"]
        kind = self.world.rng.choice(kinds)
        if kind == "accepted" or (kind == "doubt" and self.world.chance(0.5)):
            self.world.taken[delivery] += 1
            require(self.world.taken[delivery] == 1, "somebody was written to twice")
        return {
            "accepted": Accepted("id"),
            "temporary": Refused(Reason.TEMPORARY),
            "permanent": Refused(Reason.PERMANENT_RECIPIENT),
            "throttled": Refused(Reason.THROTTLED, retry_after=0.5, scope="account"),
            "doubt": InDoubt("http 500"),
        }[kind]

    def outcome(self, key: Any, answers: list[Any], lost: bool) -> Any:
        from messengers.contract import Lost, NotSent

        if lost:
            return Lost("timeout")
        nobody = not any(self.world.taken[self.row(key, p).id] for p in positions(key))
        if nobody and self.world.chance(0.1):
            return NotSent("connect")
        return answers

    def row(self, key: Any, position: int) -> Delivery:
        return self.world.rows[key.batch.id, position]

    def poll(self, wait: float) -> list[tuple[Any, Any]]:
        due = [one for one in self.waiting if one[0] <= self.world.now]
        self.waiting = [one for one in self.waiting if one[0] > self.world.now]
        self.world.now += 0.0 if due else wait
        return [(key, self.heard(key, outcome)) for _, key, outcome in due]

    def heard(self, key: Any, outcome: Any) -> Any:
        """From here on the worker knows, and may send again what was refused."""
        from messengers.contract import NotSent, Refused

        answers = outcome if isinstance(outcome, list) else [outcome] * len(positions(key))
        for position, answer in zip(positions(key), answers, strict=True):
            if isinstance(answer, NotSent | Refused):
                self.world.out.discard(self.row(key, position).id)
        return outcome


class Adapter:
    capabilities = SimpleNamespace(attempt_echo=True)

    def request(self, *_: object) -> object:
        return object()

    def bulk_request(self, *_: object) -> object:
        return object()

    def answer(self, outcome: list[Any]) -> Any:
        return outcome[0]

    def bulk_answer(self, outcome: list[Any], _count: int) -> list[Any]:
        return outcome


class Line:
    """One channel as a worker sees it."""

    def __init__(self, world: World, channel: UUID) -> None:
        from messengers.engine.lines import Text
        from messengers.engine.pace import Pace

        self.world, self.channel = world, channel
        self.adapter, self.transport = Adapter(), Provider(world)
        self.unsendable: set[Any] = set()
        self.call_seconds, self.lease_seconds = CALL_SECONDS, LEASE_SECONDS
        self.bulk = 3 if channel == CHANNELS[1] else 1
        self.pace = Pace()
        self._text = Text(SimpleNamespace(fill=lambda values: "text"), prepared={})  # type: ignore[arg-type]

    def text(self, _dispatch: UUID) -> Any:
        return self._text

    def is_ready(self, _dispatch: UUID) -> bool:
        return True

    def may_ask(self, _now: float) -> bool:
        return True

    def take(self, want: int, *, is_reply: bool) -> int:
        return self.world.rng.randint(0, want) if self.world.chance(0.2) else want


class Effects:
    """What answers mean for channels, as far as the worker's own steps depend on it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rests: dict[UUID, float] = {}
        self.dispatches: dict[UUID, str] = {}

    def note(self, _line: object, batch: Any, _recipient: object, verdict: Any) -> None:
        if verdict.effect == "pause_channel":
            self.rests[batch.channel] = verdict.effect_wait or 1.0

    def brake(self) -> set[UUID]:
        for channel, wait in self.rests.items():
            self.world.paused[channel] = max(self.world.paused[channel], self.world.now + wait)
        self.rests = {}
        return set()

    def settle(self) -> set[UUID]:
        return set()


# --- One history ---


def nothing(*_: object, **__: object) -> None:
    """Takes what a log would take."""


@contextmanager
def played_by(world: World, worker: ModuleType) -> Iterator[None]:
    """Let the worker's module ask this world instead of a database and a clock."""
    from messengers.engine import pace, window

    clock = SimpleNamespace(monotonic=world.monotonic, sleep=world.sleep)
    names: dict[str, Any] = {
        "ledger": world,
        "claim": world.claim,
        "load": world.load,
        "due_channels": world.due_channels,
        "engine_transaction": lambda *, pipelined=False: world.transaction(),
        "finish": world.finish,
        "Effects": lambda: Effects(world),
        "add_opt_outs": lambda *_: None,
        "connection": SimpleNamespace(close=lambda: None),
        "time": clock,
        "is_stopping": lambda: False,
        "instance": SimpleNamespace(why_not=lambda: ""),
        "log": SimpleNamespace(warning=nothing, error=nothing, info=nothing),
    }
    with ExitStack() as stack:
        stack.enter_context(patch.multiple(worker, **names))
        stack.enter_context(patch.object(window, "time", clock))
        stack.enter_context(patch.multiple(pace, FEWEST=6, MOST=12))
        yield


def make_world(seed: int) -> World:
    """Two dispatches over two channels, one of them of urgent little batches."""
    world = World(random.Random(seed))
    world.dispatches = dict.fromkeys(DISPATCHES, "running")
    world.paused = dict.fromkeys(CHANNELS, 0.0)
    delivery = 0
    for number in range(2 * PEOPLE // BATCH):
        dispatch = DISPATCHES[number % 2]
        batch = Batch(number, dispatch, CHANNELS[number // 2 % 2], priority=number % 2)
        world.batches[number] = batch
        for position in range(BATCH):
            delivery += 1
            row = Delivery(delivery, number, position, UUID(int=1000 + delivery))
            world.rows[number, position] = row
    return world


class History:
    """Workers come, work, die and sleep in one world, in an order drawn from its seed."""

    def __init__(self, seed: int, worker: ModuleType) -> None:
        self.world = make_world(seed)
        self.module = worker
        self.crew = [self.hire() for _ in range(3)]

    def hire(self) -> Any:
        world = self.world
        one = self.module.Worker(EPOCH, world.now + world.rng.uniform(5.0, 60.0))
        lines: dict[UUID, Line] = one.lines
        one._line = lambda channel: lines.setdefault(channel, Line(world, channel))
        one._known = lambda batches: {}
        return one

    def play(self, steps: int = STEPS) -> None:
        with played_by(self.world, self.module):
            for _ in range(steps):
                self.step()
            self.come_to_rest()

    def step(self) -> None:
        world, rng = self.world, self.world.rng
        point = rng.random()
        if point < 0.88:
            self.work(rng.randrange(len(self.crew)))
        elif point < 0.93:
            world.now += rng.choice([0.01, 0.1, 1.0, 1.0, LEASE_SECONDS + 1.0])
        elif point < 0.96:
            world.sweep()
        else:
            world.interfere()

    def work(self, index: int) -> None:
        one = self.crew[index]
        try:
            if one.batches or not one.is_dry:
                one._step()
            else:
                self.crew[index] = self.hire()
        except (Killed, OperationalError):  # by force, or after a minute without a database
            self.crew[index] = self.hire()

    def come_to_rest(self) -> None:
        """Nothing goes wrong any more: everything has to end, and the books have to be right."""
        world = self.world
        world.fates = Fates(0.0, 0.0, 0.0, 0.0, 0.0)
        world.busy.clear()
        for step in range(END_STEPS):
            for dispatch in DISPATCHES:
                world.resume(dispatch)
            for index in range(len(self.crew)):
                self.work(index)
            if step % 10 == 0:
                world.sweep()
                world.now += 0.5
            if all(batch.status == "done" for batch in world.batches.values()):
                break
        self.settle_accounts()

    def settle_accounts(self) -> None:
        world = self.world
        for row in world.rows.values():
            taken = world.taken[row.id]
            require(row.status in ENDED, f"one is {row.status} for ever")
            require(row.status != "accepted" or taken == 1, "accepted, and nobody got it")
            require(row.status in ("accepted", "in_doubt") or taken == 0, f"{row.status}, but sent")
            require(row.status != "in_doubt" or bool(row.cause), "a doubt without a cause")
        for dispatch, status in world.dispatches.items():
            require(status in ("finished", "cancelled"), f"dispatch {dispatch.int} is {status}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None, help="of the first history")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings_test")
    import django

    django.setup()
    from messengers.engine import worker

    first = random.randrange(10**9) if options.seed is None else options.seed
    began, calls = time.monotonic(), 0
    histories = max(1, options.steps // STEPS)
    for seed in range(first, first + histories):
        history = History(seed, worker)
        try:
            history.play()
        except Violation as broken:
            print(f"seed {seed}: {broken}", flush=True)
            return 1
        calls += history.world.calls
    seconds = time.monotonic() - began
    print(f"seeds {first} to {first + histories - 1}: {histories * STEPS:,} steps,", end=" ")
    print(f"{calls:,} calls, every promise kept; {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
