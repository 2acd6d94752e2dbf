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


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each engine has done, by its name; with a cluster of its own, because that dies, too."""
    result = tmp_path_factory.mktemp("chaos") / "result.json"
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


def test_nobody_is_lost_and_nobody_is_written_to_twice(rounds: dict[str, dict[str, Any]]) -> None:
    sound = rounds["sound"]

    assert (sound["lost"], sound["doubled"]) == (0, 0)
    assert sum(sound["kills"].values()) >= 20


def test_every_doubt_has_a_name_and_all_numbers_add_up(rounds: dict[str, dict[str, Any]]) -> None:
    sound = rounds["sound"]

    assert (sound["nameless"], sound["unaccounted"]) == (0, 0)
    assert sum(sound["doubts"].values()) == sound["states"].get("in_doubt", 0)
    assert sound["doubts"].get("worker_lost", 0) > 0  # the kills did hit calls on the wire
    assert set(sound["states"]) == {"accepted", "in_doubt"}


@pytest.mark.parametrize("mutant", ["requeue", "retry"])
def test_the_harness_catches_a_broken_engine(
    rounds: dict[str, dict[str, Any]], mutant: str
) -> None:
    assert rounds[mutant]["doubled"] > 0
