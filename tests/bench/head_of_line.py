"""One answer in a hundred takes a second: what that costs all the others.

    python -m tests.bench.head_of_line --messages 120000

Beside the engine runs the same engine with a barrier, to a third of the people: it sends a window,
waits for all of its answers and only then sends the next one. Every run ends with a second in which
the last slow answers are waited for and nothing is left to send: the ratio leaves it out.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from messengers.contract import Outcome
from messengers.transports.http import HttpTransport
from tests.bench.pipeline import Bench, total
from tests.bench.report import Report, finish, guarded, options
from tests.bench.world import world
from tests.clusters import TemporaryClusters

PART = "head of line"
GOAL = 0.8  # of the rate without slow answers
SLOW_SHARE, SLOW_MS = 0.01, 1000.0
LATENCY_MS = 50.0
ROUNDS = 2


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


def pairs(bench: Bench, words: str, latency: float, rounds: int = ROUNDS) -> float:
    """The rate with slow answers as a share of that without, while there is something to send."""
    calm, slow = [], []
    for _ in range(rounds):
        calm.append(bench.engine(f"engine, {words}", 2, latency_ms=latency))
        slow.append(
            bench.engine(
                f"engine, {words}, 1 % take 1 s",
                2,
                latency_ms=latency,
                slow_share=SLOW_SHARE,
                slow_ms=SLOW_MS,
            )
        )
    waited = len(slow) * SLOW_MS / 1000.0
    return total(calm).seconds / (total(slow).seconds - waited)


def play(clusters: TemporaryClusters, report: Report, *, messages: int) -> None:
    bench = Bench(clusters, messages, report)
    report.cost_heading(f"Slow answers, two workers, {bench.messages:,} messages")
    ratio = pairs(bench, "no latency", 0.0)
    far = pairs(bench, "50 ms", LATENCY_MS)
    bench.messages = max(1, messages // 3)
    with barrier():
        waiting = pairs(bench, "50 ms, barrier", LATENCY_MS, rounds=1)
    report.goal(PART, "with slow answers / without", ratio, GOAL)
    report.goal(PART, "with slow answers / without, 50 ms", far, GOAL)
    report.say(PART, "the same with a barrier per window, 50 ms", waiting, "×")


def main() -> int:
    chosen = options(__doc__ or "", messages=120_000)
    report = Report()
    with world(durable=not chosen.unsafe) as clusters:
        play(clusters, report, messages=chosen.messages)
    return finish(report, chosen.json)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
