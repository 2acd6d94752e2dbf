"""The engine with every check on, measured from all sides, ratios in one run on one machine.

    python -m tests.bench.engine                 every part at a small size: some minutes
    python -m tests.bench.engine --full          at the sizes of docs/performance.md
    python -m tests.bench.engine --only pipeline stages --json figures.json

Each part can also be run alone, at any size: python -m tests.bench.<part> --help. A figure that
misses its goal is printed as such; the exit code says only whether everything could be measured.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from tests.bench.report import Report, finish, guarded, options
from tests.bench.sink import built
from tests.bench.world import empty, world

# In the order in which they run: the snapshot finds an empty house.
SHORT: dict[str, dict[str, Any]] = {
    "snapshot": {"recipients": 200_000},
    "pipeline": {"messages": 10_000},
    "stages": {"messages": 10_000},
    "checks": {"messages": 5_000},
    "head_of_line": {"messages": 10_000},
    "smtp": {"messages": 2_000, "connections": [4, 16]},
    "intake": {
        "texts": 5_000,
        "receipts": 10_000,
        "seconds": 15,
        "rate": 1_000,
        "texts_per_second": 20,
    },
    "memory": {"few": 5_000, "many": 50_000, "seconds": 10.0},
}
FULL: dict[str, dict[str, Any]] = {
    "snapshot": {"recipients": 1_000_000},
    "pipeline": {"messages": 100_000},
    "stages": {"messages": 40_000},
    "checks": {"messages": 20_000},
    "head_of_line": {"messages": 120_000},
    "smtp": {"messages": 10_000, "connections": [4, 16]},
    "intake": {
        "texts": 20_000,
        "receipts": 50_000,
        "seconds": 60,
        "rate": 1_000,
        "texts_per_second": 20,
    },
    "memory": {"few": 10_000, "many": 1_000_000, "seconds": 60.0},
}


def play(names: list[str], sizes: dict[str, dict[str, Any]], report: Report, durable: bool) -> None:
    built("sink.c")  # or say so before anything else was done
    with world(durable=durable) as clusters:
        for name in names:
            part: Callable[..., None] = import_module(f"tests.bench.{name}").play
            part(clusters, report, **sizes[name])
            empty()


def main() -> int:
    chosen = options(__doc__ or "", full=False, only=[])
    report = Report()
    if unknown := set(chosen.only) - set(SHORT):
        print(f"Unknown: {', '.join(unknown)}. Parts: {', '.join(SHORT)}.", file=sys.stderr)
        return 2
    sizes = FULL if chosen.full else SHORT
    play(chosen.only or list(SHORT), sizes, report, durable=not chosen.unsafe)
    return finish(report, chosen.json)


if __name__ == "__main__":
    sys.exit(guarded(main))
