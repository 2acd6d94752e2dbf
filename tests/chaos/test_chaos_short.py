"""Twenty kill -9 in a broadcast to 5,000 people: nobody lost, nobody written to twice.

The long form is `make chaos`; this one runs in the suite. See tests/chaos/run.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent
OURS = ("DATABASE_URL", "KEYSTORE_URL", "DJANGO_SETTINGS_MODULE", "JAWORT_VAR")

pytestmark = pytest.mark.slow


def play(folder: Path) -> dict[str, dict[str, Any]]:
    """What each engine has done, by its name; on clusters of their own, because those die, too."""
    result = folder / "result.json"
    command = [sys.executable, "-m", "tests.chaos.run", "--json", str(result)]
    command += ["--recipients", "5000", "--kills", "20", "--mutants", "requeue", "retry"]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if name not in OURS},
        capture_output=True,
        text=True,
        timeout=240,
    )
    print(done.stdout)
    assert result.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    return {verdict["engine"]: verdict for verdict in json.loads(result.read_text())}


def test_nobody_is_lost_or_written_to_twice_and_broken_engines_are_caught(tmp_path: Path) -> None:
    """One test, because it takes most of a minute, and the workers of a run would repeat it."""
    rounds = play(tmp_path)
    sound = rounds["sound"]

    struck = sound["kills"]  # what was hit, not what was planned
    assert sum(number for kind, number in struck.items() if kind != "clock") >= 20
    assert (sound["lost"], sound["doubled"]) == (0, 0)
    # Every doubt has its cause, every attempt is ours, all numbers add up.
    assert (sound["nameless"], sound["unaccounted"]) == (0, 0)
    assert sum(sound["doubts"].values()) == sound["states"]["in_doubt"]
    assert set(sound["states"]) == {"accepted", "in_doubt"}
    assert sound["doubts"]["worker_lost"] > 0  # the kills did hit calls on the wire
    for mutant in ("requeue", "retry"):
        assert rounds[mutant]["doubled"] > 0, mutant
