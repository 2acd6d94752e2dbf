"""The crash matrix as scenarios: what happens, what is promised, what was seen.

    python -m tests.chaos.scenarios            # all of them, as a table
    python -m tests.chaos.scenarios C3 C6      # these rows, with all their events
    python -m tests.chaos.scenarios "C6 B1"    # this event

Each is a function without arguments that plays one event of docs/chaos.md against real processes
and says what it saw. Each runs in an interpreter of its own, so it may set up, break and kill what
it likes. Where a test plays the event already, the scenario names it and lets pytest run it.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parent.parent.parent
LONGEST = 900.0  # seconds for one scenario
SCENARIO_MODULES = ("tests.chaos.rows", "tests.chaos.matrix")  # importing them registers


class Seen(NamedTuple):
    """What a scenario saw, in words with numbers, and whether that keeps the promise.

    None: it could not be played on this machine.
    """

    text: str
    ok: bool | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the matrix; calling it plays it."""

    id: str
    event: str
    promised: str
    play: Callable[[], Seen]

    def __call__(self) -> Seen:
        return self.play()


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    row: str, *, event: str, promised: str
) -> Callable[[Callable[[], Seen]], Callable[[], Seen]]:
    """Register a function under its row: "C3", or "C1 node" where a row has several events."""

    def register(play: Callable[[], Seen]) -> Callable[[], Seen]:
        if play.__module__ == "__main__":  # a module run by `-m`: its namesake is registered
            return play
        if row in SCENARIOS:
            raise ValueError(f"{row} is registered twice.")
        SCENARIOS[row] = Scenario(row, event, promised, play)
        return play

    return register


def tested(row: str, *tests: str, event: str, promised: str) -> None:
    """Register tests of the suite that play the event already: "tests/…/test_x.py::test_y"."""

    @scenario(row, event=event, promised=promised)
    def play() -> Seen:
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:randomly", *tests]
        done = subprocess.run(command, cwd=PROJECT, env=clean(), capture_output=True, text=True)
        last = (done.stdout or done.stderr).strip().splitlines()[-1]
        names = ", ".join(test.rsplit("/", 1)[-1] for test in tests)
        return Seen(f"{names}: {last.strip('= ')}", done.returncode == 0)


def all_of_them() -> dict[str, Scenario]:
    """Every registered scenario, in the order of the matrix."""
    for module in SCENARIO_MODULES:
        if find_spec(module):
            import_module(module)
    return dict(sorted(SCENARIOS.items(), key=lambda item: _order(item[0])))


def _order(row: str) -> tuple[int, str]:
    number = re.match(r"C(\d+)", row)
    return (int(number[1]) if number else 999, row)


# --- Playing them ---


def play_apart(row: str) -> tuple[Seen, float]:
    """Play one in a fresh interpreter: what it saw, and the seconds it took."""
    began = time.monotonic()
    command = [sys.executable, "-m", "tests.chaos.scenarios", "--inside", row]
    try:
        done = subprocess.run(
            command, cwd=PROJECT, env=clean(), capture_output=True, text=True, timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        return Seen(f"did not end within {LONGEST:.0f} s", False), time.monotonic() - began
    took = time.monotonic() - began
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(MARK):
            return Seen(*json.loads(line.removeprefix(MARK))), took
    return Seen(f"broke: {(done.stderr or done.stdout).strip()[-400:]}", False), took


def clean() -> dict[str, str]:
    """What a fresh interpreter may know: nothing of the databases of this one."""
    return {name: value for name, value in os.environ.items() if name not in OURS}


MARK = "seen: "
OURS = ("DATABASE_URL", "KEYSTORE_URL", "DJANGO_SETTINGS_MODULE", "JAWORT_VAR", "CELERY_BROKER_URL")


def line(one: Scenario, seen: Seen, took: float) -> str:
    """One row of the table, in Markdown, so that docs/chaos.md can take it as it is."""
    verdict = "–" if seen.ok is None else "yes" if seen.ok else "NO"
    return f"| {one.id} | {one.event} | {one.promised} | {seen.text} | {verdict} | {took:.0f} s |"


HEAD = "| row | event | promised | seen | kept | took |\n|---|---|---|---|---|---|"


def rows_of(names: Sequence[str], known: Iterable[str]) -> list[str]:
    """The registered rows that are meant; a name that means none of them is an error."""
    if strangers := [name for name in names if not any(_is_meant(name, row) for row in known)]:
        raise SystemExit(f"no such row: {', '.join(strangers)} (known: {', '.join(known)})")
    return [row for row in known if not names or any(_is_meant(name, row) for name in names)]


def _is_meant(name: str, row: str) -> bool:
    return row == name or row.startswith(f"{name} ")


def table(chosen: Sequence[str]) -> bool:
    """Play the chosen rows one after the other and print them; whether all promises were kept."""
    known = all_of_them()
    rows = rows_of(chosen, known)
    print(HEAD, flush=True)
    is_kept = True
    for row in rows:
        seen, took = play_apart(row)
        is_kept &= seen.ok is not False
        print(line(known[row], seen, took), flush=True)
    return is_kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--inside", action="store_true", help="play one here, and say what it saw")
    options = parser.parse_args()
    if options.inside:
        seen = all_of_them()[options.rows[0]]()
        print(MARK + json.dumps(seen), flush=True)
        return 0
    return 0 if table(options.rows) else 1


if __name__ == "__main__":
    # `-m` makes this module `__main__`; what the others import and fill is its namesake.
    sys.exit(import_module("tests.chaos.scenarios").main())
