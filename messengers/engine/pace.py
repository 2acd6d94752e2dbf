"""How many calls may be in flight at once: enough for the provider, and no more.

What is in flight is what one crash puts in doubt, so the window is small where answers come at once
and grows only with the time that this provider takes: the calls of `PER_SECOND` and of its quickest
answer. (Its usual answer would not do: where we are the slow ones, a larger window makes answers
wait longer for us, and would grow by itself.) Calls that take far longer than that, the stragglers,
do not use up places: one answer in a hundred that takes a second must not cost the others theirs.
"""

from collections.abc import Hashable

FEWEST = 128  # calls in flight, for a provider that answers at once
MOST = 512  # and for a slow one: the most that one crash puts in doubt
PER_SECOND = 8000.0  # messages that a worker shall reach, if the provider lets it
EPOCH = 256  # answers among which the quickest is looked for
STRAGGLING = 0.1  # seconds after which a call is a straggler, but for slow providers
STRAGGLING_TIMES = 4.0  # times the quickest answer
LOOK_SECONDS = 0.02  # between two counts of the stragglers


class Pace:
    """What one worker has learnt about one channel's provider. Times are monotonic seconds."""

    def __init__(self, fixed: int = 0) -> None:
        self.fixed = fixed  # a window that is known: connections of a mail server
        self.quickest = 0.0
        self._candidate = float("inf")
        self._answers = 0
        self._out: dict[Hashable, tuple[float, int]] = {}  # in the order in which they left
        self._stragglers = 0
        self._counted_at = 0.0

    def left(self, key: Hashable, messages: int, now: float) -> None:
        """A call with so many messages has left."""
        self._out[key] = (now, messages)

    def came(self, key: Hashable, now: float) -> None:
        """Its answer has come."""
        since, _ = self._out.pop(key)
        if now - since < self._candidate:
            self._candidate = now - since
        self._answers += 1
        if self._answers >= EPOCH:
            self.quickest, self._candidate, self._answers = self._candidate, float("inf"), 0

    def window(self, now: float) -> int:
        """How many messages may be in flight now, stragglers included."""
        if self.fixed:
            return self.fixed
        if now - self._counted_at >= LOOK_SECONDS:
            self._counted_at, self._stragglers = now, self._count_stragglers(now)
        wanted = max(FEWEST, int(PER_SECOND * self.quickest))
        return min(MOST, wanted + self._stragglers)

    def _count_stragglers(self, now: float) -> int:
        limit = now - max(STRAGGLING, STRAGGLING_TIMES * self.quickest)
        number = 0
        for since, messages in self._out.values():
            if since > limit:
                break
            number += messages
        return number
