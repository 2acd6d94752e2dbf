"""The figures of a run: printed as they come, kept for JSON."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.rig import Cost


@dataclass
class Report:
    """Rows of (part, name, value, unit), in the order in which they were measured."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    goals_missed: list[str] = field(default_factory=list)

    def heading(self, text: str) -> None:
        print(f"\n{text}", flush=True)

    def add(self, part: str, name: str, value: float, unit: str) -> None:
        self.rows.append({"part": part, "name": name, "value": round(value, 4), "unit": unit})

    def say(self, part: str, name: str, value: float, unit: str, note: str = "") -> None:
        """One figure on a line of its own."""
        self.add(part, name, value, unit)
        print(f"  {name:<46} {_number(value):>10} {unit:<12} {note}".rstrip(), flush=True)

    def goal(self, part: str, name: str, value: float, least: float, *, most: bool = False) -> None:
        """A ratio with its goal: at least `least`, or at most if `most`."""
        is_met = value <= least if most else value >= least
        bound = f"goal: {'at most' if most else 'at least'} {least:g}"
        self.say(part, name, value, "×", f"{bound}: {'met' if is_met else 'MISSED'}")
        if not is_met:
            self.goals_missed.append(f"{part}: {name} is {value:.2f}, {bound}")

    def cost(self, part: str, name: str, cost: Cost) -> None:
        """One line of a pipeline: rate, CPU of each side, memory, write-ahead log."""
        figures = {
            "messages/s": cost.rate,
            "worker µs": cost.micros(cost.worker_cpu),
            "database µs": cost.micros(cost.database_cpu),
            "provider µs": cost.micros(cost.provider_cpu),
            "peak MB": cost.peak_mb,
            "WAL bytes": cost.wal_bytes / cost.messages if cost.messages else 0.0,
        }
        for unit, value in figures.items():
            self.add(part, name, value, unit)
        cells = "".join(f"{_number(value):>13}" for value in figures.values())
        print(f"  {name:<38}{cells}", flush=True)

    def cost_heading(self, text: str) -> None:
        units = ("messages/s", "worker µs", "database µs", "provider µs", "peak MB", "WAL bytes")
        print(f"\n{text:<40}" + "".join(f"{unit:>13}" for unit in units), flush=True)

    def value(self, part: str, name: str, unit: str) -> float:
        for row in self.rows:
            if (row["part"], row["name"], row["unit"]) == (part, name, unit):
                return float(row["value"])
        raise KeyError(f"{part}: {name}, {unit}")

    def write(self, path: Path) -> None:
        text = json.dumps({"machine": machine(), "figures": self.rows}, indent=1)
        path.write_text(text + "\n")


def machine() -> dict[str, Any]:
    """In general words: what the figures were measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def options(text: str, **defaults: Any) -> argparse.Namespace:
    """The options of a part: those given here, `--json FILE` and `--unsafe`."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in defaults.items():
        flag = f"--{name.replace('_', '-')}"
        if value is False:
            parser.add_argument(flag, action="store_true")
        elif isinstance(value, list):
            parser.add_argument(flag, nargs="*", default=value)
        else:
            parser.add_argument(flag, type=type(value), default=value)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument(
        "--unsafe", action="store_true", help="a database that need not survive a power cut"
    )
    return parser.parse_args()


def guarded(main: Callable[[], int]) -> int:
    """What `main` returns; one sentence instead of a traceback where the bench itself gives up."""
    try:
        return main()
    except RuntimeError as error:
        print(f"The bench stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def finish(report: Report, path: Path | None) -> int:
    """Write what was asked for. A missed goal is a figure, no failure."""
    if path:
        report.write(path)
    for missed in report.goals_missed:
        print(f"  missed: {missed}", file=sys.stderr)
    return 0


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if value else "0"
