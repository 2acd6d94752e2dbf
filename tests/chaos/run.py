"""Kill everything while a broadcast runs, then compare what arrived with what we believe.

    python -m tests.chaos.run                     # the short form, as it runs in `make test`
    python -m tests.chaos.run --seeds 10          # the same with ten seeds: the table of mutants
    python -m tests.chaos.run --long              # 100,000 people, 200 kill -9, real Celery

Everybody who works is a process of its own and is killed at random moments, as are the backends of
databases that belong to this run alone. The truth is the provider's log, written before it answers,
and what triggers note inside our own transactions; thirteen rules compare the two (rules.py). The
same with an engine that is broken in one line has to be caught, or the harness proves nothing.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos.databases import house
from tests.chaos.mutants import MUTANTS
from tests.chaos.rounds import Script, Verdict, play
from tests.standins.http_provider import Faults

RECIPIENTS, RATE, LATENCY = 1200, 400.0, 0.03  # latency: what makes a kill hit calls on the wire
KILLS = {"worker": 10, "sweeper": 4, "web": 4, "database": 4, "clock": 2, "stall": 1}
DROPS = 0.002  # share of the calls whose line breaks before, and as many after the acceptance
# The broken ones are shown what they cannot stand: less of it, and more on the wire.
BROKEN_RECIPIENTS, BROKEN_RATE, BROKEN_LATENCY, BROKEN_DROPS = 600, 200.0, 0.15, 0.01
BROKEN_KILLS = {
    "A requeue": {"worker": 5},
    "B retry": {"worker": 1},
    "C no fence": {"stall": 3},
}
STOPS = 0.02


def short_form(seed: int, folder: Path, engines: Iterable[str]) -> list[Verdict]:
    """A round of each engine on the databases of this process."""
    return [play(script_for(engine, seed), folder) for engine in engines]


def script_for(engine: str, seed: int) -> Script:
    if engine == "sound":
        faults = Faults(drop_before=DROPS, drop_after=DROPS, latency=LATENCY, seed=seed)
        return Script(engine, RECIPIENTS, KILLS, seed, RATE, stops=STOPS, faults=faults)
    faults = Faults(drop_after=BROKEN_DROPS, latency=BROKEN_LATENCY, seed=seed)
    kills = BROKEN_KILLS[engine]
    return Script(engine, BROKEN_RECIPIENTS, kills, seed, BROKEN_RATE, faults=faults)


# --- Showing it ---


def table(verdicts: Sequence[Verdict]) -> str:
    """The rounds side by side, one line each."""
    head = (
        "| engine | seed | people | struck | arrived | lost | doubled | doubts: crash / provider |"
        " left | stops | receipts | rules broken | s |"
    )
    lines = [head, "|---" * 13 + "|"]
    for one in verdicts:
        figures = one.figures
        struck = ", ".join(f"{kind} {number}" for kind, number in sorted(one.struck.items()))
        doubts = f"{figures['doubts by our crashes']} / {figures['doubts by the provider']}"
        cells: list[Any] = [one.engine, one.seed, one.recipients, struck, figures["arrived"]]
        cells += [figures["lost"], figures["doubled"], doubts, figures["doubts that are left"]]
        cells += [figures["stops"], figures["receipts"]]
        cells += [", ".join(one.broken_rules) or "none", f"{one.seconds:.0f}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def summary(verdicts: Sequence[Verdict]) -> str:
    """How often each engine was found clean, or caught."""
    lines = []
    for engine in dict.fromkeys(one.engine for one in verdicts):
        ours = [one for one in verdicts if one.engine == engine]
        clean = sum(one.is_clean for one in ours)
        word = f"clean in {clean}" if engine == "sound" else f"caught in {len(ours) - clean}"
        lines.append(f"{engine}: {word} of {len(ours)} seeds")
    return "\n".join(lines)


def is_as_it_should_be(verdicts: Iterable[Verdict]) -> bool:
    return all(one.is_clean == (one.engine == "sound") for one in verdicts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--recipients", type=int, default=100_000, help="of the long form")
    parser.add_argument("--kills", type=int, default=200, help="of the long form")
    parser.add_argument("--rate", type=float, default=250.0, help="messages per second, long form")
    parser.add_argument("--engines", nargs="*", default=["sound", *MUTANTS])
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--seeds", type=int, default=1, help="this one and the following ones")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    began = time.monotonic()
    verdicts = long_verdicts(options) if options.long else short_verdicts(options)
    print(f"{table(verdicts)}\n\n{summary(verdicts)}\n{costs(time.monotonic() - began)}")
    for one in verdicts:
        if one.engine == "sound":
            print("".join(f"{text}\n" for text in one.violations), end="")
    if options.json:
        options.json.write_text(json.dumps([asdict(verdict) for verdict in verdicts]))
    return 0 if is_as_it_should_be(verdicts) else 1


def short_verdicts(options: argparse.Namespace) -> list[Verdict]:
    from tests.chaos import recorder

    verdicts: list[Verdict] = []
    with house(), tempfile.TemporaryDirectory() as folder:
        recorder.install()
        for seed in range(options.seed, options.seed + options.seeds):
            found = short_form(seed, Path(folder), options.engines)
            verdicts += found
            if options.seeds > 1:
                print(table(found).splitlines()[2:], flush=True)
    return verdicts


def long_verdicts(options: argparse.Namespace) -> list[Verdict]:
    from tests.chaos.long import play_long

    return [play_long(options.recipients, options.kills, options.rate, options.seed)]


def costs(seconds: float) -> str:
    """Wall time, and the processor time of this process and all that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in spent)
    return f"{seconds:.0f} s, {cpu:.0f} s of processor time"


if __name__ == "__main__":
    sys.exit(main())
