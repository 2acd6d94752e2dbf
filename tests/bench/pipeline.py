"""The whole way of a message, with every check on, beside a straw man and the naive way.

    python -m tests.bench.pipeline --messages 100000
    python -m tests.bench.pipeline --messages 20000 --core

Each line is one broadcast to that many people over real sockets; people, database, provider and
workers share one machine. CPU is microseconds per message.
"""

from uuid import UUID

from tests.bench.report import Report, finish, options
from tests.bench.rig import Cost, Meter, together
from tests.bench.sink import Sink
from tests.bench.world import empty, make_channel, make_crowd, start_broadcast, states, trust, world
from tests.clusters import TemporaryClusters

PART = "pipeline"
PATIENCE = 300.0  # seconds a worker may take for one broadcast
NAIVE = 2_000  # messages: it is slow


class Bench:
    """One crowd, and broadcasts to it through stand-ins with different manners."""

    def __init__(self, clusters: TemporaryClusters | None, messages: int, report: Report) -> None:
        self.clusters = clusters
        self.messages = messages
        self.report = report
        self.channel = make_channel("http://127.0.0.1:9")
        make_crowd(self.channel, messages)

    def engine(self, name: str, workers: int, *, tls: bool = False, **manners: float) -> Cost:
        """One broadcast by the engine."""
        with Sink(tls=tls, **manners) as sink:
            trust(sink.ca_file)
            dispatch = self.dispatch(sink)
            cost = self.measure(sink, workers, _engine)
            found = states(dispatch)
            if found != {"accepted": self.messages}:
                raise RuntimeError(f"Not everybody was written to: {found}.")
        self.report.cost(PART, name, cost)
        return cost

    def straw_man(self, name: str, workers: int, *, tls: bool = False, **manners: float) -> Cost:
        from tests.bench.strawman import straw_man

        with Sink(tls=tls, **manners) as sink:
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
        from tests.bench.world import point_channel

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


def core(bench: Bench) -> None:
    """What the goal compares: two workers, no latency, no TLS."""
    report = bench.report
    report.cost_heading(f"Two workers, {bench.messages:,} messages, no latency")
    straw = bench.straw_man("straw man", 2)
    ours = bench.engine("engine", 2)
    bare = bench.bare_client("bare client, no database", 2)
    naive = bench.naive("naive: ORM, one request at a time")
    report.goal(PART, "engine / straw man", ours.rate / straw.rate, 0.7)
    report.goal(PART, "straw man / bare client", straw.rate / bare.rate, 0.5)
    report.say(PART, "engine / naive", ours.rate / naive.rate, "×")


def others(bench: Bench) -> None:
    """One worker, a provider 50 ms away, TLS."""
    report = bench.report
    report.cost_heading("One worker")
    straw = bench.straw_man("straw man, one worker", 1)
    ours = bench.engine("engine, one worker", 1)
    report.say(PART, "engine / straw man, one worker", ours.rate / straw.rate, "×")
    for tls in (False, True):
        words = ", TLS" if tls else ""
        report.cost_heading(f"A provider 50 ms away{words}")
        for workers in (1, 2):
            counted = f"{workers} worker{'s' * (workers > 1)}"
            bench.engine(f"engine, {counted}, 50 ms{words}", workers, tls=tls, latency_ms=50)
    report.cost_heading("TLS, no latency")
    straw = bench.straw_man("straw man, two workers, TLS", 2, tls=True)
    ours = bench.engine("engine, two workers, TLS", 2, tls=True)
    bench.engine("engine, one worker, TLS", 1, tls=True)
    bench.bare_client("bare client, two workers, TLS", 2, tls=True)
    report.say(PART, "engine / straw man, TLS", ours.rate / straw.rate, "×")


def play(
    clusters: TemporaryClusters, report: Report, *, messages: int, core_only: bool = False
) -> None:
    bench = Bench(clusters, messages, report)
    core(bench)
    if not core_only:
        others(bench)


def main() -> int:
    chosen = options(__doc__ or "", messages=100_000, core=False)
    report = Report()
    with world(durable=not chosen.unsafe) as clusters:
        play(clusters, report, messages=chosen.messages, core_only=chosen.core)
    return finish(report, chosen.json)


if __name__ == "__main__":
    raise SystemExit(main())
