"""The whole way of a message, with every check on, beside a straw man and the naive way.

    python -m tests.bench.pipeline --messages 100000
    python -m tests.bench.pipeline --messages 20000 --only core far

Each line is one broadcast to that many people over real sockets; people, database, provider and
workers share one machine. CPU is microseconds per message.
"""

from collections.abc import Sequence
from uuid import UUID

from tests.bench.report import Report, finish, guarded, options
from tests.bench.rig import Cost, Meter, together
from tests.bench.sink import Sink
from tests.bench.world import (
    empty,
    make_channel,
    make_crowd,
    point_channel,
    start_broadcast,
    states,
    trust,
    world,
)
from tests.clusters import TemporaryClusters

PART = "pipeline"
PATIENCE = 300.0  # seconds a worker may take for one broadcast
LATENCY_MS = 50
GOAL, GOAL_OF_STRAW = 0.7, 0.5
NAIVE = 500  # messages: it is slow


class Bench:
    """One crowd, and broadcasts to it through stand-ins with different manners."""

    def __init__(self, clusters: TemporaryClusters | None, messages: int, report: Report) -> None:
        self.clusters = clusters
        self.messages = messages
        self.report = report
        self.channel = make_channel("http://127.0.0.1:9")
        make_crowd(self.channel, messages)

    def engine(
        self,
        name: str,
        workers: int,
        *,
        tls: bool = False,
        latency_ms: float = 0.0,
        slow_share: float = 0.0,
        slow_ms: float = 0.0,
    ) -> Cost:
        """One broadcast by the engine."""
        with Sink(tls=tls, latency_ms=latency_ms, slow_share=slow_share, slow_ms=slow_ms) as sink:
            trust(sink.ca_file)
            dispatch = self.dispatch(sink)
            cost = self.measure(sink, workers, _engine)
            found = states(dispatch)
            if found != {"accepted": self.messages}:
                raise RuntimeError(f"Not everybody was written to: {found}.")
        self.report.cost(PART, name, cost)
        return cost

    def straw_man(self, name: str, workers: int, *, tls: bool = False) -> Cost:
        from tests.bench.strawman import straw_man

        with Sink(tls=tls) as sink:
            trust(sink.ca_file)
            dispatch, url = self.dispatch(sink), sink.url
            cost = self.measure(sink, workers, lambda _: straw_man(dispatch, url))
        self.report.cost(PART, name, cost)
        return cost

    def bare_client(self, name: str, workers: int, *, tls: bool = False) -> Cost:
        from tests.bench.strawman import bare_client

        with Sink(tls=tls) as sink:
            trust(sink.ca_file)
            share, url = self.messages // workers, sink.url
            cost = self.measure(sink, workers, lambda _: bare_client(url, share))
        self.report.cost(PART, name, cost)
        return cost

    def naive(self, name: str) -> Cost:
        from tests.bench.strawman import naive

        with Sink() as sink:
            dispatch, url = self.dispatch(sink), sink.url
            number = min(NAIVE, self.messages)
            cost = self.measure(sink, 1, lambda _: naive(dispatch, url, number), number)
        empty()
        self.report.cost(PART, name, cost)
        return cost

    def dispatch(self, sink: Sink) -> UUID:
        empty()
        point_channel(self.channel, sink.url)
        return start_broadcast(self.channel, self.messages)

    def measure(self, sink: Sink, workers: int, work, messages: int = 0) -> Cost:
        cost = Cost(messages or self.messages)
        with Meter(self.clusters, sink).measured(cost):
            cost.seconds, cost.told = together(workers, work)
        return cost


def _engine(_index: int) -> int:
    from messengers import engine

    return engine.run(PATIENCE)


def core(bench: Bench, rounds: int) -> None:
    """What the goal compares: two workers, no latency, no TLS; in turns, as machines have moods."""
    report = bench.report
    report.cost_heading(f"Two workers, {bench.messages:,} messages, no latency")
    straws, engines, bares = [], [], []
    for number in range(1, rounds + 1):
        straws.append(bench.straw_man(f"straw man, round {number}", 2))
        engines.append(bench.engine(f"engine, round {number}", 2))
        bares.append(bench.bare_client(f"bare client, round {number}", 2))
    straw, ours, bare = total(straws), total(engines), total(bares)
    naive = bench.naive("naive: ORM, one request at a time")
    report.goal(PART, "engine / straw man", ours.rate / straw.rate, GOAL)
    report.goal(PART, "straw man / bare client", straw.rate / bare.rate, GOAL_OF_STRAW)
    report.say(PART, "engine / naive", ours.rate / naive.rate, "×")
    report.say(PART, "CPU of the straw man / of the engine", cpu(straw) / cpu(ours), "×")
    report.say(PART, "CPU of the naive way / of the engine", cpu(naive) / cpu(ours), "×")


def total(costs: list[Cost]) -> Cost:
    """Several runs of the same thing as one."""
    names = ("messages", "seconds", "worker_cpu", "database_cpu", "provider_cpu")
    return Cost(**{name: sum(getattr(cost, name) for cost in costs) for name in names})


def cpu(cost: Cost) -> float:
    """Microseconds per message of whoever is ours: the workers and PostgreSQL."""
    return cost.micros(cost.worker_cpu + cost.database_cpu)


def one_worker(bench: Bench, _rounds: int) -> None:
    report = bench.report
    report.cost_heading("One worker")
    straw = bench.straw_man("straw man, one worker", 1)
    ours = bench.engine("engine, one worker", 1)
    report.say(PART, "engine / straw man, one worker", ours.rate / straw.rate, "×")


def far(bench: Bench, _rounds: int) -> None:
    """A provider 50 ms away: how many calls are in flight decides, not CPU."""
    for tls in (False, True):
        words = ", TLS" if tls else ""
        bench.report.cost_heading(f"A provider {LATENCY_MS} ms away{words}")
        for workers in (1, 2):
            name = f"engine, {workers} worker{'s' * (workers > 1)}, {LATENCY_MS} ms{words}"
            bench.engine(name, workers, tls=tls, latency_ms=LATENCY_MS)


def encrypted(bench: Bench, _rounds: int) -> None:
    report = bench.report
    report.cost_heading("TLS, no latency")
    straw = bench.straw_man("straw man, two workers, TLS", 2, tls=True)
    ours = bench.engine("engine, two workers, TLS", 2, tls=True)
    bench.engine("engine, one worker, TLS", 1, tls=True)
    bench.bare_client("bare client, two workers, TLS", 2, tls=True)
    report.say(PART, "engine / straw man, TLS", ours.rate / straw.rate, "×")


SECTIONS = {"core": core, "one-worker": one_worker, "far": far, "tls": encrypted}


def play(
    clusters: TemporaryClusters,
    report: Report,
    *,
    messages: int,
    rounds: int = 2,
    only: Sequence[str] = (),
) -> None:
    bench = Bench(clusters, messages, report)
    for name in only or SECTIONS:
        SECTIONS[name](bench, rounds)


def main() -> int:
    chosen = options(__doc__ or "", messages=100_000, rounds=2, only=[])
    report = Report()
    with world(durable=not chosen.unsafe) as clusters:
        sizes = {"messages": chosen.messages, "rounds": chosen.rounds}
        play(clusters, report, **sizes, only=chosen.only)
    return finish(report, chosen.json)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
