"""What comes in: texts one by one, receipts by the thousand, alone and while messages leave.

    python -m tests.bench.intake --texts 20000 --receipts 100000
    python -m tests.bench.intake --seconds 60 --rate 1000

Server: granian as production runs it. First the hook beside a plain callable with the same insert;
then receipts alone, taken in and merged; then, for `--seconds`, `--rate` messages a second with
three receipts each and `--texts-per-second` texts, two workers and one helper beside them.
"""

import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import connections

from tests.bench.hooks import Load, Request, Server, receipts, serving, texts, write
from tests.bench.report import Report, finish, guarded, options
from tests.bench.rig import Cost, Meter, die_with_parent, together
from tests.bench.sink import Sink
from tests.bench.world import (
    empty,
    make_channel,
    make_crowd,
    point_channel,
    set_rate,
    start_broadcast,
    states,
    world,
)
from tests.clusters import TemporaryClusters

PART = "intake"
GOAL = 0.7  # of the plain callable
CONNECTIONS = 32
WARM_UP = 1_000  # texts before anything is measured: imports, plans, connections
LEAST = 1_000  # people
WAVES = (("delivered", 4.0), ("read", 8.0), ("delivered", 12.0))  # status, seconds after sending
PER_POST = 1_000
HELPER_PAUSE = 0.05
DRAIN_SECONDS = 60.0
WAITING = "SELECT count(*) FROM messengers_parkedreceipt"
IN_ORDER = """
    SELECT id FROM messengers_delivery WHERE dispatch_id = %s ORDER BY batch_id, position"""
TEXTS_WAITING = "SELECT count(*) FROM messengers_inboundevent WHERE status = 'waiting'"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def web_threads() -> int:
    from config.embedded import plan

    return plan.WEB_THREADS


def count(statement: str) -> int:
    with connections["default"].cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])


class Intake:
    """One channel with people, a provider and whatever is to be measured with them."""

    def __init__(self, clusters: TemporaryClusters, people: int, report: Report) -> None:
        self.clusters = clusters
        self.people = people
        self.report = report
        self.channel = make_channel("http://127.0.0.1:9")
        make_crowd(self.channel, people)

    # --- Alone ---

    def hooks(self, number: int) -> None:
        """The hook and the plain callable, with the same texts."""
        self.report.heading(f"Hooks, {number:,} texts one by one, {CONNECTIONS} connections")
        plain = self._one("plain callable", "tests.bench.plain:application", number)
        ours = self._one("hook", "config.wsgi:application", number)
        self.report.goal(PART, "hook / plain callable", ours / plain, GOAL)

    def _one(self, name: str, target: str, number: int) -> float:
        path = write(texts(self.channel, number, self.people), "texts")
        early = write(texts(self.channel, WARM_UP, self.people), "early")
        connections.close_all()
        with serving(target, free_port(), web_threads()) as server:
            Load(server.port, early, CONNECTIONS).result()
            found, cost, web = self._load(server, path, number)
        rate = number / found["seconds"]
        self.report.say(PART, name, rate, "requests/s", f"p99 {found['p99_ms']:.0f} ms")
        self._per_event(name, cost, web)
        return rate

    def _load(self, server: Server, path: Any, events: int) -> tuple[dict[str, float], Cost, float]:
        cost, web = Cost(events), server.cpu_seconds()
        with Meter(self.clusters).measured(cost):
            found = Load(server.port, path, CONNECTIONS).result()
        return found, cost, server.cpu_seconds() - web

    def _per_event(self, name: str, cost: Cost, web: float) -> None:
        self.report.say(PART, f"{name}: web server", cost.micros(web), "µs/event")
        self.report.say(PART, f"{name}: PostgreSQL", cost.micros(cost.database_cpu), "µs/event")

    def receipts_alone(self, number: int) -> None:
        """Receipts for messages that have been accepted: taken in, then merged."""
        dispatch = self._sent(min(number, self.people))
        attempts = attempts_of(dispatch)[:number]
        self.report.heading(f"Receipts, {len(attempts):,} in POSTs of {PER_POST:,}")
        wave = receipts(self.channel, attempts, "delivered", PER_POST, rate=0, after=0.0)
        path = write(wave, "receipts")
        connections.close_all()
        with serving("config.wsgi:application", free_port(), web_threads()) as server:
            found, cost, web = self._load(server, path, len(attempts))
        rate = len(attempts) / found["seconds"]
        self.report.say(PART, "receipts taken in", rate, "events/s")
        self._per_event("receipt taken in", cost, web)
        self._merge(len(attempts))

    def _merge(self, number: int) -> None:
        cost = Cost(number)
        with Meter(self.clusters).measured(cost):
            cost.seconds, cost.told = together(1, lambda _: merge())
        self.report.say(PART, "receipts merged", cost.rate, "events/s")
        self.report.say(PART, "merging: helper", cost.micros(cost.worker_cpu), "µs/event")
        self.report.say(PART, "merging: PostgreSQL", cost.micros(cost.database_cpu), "µs/event")

    def _sent(self, number: int) -> UUID:
        """A broadcast that everybody has got."""
        with Sink() as sink:
            point_channel(self.channel, sink.url)
            dispatch = start_broadcast(self.channel, number)
            together(2, lambda _: send(PATIENCE))
        return dispatch

    # --- Together ---

    def sustained(self, seconds: int, rate: int, texts_per_second: int) -> None:
        """Everything at once, as on a busy day."""
        number = seconds * rate
        with Sink() as sink:
            point_channel(self.channel, sink.url)
            set_rate(self.channel, rate)
            dispatch = start_broadcast(self.channel, number)
            path = write(self._busy_day(dispatch, rate, seconds, texts_per_second), "busy")
            connections.close_all()
            self._together(dispatch, sink, path, number, texts_per_second * seconds)
        set_rate(self.channel, 1e6)

    def _busy_day(self, dispatch: UUID, rate: int, seconds: int, texts_rate: int) -> list[Request]:
        attempts = attempts_of(dispatch)
        coming = [
            request
            for status, after in WAVES
            for request in receipts(
                self.channel, attempts, status, PER_POST, rate=rate, after=after
            )
        ]
        written = texts(self.channel, seconds * texts_rate, self.people, rate=texts_rate)
        return coming + list(written)

    def _together(self, dispatch: UUID, sink: Sink, path: Any, number: int, written: int) -> None:
        cost = Cost(number)
        with serving("config.wsgi:application", free_port(), web_threads()) as server:
            web = server.cpu_seconds()
            with Meter(self.clusters, sink).measured(cost), helping() as helper:
                load = Load(server.port, path, CONNECTIONS)
                cost.seconds, cost.told = together(2, lambda _: send(PATIENCE))
                found = load.result()
                drained = drain()
                helped = helper()
            web = server.cpu_seconds() - web
        self._tell(
            dispatch, cost, {"web": web, "helped": helped, "drained": drained}, found, written
        )

    def _tell(
        self, dispatch: UUID, cost: Cost, used: dict[str, float], found: Any, written: int
    ) -> None:
        number, say = cost.messages, self.report.say
        events = len(WAVES) * number
        self.report.heading(f"{number:,} messages with {events:,} receipts and {written:,} texts")
        say(PART, "messages sent", cost.rate, "messages/s", f"in {cost.seconds:.1f} s")
        say(PART, "receipts came in", events / found["seconds"], "events/s")
        say(PART, "all merged after the last one came", used["drained"], "s")
        say(PART, "hooks, p99", found["p99_ms"], "ms")
        say(PART, "workers", cost.micros(cost.worker_cpu), "µs/message")
        say(PART, "web server", cost.micros(used["web"]), "µs/message", "with its three receipts")
        say(PART, "helper", cost.micros(used["helped"]), "µs/message", "with its three receipts")
        say(PART, "PostgreSQL", cost.micros(cost.database_cpu), "µs/message")
        say(PART, "provider", cost.micros(cost.provider_cpu), "µs/message")
        total = cost.worker_cpu + used["web"] + used["helped"] + cost.database_cpu
        lasted = max(cost.seconds, found["seconds"]) + used["drained"]
        say(PART, "in all, of two cores", 100 * total / (2 * lasted), "%")
        by_state = states(dispatch)
        say(PART, "read in the end", by_state.get("read", 0), "messages", f"{by_state}")


PATIENCE = 600.0


def send(seconds: float) -> int:
    """A worker: runs until nothing is due any more, as the bell would have it."""
    from messengers import engine

    return engine.run(seconds)


def merge() -> int:
    from messengers.receipts import merge_receipts

    return merge_receipts()


def attempts_of(dispatch: UUID) -> list[str]:
    """The attempts of a dispatch in the order in which they leave, as the provider echoes them."""
    from messengers.attempts import seal_attempt

    with connections["default"].cursor() as cursor:
        cursor.execute(IN_ORDER, [dispatch])
        return [seal_attempt(row[0], 1) for row in cursor.fetchall()]


def drain() -> float:
    """Wait until no receipt and no text waits; how long that took."""
    began = time.monotonic()
    while time.monotonic() - began < DRAIN_SECONDS:
        if not count(WAITING) and not count(TEXTS_WAITING):
            break
        time.sleep(0.1)
    connections.close_all()
    return time.monotonic() - began


@contextmanager
def helping() -> Iterator[Callable[[], float]]:
    """One helper process: does what the bells of the hooks ring for.

    Calling what it gives ends the helper and tells the CPU seconds it has used.
    """
    context = multiprocessing.get_context("fork")
    over, (ours, theirs) = context.Event(), context.Pipe(duplex=False)
    process = context.Process(target=_help, args=(over, theirs), daemon=True)
    process.start()

    def end() -> float:
        over.set()
        return float(ours.recv())

    try:
        yield end
    finally:
        over.set()
        process.join(10)
        if process.is_alive():
            process.kill()


def _help(over: Any, pipe: Any) -> None:
    from messengers.tasks import handle_inbox

    die_with_parent()
    before = time.process_time()
    while not over.is_set():
        handle_inbox()
        over.wait(HELPER_PAUSE)
    pipe.send(time.process_time() - before)


def play(
    clusters: TemporaryClusters,
    report: Report,
    *,
    texts: int,
    receipts: int,
    seconds: int,
    rate: int,
    texts_per_second: int,
) -> None:
    intake = Intake(clusters, max(receipts, seconds * rate, LEAST), report)
    if texts:
        intake.hooks(texts)
    if receipts:
        intake.receipts_alone(receipts)
    if seconds:
        empty()
        intake.sustained(seconds, rate, texts_per_second)


def main() -> int:
    sizes = {"texts": 20_000, "receipts": 50_000, "seconds": 60, "rate": 1000}
    chosen = options(__doc__ or "", **sizes, texts_per_second=20)
    report = Report()
    with world(durable=not chosen.unsafe) as clusters:
        named = {name: getattr(chosen, name) for name in (*sizes, "texts_per_second")}
        play(clusters, report, **named)
    return finish(report, chosen.json)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
