"""Lines in the log for what happens too often to have a line each: sums, every ten seconds.

A line per hook or receipt would be a line per message, and a diary of who wrote when.
"""

import time
from collections import Counter
from threading import Lock
from typing import Any

import structlog

EVERY_SECONDS = 10.0

log = structlog.get_logger("jawort.tally")


class Tally:
    """Sums of one kind of act in this process. The first is told at once, the rest in sums.

    What happened since the last line is told with the next act, however much later that comes.
    """

    def __init__(self, event: str) -> None:
        self.event = event
        self._lock = Lock()
        self._told_at = -EVERY_SECONDS
        self._sums: Counter[str] = Counter()
        self._count, self._seconds, self._slowest = 0, 0.0, 0.0

    def add(self, began: float, **numbers: int) -> None:
        """One act that began at `began` (monotonic) and is over now, and what it counted."""
        now = time.monotonic()
        with self._lock:
            self._count += 1
            self._seconds += now - began
            self._slowest = max(self._slowest, now - began)
            for name, number in numbers.items():
                self._sums[name] += number
            if now - self._told_at < EVERY_SECONDS:
                return
            line = self._line()
            self._told_at = now
        log.info(self.event, **line)

    def _line(self) -> dict[str, Any]:
        """The sums so far, which begin anew."""
        line = {
            **{name: number for name, number in self._sums.items() if number},
            "count": self._count,
            "seconds": round(self._seconds, 3),
            "slowest": round(self._slowest, 3),
        }
        self._sums.clear()
        self._count, self._seconds, self._slowest = 0, 0.0, 0.0
        return line


HOOKS = Tally("hooks")
INBOX = Tally("inbox_handled")
SWEEPS = Tally("swept")
