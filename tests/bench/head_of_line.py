"""One answer in a hundred takes a second: what that costs all the others.

    python -m tests.bench.head_of_line --messages 40000

Beside the engine runs the same engine with a barrier: it sends a window, waits for all of its
answers and only then sends the next one.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from messengers.contract import Outcome
from messengers.transports.http import HttpTransport
from tests.bench.pipeline import Bench
from tests.bench.report import Report, finish, guarded, options
from tests.bench.world import world
from tests.clusters import TemporaryClusters

PART = "head of line"
GOAL = 0.8  # of the rate without slow answers
SLOW_SHARE, SLOW_MS = 0.01, 1000.0
LATENCY_MS = 50.0


@contextmanager
def barrier() -> Iterator[None]:
    """Engines forked within the block see no answer of a window before they have all of them."""
    poll = HttpTransport.poll
    held: dict[HttpTransport, list[tuple[Hashable, Outcome]]] = {}

    def all_or_none(self: HttpTransport, wait: float) -> list[tuple[Hashable, Outcome]]:
        found = held.setdefault(self, [])
        found += poll(self, wait)
        return [] if self.in_flight else held.pop(self)

    with patch.object(HttpTransport, "poll", all_or_none):
        yield


def pair(bench: Bench, words: str, latency: float, engine: Callable[..., Any]) -> float:
    """The rate with slow answers as a share of the rate without."""
    calm = engine(f"engine, {words}", 2, latency_ms=latency)
    slow = engine(
        f"engine, {words}, 1 % take 1 s",
        2,
        latency_ms=latency,
        slow_share=SLOW_SHARE,
        slow_ms=SLOW_MS,
    )
    return float(slow.rate / calm.rate)


def play(clusters: TemporaryClusters, report: Report, *, messages: int) -> None:
    bench = Bench(clusters, messages, report)
    report.cost_heading(f"Slow answers, two workers, {bench.messages:,} messages")
    ratio = pair(bench, "no latency", 0.0, bench.engine)
    far = pair(bench, "50 ms", LATENCY_MS, bench.engine)
    with barrier():
        waiting = pair(bench, "50 ms, barrier", LATENCY_MS, bench.engine)
    report.goal(PART, "with slow answers / without", ratio, GOAL)
    report.goal(PART, "with slow answers / without, 50 ms", far, GOAL)
    report.say(PART, "the same with a barrier per window, 50 ms", waiting, "×")


def main() -> int:
    chosen = options(__doc__ or "", messages=40_000)
    report = Report()
    with world(durable=not chosen.unsafe) as clusters:
        play(clusters, report, messages=chosen.messages)
    return finish(report, chosen.json)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
