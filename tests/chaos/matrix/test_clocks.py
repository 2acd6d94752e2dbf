"""Clocks that are set forward and back: the ticks go on, on both ends."""

from typing import Any

import pytest
import time_machine
from celery import shared_task
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config import ticks
from config.celery import app
from config.schedule import TICKS, beat_schedule
from config.ticks import Ticker

HOUR = 3600.0
NOON = 1_774_612_800.0  # 27 March 2026, 12:00 UTC


class Clock:
    """The monotonic clock, and beside it one on the wall that can be set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.ahead = 0.0
        monkeypatch.setattr(ticks.time, "monotonic", lambda: self.now)

    @property
    def wall(self) -> float:
        return NOON + self.now + self.ahead


class Rung(Ticker):
    """Writes down what it would have rung."""

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        self.rung.append(entry.task)

    producer = None
    rung: list[str]


@pytest.fixture
def clock(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def beat() -> Rung:
    Rung.rung = []
    return Rung(app)


def run(beat: Rung, clock: Clock, seconds: float) -> dict[str, int]:
    """How often each task was rung in so many seconds."""
    beat.rung.clear()
    until = clock.now + seconds
    while clock.now < until:
        with time_machine.travel(clock.wall, tick=False):
            clock.now += max(0.01, beat.tick())
    return {task: beat.rung.count(task) for task in TICKS}


@pytest.mark.parametrize("jump", [-2 * HOUR, 2 * HOUR, -30.0])
def test_a_clock_that_is_set_changes_no_tick(clock: Clock, jump: float) -> None:
    ticker = beat()
    run(ticker, clock, 60)

    clock.ahead += jump
    rung = run(ticker, clock, 600)

    assert {task: abs(rung[task] - 600 / TICKS[task]) <= 1 for task in TICKS} == dict.fromkeys(
        TICKS, True
    )


def test_a_new_beat_rings_at_once(clock: Clock) -> None:
    assert beat().tick() <= min(TICKS.values())
    assert set(Rung.rung) == set(TICKS)


def test_who_changes_a_tick_in_the_tables_is_heeded(clock: Clock) -> None:
    ticker = beat()
    run(ticker, clock, 60)
    off, slow = sorted(TICKS)[:2]
    every_minute = IntervalSchedule.objects.create(every=60, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.get(name=off).delete()
    slowed = PeriodicTask.objects.get(name=slow)
    slowed.interval = every_minute
    slowed.save()

    rung = run(ticker, clock, 600)

    assert rung[off] == 0
    assert 9 <= rung[slow] <= 11


def test_a_tick_never_expires_by_somebody_elses_clock() -> None:
    assert not any("expires" in entry.get("options", {}) for entry in beat_schedule().values())


RUNS: list[int] = []


@shared_task(name="tests.counted")
def counted_task() -> None:
    RUNS.append(1)


@pytest.fixture
def counted(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A task of the schedule that counts its runs."""
    RUNS.clear()
    monkeypatch.setitem(TICKS, "tests.counted", 10)
    monkeypatch.setattr(ticks.Tick, "ran_at", {})
    return RUNS


def deliver(times: int) -> None:
    """As a worker does it."""
    for _ in range(times):
        app.tasks["tests.counted"].apply(throw=True)


def test_ticks_that_piled_up_cost_one_run(counted: list[int], clock: Clock) -> None:
    deliver(50)
    assert len(counted) == 1

    clock.now += 10
    deliver(2)
    assert len(counted) == 2


def test_what_is_called_in_our_own_code_runs_each_time(counted: list[int]) -> None:
    app.tasks["tests.counted"]()
    app.tasks["tests.counted"]()
    assert len(counted) == 2
