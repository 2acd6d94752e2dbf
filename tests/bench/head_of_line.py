"""One answer in a hundred takes a second: what that costs all the others.

    python -m tests.bench.head_of_line --messages 40000

Beside the engine runs the same engine with a barrier: it sends a window, waits for all of its
answers and only then sends the next one.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.bench.pipeline import Bench
from tests.bench.report import Report, finish, options
from tests.bench.world import world

PART = "head of line"
GOAL = 0.8  # of the rate without slow answers
SLOW_SHARE, SLOW_MS = 0.01, 1000.0
LATENCY_MS = 50.0


@contextmanager
def barrier() -> Iterator[None]:
    """Engines forked within the block wait for every answer before they send again."""
    from messengers.engine import window

    has_room, candidates = window.has_room, window.candidates

    def is_out(lines: Any) -> bool:
        return any(line.transport.in_flight for line in lines.values())

    def room(lines: Any, batches: Any) -> bool:
        return not is_out(lines) and has_room(lines, batches)

    def chosen(lines: Any, batches: Any) -> Iterable[Any]:
        return iter(()) if is_out(lines) else candidates(lines, batches)

    window.has_room, window.candidates = room, chosen  # type: ignore[assignment]
    try:
        yield
    finally:
        window.has_room, window.candidates = has_room, candidates


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


def run(bench: Bench) -> None:
    report = bench.report
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
        run(Bench(clusters, chosen.messages, report))
    return finish(report, chosen.json)


if __name__ == "__main__":
    raise SystemExit(main())
