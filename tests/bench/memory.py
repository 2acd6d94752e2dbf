"""The most memory that a worker needs, at few and at very many recipients.

    python -m tests.bench.memory --few 10000 --many 1000000 --seconds 60

Both are whole broadcasts of that size to people with keys; of the large one as many batches are
sent as fit into `--seconds`. Beside the peak stands how the memory moved while it was being sent:
after the first tenth nothing may grow any more.
"""

import threading
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.bench.report import Report, finish, guarded, options
from tests.bench.rig import peak_mb, together
from tests.bench.sink import Sink
from tests.bench.world import empty, make_channel, make_crowd, point_channel, start_broadcast, world
from tests.clusters import TemporaryClusters

PART = "memory"
GOAL = 1.1  # times the memory of the small broadcast
STEP = 0.5  # seconds between two looks


def resident_mb() -> float:
    """What this process has resident now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def watched(seconds: float) -> dict[str, Any]:
    """One worker's run, looking at its memory all the while."""
    from messengers import engine

    seen: list[float] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(STEP):
            seen.append(resident_mb())

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    began, sent = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        calls = engine.run(seconds - (time.monotonic() - began))
        sent += calls
        if not calls:
            break
    over.set()
    watcher.join()
    return {"messages": sent, "seen": seen, "peak_mb": peak_mb()}


def broadcast(channel: UUID, recipients: int, seconds: float) -> dict[str, Any]:
    with Sink() as sink:
        point_channel(channel, sink.url)
        start_broadcast(channel, recipients)
        _, told = together(1, lambda _: watched(seconds))
    empty()
    return told[0]


def play(
    _clusters: TemporaryClusters, report: Report, *, few: int, many: int, seconds: float
) -> None:
    channel = make_channel("http://127.0.0.1:9")
    make_crowd(channel, few)
    report.heading(f"Memory of a worker: {few:,} and {many:,} recipients")
    small = broadcast(channel, few, seconds)
    make_crowd(channel, many - few, first=few)
    large = broadcast(channel, many, seconds)
    tenth = large["seen"][len(large["seen"]) // 10] if large["seen"] else large["peak_mb"]
    sent = f"{large['messages']:,} of them sent within {seconds:.0f} s"
    report.say(PART, f"peak at {few:,} recipients", small["peak_mb"], "MB")
    report.say(PART, f"peak at {many:,} recipients", large["peak_mb"], "MB", sent)
    report.say(PART, "messages of the large one", large["messages"], "messages")
    grown = max(large["seen"], default=0.0) - tenth
    report.say(PART, "grown after the first tenth of that time", grown, "MB")
    report.goal(PART, "many / few", large["peak_mb"] / small["peak_mb"], GOAL, most=True)


def main() -> int:
    chosen = options(__doc__ or "", few=10_000, many=1_000_000, seconds=60.0)
    report = Report()
    with world(durable=not chosen.unsafe) as clusters:
        sizes = {"few": chosen.few, "many": chosen.many}
        play(clusters, report, **sizes, seconds=chosen.seconds)
    return finish(report, chosen.json)


if __name__ == "__main__":
    raise SystemExit(guarded(main))
