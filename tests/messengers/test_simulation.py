"""Random histories of the worker in a simulated world, and wrong workers that they must find."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from messengers.engine import worker
from tests.messengers.simulation import History, Violation

SOUND_SEEDS = range(1, 25)
SEEDS_TO_FIND = range(1, 60)  # the slowest of them took 20

# A name for the mistake -> the one line of the worker, and what it becomes.
WRONG = {
    "a lease is told by its batch": (
        "mine = [batch for batch in held if facts.holds(batch)]",
        "mine = [batch for batch in held if batch.id in facts.ours]",
    ),
    "what is unsure is tried again": (
        "verdict = judge(answer, recipient.attempts, echoes_attempts=echoes)",
        "verdict = judge(answer, 0) if type(answer).__name__ != 'Lost' else TOO_LATE",
    ),
    "a late commit is sent all the same": (
        "if is_late:",
        "if False:",
    ),
    "whoever is ready may go": (
        "allowed = {batch for batch in self.batches if facts.allow(batch)}",
        "allowed = set(self.batches)",
    ),
    "an intent of a failed commit is forgotten": (
        "self._undo(intents)",
        "pass",
    ),
    "calls leave before the commit": (
        "closed, done = self._renew_or_close(facts, mine)",
        "self._submit(allowed, is_late=False); closed, done = self._renew_or_close(facts, mine)",
    ),
}


def test_every_promise_is_kept_in_every_history() -> None:
    calls = 0
    for seed in SOUND_SEEDS:
        history = History(seed, worker)
        history.play()
        calls += history.world.calls

    assert calls > 20 * len(SOUND_SEEDS)


@pytest.mark.parametrize("name", WRONG)
def test_one_wrong_line_is_found(name: str) -> None:
    with wrong_worker(*WRONG[name]) as broken:
        assert any(breaks_a_promise(seed, broken) for seed in SEEDS_TO_FIND)


def breaks_a_promise(seed: int, broken: ModuleType) -> bool:
    try:
        History(seed, broken).play()
    except (Violation, KeyError):  # it may also stumble over what it has forgotten
        return True
    return False


@contextmanager
def wrong_worker(line: str, instead: str) -> Iterator[ModuleType]:
    """The worker's own module with one line changed."""
    source = Path(worker.__file__).read_text()
    assert source.count(line) == 1, line
    module = ModuleType("wrong_worker")
    sys.modules["wrong_worker"] = module  # where its dataclasses and log look for themselves
    exec(compile(source.replace(line, instead), "wrong_worker", "exec"), module.__dict__)
    yield module
    del sys.modules["wrong_worker"]
