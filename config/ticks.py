"""The ticks of config/schedule.py, on both ends, by clocks that nobody can set.

Celery's schedulers compare wall-clock times: one that is set back by two hours silences them for
two hours. And a tick that carries the time when it expires is thrown away by every worker whose
clock is ahead of beat's.
"""

import time
from typing import Any

from celery import Task
from celery.beat import Scheduler

from config.schedule import TICKS


class Ticker(Scheduler):
    """Rings each task of the schedule at once, and then every so many seconds.

    It keeps nothing on disk or in the database: who is due is looked up by the tasks. Several at
    once only ring more often.
    """

    def setup_schedule(self) -> None:
        self.merge_inplace(self.app.conf.beat_schedule)
        self.next_at = dict.fromkeys(self.schedule, 0.0)

    def tick(self, *_args: Any, **_kwargs: Any) -> float:
        """Ring for what is due; the seconds until the next is."""
        for name, entry in self.schedule.items():
            now = time.monotonic()
            if now >= self.next_at[name]:
                self.next_at[name] = now + TICKS[name]
                self.apply_entry(entry, producer=self.producer)
        return max(0.0, min(self.next_at.values()) - time.monotonic())


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
