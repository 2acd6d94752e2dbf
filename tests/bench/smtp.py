"""Mails: the engine with its SMTP transport, to a sink that takes every mail.

    python -m tests.bench.smtp --messages 10000 --connections 4 16

Beside it the same transport without a database. The sink costs what is printed as `provider µs`.
"""

from uuid import UUID

from tests.bench.pipeline import PATIENCE
from tests.bench.report import Report, finish, guarded, options
from tests.bench.rig import Cost, Meter, together
from tests.bench.sink import Sink
from tests.bench.world import empty, make_channel, make_crowd, start_broadcast, states, world
from tests.clusters import TemporaryClusters

PART = "smtp"
LATENCY_MS = 50.0


def mail_address(number: int) -> str:
    """An address of its own for each."""
    return f"leserin{number:08d}@example.net"


def settings(sink: Sink, connections: int) -> dict[str, object]:
    return {
        "from_address": "redaktion@news.example.org",
        "from_name": "Stadtanzeiger",
        "imprint": "Verlag am Markt GmbH, Markt 1, 12345 Musterstadt",
        "host": "127.0.0.1",
        "port": str(sink.port),
        "security": "plain",
        "connections": str(connections),
        "per_connection": "1000",
    }


class Mails:
    """One crowd with mail addresses, and broadcasts to it."""

    def __init__(self, clusters: TemporaryClusters, messages: int, report: Report) -> None:
        self.clusters = clusters
        self.messages = messages
        self.report = report
        self.channel = make_channel("", kind="email", settings={"from_address": "a@example.org"})
        make_crowd(self.channel, messages, identifier=mail_address)

    def engine(self, name: str, workers: int, connections: int, latency_ms: float = 0.0) -> Cost:
        from messengers.models import Channel

        with Sink(smtp=True, latency_ms=latency_ms) as sink:
            Channel.objects.filter(id=self.channel).update(settings=settings(sink, connections))
            empty()
            dispatch = start_broadcast(self.channel, self.messages)
            cost = Cost(self.messages)
            with Meter(self.clusters, sink).measured(cost):
                cost.seconds, cost.told = together(workers, lambda _: send())
            self._check(dispatch)
        self.report.cost(PART, name, cost)
        return cost

    def bare(self, name: str, connections: int) -> Cost:
        """The transport alone, with one and the same mail."""
        with Sink(smtp=True) as sink:
            cost = Cost(self.messages)
            port = sink.port
            with Meter(self.clusters, sink).measured(cost):
                work = lambda _: post(port, connections, self.messages // 2)  # noqa: E731
                cost.seconds, cost.told = together(2, work)
        self.report.cost(PART, name, cost)
        return cost

    def _check(self, dispatch: UUID) -> None:
        found = states(dispatch)
        if found != {"accepted": self.messages}:
            raise RuntimeError(f"Not everybody was written to: {found}.")


def send() -> int:
    from messengers import engine

    return engine.run(PATIENCE)


def post(port: int, connections: int, number: int) -> int:
    from messengers.contract import SmtpRequest, SmtpServer
    from messengers.transports.smtp import SmtpTransport

    data = b"Subject: Guten Morgen\r\nContent-Type: text/plain\r\n\r\n" + b"Guten Morgen!\r\n" * 100
    mail = SmtpRequest("b@example.org", "anna@example.net", data, "<1@example.org>")
    transport = SmtpTransport(
        SmtpServer("127.0.0.1", port, "plain", connections=connections, per_connection=1000)
    )
    left, done = number, 0
    while left or transport.in_flight:
        while left and transport.in_flight < 2 * connections:
            transport.submit(left, mail, PATIENCE)
            left -= 1
        done += len(transport.poll(0.05))
    transport.close()
    return done


def play(
    clusters: TemporaryClusters, report: Report, *, messages: int, connections: list[int]
) -> None:
    mails = Mails(clusters, messages, report)
    report.cost_heading(f"Mails, {mails.messages:,} messages")
    for number in connections:
        bare = mails.bare(f"transport alone, 2 × {number} connections", number)
        for workers in (1, 2):
            name = f"engine, {workers} × {number} connections"
            cost = mails.engine(name, workers, number)
        report.say(PART, f"engine / transport, {number} connections", cost.rate / bare.rate, "×")
    name = f"engine, 2 × {connections[-1]} connections, 50 ms"
    mails.engine(name, 2, connections[-1], latency_ms=LATENCY_MS)


def main() -> int:
    chosen = options(__doc__ or "", messages=10_000, connections=[4, 16])
    report = Report()
    with world(durable=not chosen.unsafe) as clusters:
        connections = [int(one) for one in chosen.connections]
        play(clusters, report, messages=chosen.messages, connections=connections)
    return finish(report, chosen.json)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
