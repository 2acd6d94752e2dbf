"""CPU of a worker by stage, by sampling, and a flame graph of it.

    python -m tests.bench.stages --messages 40000 --workers 2
    python -m tests.bench.stages --svg flame.svg --folded flame.txt --top 25

The samples are spread over the CPU time that the kernel counts for the workers.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from tests.bench.pipeline import PATIENCE, Bench
from tests.bench.report import Report, finish, guarded, options
from tests.bench.rig import Cost
from tests.bench.sampling import by_stage, flame_graph, folded_lines, own_time, sampled
from tests.bench.sink import Sink
from tests.bench.world import world
from tests.clusters import TemporaryClusters

PART = "stages"


def sampled_engine(_index: int) -> dict[str, Any]:
    """One worker's run under the profiler."""
    from messengers import engine

    stacks: Counter[str] = Counter()
    with sampled(stacks):
        sent = engine.run(PATIENCE)
    return {"messages": sent, "stacks": stacks}


def measure(bench: Bench, workers: int) -> tuple[Cost, "Counter[str]"]:
    """A broadcast by sampled workers: (its cost, the stacks of all workers)."""
    with Sink() as sink:
        bench.dispatch(sink)
        cost = bench.measure(sink, workers, sampled_engine)
    stacks: Counter[str] = Counter()
    for told in cost.told:
        stacks.update(told.pop("stacks"))
    bench.report.cost(PART, f"engine, {workers} workers, sampled", cost)
    return cost, stacks


def tell(report: Report, cost: Cost, stacks: "Counter[str]", top: int) -> None:
    micros = cost.micros(cost.worker_cpu)
    report.heading(f"CPU of a worker by stage ({sum(stacks.values()):,} samples)")
    for stage, share in by_stage(stacks).items():
        report.say(PART, stage, share * micros, "µs/message", f"{100 * share:.1f} %")
    report.say(PART, "worker in all", micros, "µs/message")
    report.say(PART, "PostgreSQL", cost.micros(cost.database_cpu), "µs/message")
    for name, share in list(own_time(stacks).items())[:top]:
        print(f"    {100 * share:5.1f} %  {name}")


def play(
    clusters: TemporaryClusters,
    report: Report,
    *,
    messages: int,
    workers: int = 2,
    top: int = 0,
    svg: str = "",
    folded: str = "",
    title: str = "engine",
) -> None:
    bench = Bench(clusters, messages, report)
    report.cost_heading(f"{messages:,} messages, no latency")
    cost, stacks = measure(bench, workers)
    tell(report, cost, stacks, top)
    if svg:
        Path(svg).write_text(flame_graph(stacks, title))
    if folded:
        Path(folded).write_text(folded_lines(stacks))


def main() -> int:
    known = {"messages": 40_000, "workers": 2, "top": 0, "svg": "", "folded": "", "title": "engine"}
    chosen = options(__doc__ or "", **known)
    report = Report()
    with world(durable=not chosen.unsafe) as clusters:
        play(clusters, report, **{name: getattr(chosen, name) for name in known})
    return finish(report, chosen.json)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
