"""Forty STOPs at random moments of broadcasts, and an engine that does not ask the gates.

The long form is `python -m tests.stopping.run`, which strikes a thousand times and in other ways.
"""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.clusters import cluster_in
from tests.stopping.crew import plain_server
from tests.stopping.run import Options, Verdict, play

pytestmark = pytest.mark.slow


def round_of(options: Options, clusters: Path, folder: Path) -> Verdict:
    name = connection.settings_dict["NAME"]
    with cluster_in(clusters, "data").connect(name) as superuser:
        return play(options, superuser, folder)


def test_no_intent_follows_a_stop_and_an_engine_without_gates_is_caught(
    transactional_db: None, clusters: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("tests.stopping.crew.LATENCY", 0.005)
    quick: dict[str, Any] = {"gap": 0.04, "settle": 0.2, "web": plain_server, "seed": 7}
    sound = round_of(Options(moments=40, **quick), clusters, tmp_path)

    # Each STOP was said over HTTP, and nearly each held something back.
    assert (sound.moments, sound.effective >= 30) == (40, True)
    assert sound.intents > sound.moments
    # By the order of commits in the database's own log; and no call without its intent.
    assert (sound.late, sound.unintended) == (0, 0)

    broken = round_of(Options(moments=6, fault="no_gate", **quick), clusters, tmp_path)

    assert broken.late > 0
