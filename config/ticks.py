"""The ticks of config/schedule.py, on both ends, by clocks that nobody can set.

Celery's schedulers compare wall-clock times: one that is set back by two hours silences them for
two hours. And a tick that carries the time when it expires is thrown away by every worker whose
clock is ahead of beat's.
"""

import time
from typing import Any

from celery import Task
from django_celery_beat.schedulers import DatabaseScheduler

from config.schedule import TICKS

LONGEST_WAIT = 5.0  # seconds until the tables are looked at again


class Ticker(DatabaseScheduler):  # type: ignore[misc]  # the package has no types
    """Rings what stands in django-celery-beat's tables, at once and then every so many seconds.

    Whoever changes a period there, or switches a tick off, is heeded. When it rang last is not
    asked: who is due is looked up by the tasks, and several beats at once only ring more often.
    """

    def setup_schedule(self) -> None:
        self.rung_at: dict[str, float] = {}
        super().setup_schedule()

    def tick(self, *_args: Any, **_kwargs: Any) -> float:
        """Ring for what is due; the seconds until the next is."""
        waits = [self._ring(name, entry) for name, entry in list(self.schedule.items())]
        return max(0.0, min(waits, default=LONGEST_WAIT))

    def _ring(self, name: str, entry: Any) -> float:
        """Ring this one if it is due; the seconds until it is again."""
        if not hasattr(entry.schedule, "run_every"):
            return self._by_the_wall(entry)
        now, period = time.monotonic(), float(entry.schedule.seconds)
        if name not in self.rung_at or now - self.rung_at[name] >= period:
            self.rung_at[name] = now
            self.apply_entry(entry, producer=self.producer)
        return min(self.rung_at[name] + period - now, LONGEST_WAIT)

    def _by_the_wall(self, entry: Any) -> float:
        """An hour of the day, which somebody has added there, is the wall clock's business."""
        is_due, wait = self.is_due(entry)
        if is_due:
            self.apply_entry(self.reserve(entry), producer=self.producer)
        return min(float(wait), LONGEST_WAIT)


class Tick(Task[..., Any]):
    """A task that the schedule rings for runs once in half its period, in each process.

    So the ticks that pile up while nobody takes them, or that several beats send, cost nothing.
    Everything else runs as often as it is rung for.
    """

    abstract = True
    ran_at: dict[str, float] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.request.called_directly:
            return super().__call__(*args, **kwargs)
        if self._has_just_run():
            return None
        return self.run(*args, **kwargs)

    def _has_just_run(self) -> bool:
        period = TICKS.get(self.name)
        now = time.monotonic()
        if period is None:
            return False
        if now - Tick.ran_at.get(self.name, -period) < period / 2:
            return True
        Tick.ran_at[self.name] = now
        return False
