"""What each check of the engine costs, and what its alternatives would.

    python -m tests.bench.checks --messages 20000
    python -m tests.bench.checks --only "no gate check" "audit per message"

Each variant is the engine with one thing replaced, in processes of this bench alone. The engine as
it is runs first and last; what a variant saves or costs is told against the mean of the two.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import UUID

from django.db import connections

from messengers.sql import engine_transaction, run
from tests.bench.pipeline import Bench
from tests.bench.report import Report, finish, guarded, options
from tests.bench.world import world
from tests.clusters import TemporaryClusters

if TYPE_CHECKING:  # what it replaces can be imported only when there are settings
    from messengers.engine.open_batches import OpenBatch

PART = "checks"
TOGETHER = 256  # results in one commit where nothing asks for more of them
TABLES = """
    CREATE TABLE IF NOT EXISTS bench_result (dispatch uuid, batch bigint, position smallint,
        status varchar(12), attempts smallint);
    CREATE INDEX IF NOT EXISTS bench_result_batch ON bench_result (batch);
    CREATE TABLE IF NOT EXISTS bench_intent (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        batch bigint, position smallint, token bigint, at timestamptz DEFAULT clock_timestamp())"""
APPEND = """
    INSERT INTO bench_result SELECT * FROM unnest(
        %s::uuid[], %s::bigint[], %s::smallint[], %s::text[], %s::smallint[])"""
FOLD = """
    UPDATE messengers_delivery d
       SET status = r.status, attempts = r.attempts, changed_at = clock_timestamp()
      FROM bench_result r WHERE r.batch = ANY(%s) AND d.dispatch_id = ANY(%s)
       AND d.dispatch_id = r.dispatch AND d.batch_id = r.batch AND d.position = r.position"""
INTEND = """
    UPDATE messengers_delivery d SET changed_at = clock_timestamp()
      FROM unnest(%s::uuid[], %s::bigint[], %s::smallint[]) AS w (dispatch, batch, position)
     WHERE d.dispatch_id = ANY(%s) AND d.dispatch_id = w.dispatch AND d.batch_id = w.batch
       AND d.position = w.position"""
ADD_INTENTS = """
    INSERT INTO bench_intent (batch, position, token)
    SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::bigint[])"""


@contextmanager
def as_it_is() -> Iterator[None]:
    yield


@contextmanager
def without_gates() -> Iterator[None]:
    """Everybody passes unasked."""
    from messengers.engine import ledger

    with (
        patch.object(ledger, "_ask_gates", lambda intents: ledger.Gates),
        patch.object(ledger.Gates, "let", lambda self, recipient, **_: True),
        patch.object(ledger.Gates, "verdict", lambda self, recipient, **_: None),
    ):
        yield


@contextmanager
def with_unlocked_gates() -> Iterator[None]:
    """The gates are read, but whoever closes one in between is not waited for."""
    from messengers.engine import ledger

    with patch.object(ledger, "OPEN_GATES", ledger.OPEN_GATES.replace("FOR SHARE SKIP LOCKED", "")):
        yield


@contextmanager
def without_intents() -> Iterator[None]:
    """Sent first; answers are written when there are many. A crash would forget who was sent to.

    Nobody's gate is asked either: that question is part of the same commit.
    """
    from messengers.engine import worker

    commit = worker.Worker._commit

    def sent_first(self: Any) -> None:
        results = sum(len(batch.results) for batch in self.batches)
        is_due = any(batch.is_drained for batch in self.batches)
        if results >= TOGETHER or is_due:
            commit(self)
            return
        intents = self._build()
        for intent in intents:
            intent.batch.wire[intent.recipient.position] = intent.recipient
        self._submit(intents, is_late=False)

    with patch.object(worker.Worker, "_commit", sent_first):
        yield


def _on_the_wire(batches: "Sequence[OpenBatch]", known: dict[int, set[int]]) -> list[Any]:
    """The positions that came onto the wire since this was asked last."""
    found = []
    for batch in batches:
        new = batch.wire.keys() - known.get(batch.id, set())
        known[batch.id] = set(batch.wire)
        found += [(batch, position) for position in new]
    return found


def _renewing(write: Callable[[list[Any]], None]) -> Any:
    """`ledger.renew`, and `write` for what came onto the wire, in the same commit."""
    from messengers.engine import ledger

    known: dict[int, set[int]] = {}
    renew = ledger.renew

    def renewed(batches: "Sequence[OpenBatch]", lease_seconds: Sequence[float]) -> None:
        renew(batches, lease_seconds)
        if new := _on_the_wire(batches, known):
            write(new)

    return patch.object(ledger, "renew", renewed)


@contextmanager
def with_updated_intents() -> Iterator[None]:
    """Each delivery's own row is marked before its call, beside the positions on the batch."""

    def write(new: list[Any]) -> None:
        dispatches = [batch.dispatch for batch, _ in new]
        batches, positions = [batch.id for batch, _ in new], [position for _, position in new]
        run(INTEND, [dispatches, batches, positions, list(set(dispatches))])

    with _renewing(write):
        yield


@contextmanager
def with_appended_intents() -> Iterator[None]:
    """Each attempt has a row of its own, as in an attempt table."""

    def write(new: list[Any]) -> None:
        tokens = [batch.token for batch, _ in new]
        run(ADD_INTENTS, [[b.id for b, _ in new], [p for _, p in new], tokens])

    with _renewing(write):
        yield


@contextmanager
def with_appended_results() -> Iterator[None]:
    """Results go into a table of their own and are folded into the deliveries batch by batch."""
    from messengers.engine import ledger

    close = ledger.close

    def record(batches: "Iterable[OpenBatch]") -> None:
        found = [
            (b.dispatch, b.id, r.recipient.position, r.verdict.status, r.recipient.attempts + 1)
            for b in batches
            for r in b.results
        ]
        if found:
            run(APPEND, [list(c) for c in zip(*found, strict=True)])

    def folded(batches: "Mapping[int, UUID]", **facts: Any) -> Any:
        if batches:
            run(FOLD, [list(batches), list(set(batches.values()))])
        return close(batches, **facts)

    with patch.object(ledger, "record", record), patch.object(ledger, "close", folded):
        yield


@contextmanager
def with_audit_per_message() -> Iterator[None]:
    """An entry of the audit log for each answer, in its commit: one of Django's, then."""
    from messengers.engine import ledger, worker

    record = ledger.record

    def audited(batches: "Iterable[OpenBatch]") -> None:
        from privacy.access import Actor
        from privacy.audit import record as note

        found = list(batches)
        for batch in found:
            for result in batch.results:
                facts: dict[str, int | str | bool] = {"delivery": result.recipient.delivery}
                actor = Actor.system("bench")
                note("message.sent", actor=actor, obj="dispatch", ref=batch.dispatch, facts=facts)
        record(found)

    with (
        patch.object(ledger, "record", audited),
        patch.object(worker, "engine_transaction", lambda **_: engine_transaction()),
    ):
        yield


VARIANTS: dict[str, Callable[[], Any]] = {
    "no gate check": without_gates,
    "gates read, not locked": with_unlocked_gates,
    "sent first, no intents, no gates": without_intents,
    "an intent in each delivery's row": with_updated_intents,
    "a row for each attempt": with_appended_intents,
    "results appended, folded by batch": with_appended_results,
    "an audit entry for each message": with_audit_per_message,
}


def measure(bench: Bench, name: str) -> float:
    """CPU of workers and PostgreSQL, microseconds per message."""
    with VARIANTS.get(name, as_it_is)():
        cost = bench.engine(name, 2)
    return cost.micros(cost.worker_cpu) + cost.micros(cost.database_cpu)


def play(
    clusters: TemporaryClusters, report: Report, *, messages: int, only: Sequence[str] = ()
) -> None:
    bench = Bench(clusters, messages, report)
    names = only or list(VARIANTS)
    with connections["default"].cursor() as cursor:
        for statement in TABLES.split(";"):
            cursor.execute(statement)
    report.cost_heading(f"Variants, two workers, {bench.messages:,} messages")
    measure(bench, "to warm up")
    first = measure(bench, "as it is")
    found = {name: measure(bench, name) for name in names}
    mean = (first + measure(bench, "as it is, again")) / 2
    report.heading("CPU of workers and PostgreSQL against the engine as it is")
    report.say(PART, "as it is", mean, "µs/message")
    for name, micros in found.items():
        change = f"{100 * (micros / mean - 1):+.0f} %"
        report.say(PART, f"{name}: more (+) or less", micros - mean, "µs/message", change)


def main() -> int:
    chosen = options(__doc__ or "", messages=20_000, only=[])
    report = Report()
    with world(durable=not chosen.unsafe) as clusters:
        play(clusters, report, messages=chosen.messages, only=chosen.only)
    return finish(report, chosen.json)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
