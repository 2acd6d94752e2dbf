"""How many calls may be in flight at once: enough for the provider, and no more.

What is in flight is what one crash puts in doubt, so the window is small where answers come at once
and grows only with the time that this provider takes: the calls of `PER_SECOND` and of its quickest
answer. (Its usual answer would not do: where we are the slow ones, a larger window makes answers
wait longer for us, and would grow by itself.) Stragglers, which wait long while two windows of
others were answered, do not use up places: one answer in a hundred that takes a second must not
cost the others theirs.

A mail server takes one mail at a time on each connection. More only queue up here, so there are
enough of them for a commit that is worth it, and never more than a tenth of a second's work.
"""

from dataclasses import dataclass

FEWEST = 256  # calls in flight, for a provider that answers at once: a batch
FIRST = 32  # before anything was answered; each answer makes room for one more
MOST = 512  # and for a slow one: the most that one crash puts in doubt
MAILS = 64  # the same for mails
PER_SECOND = 8000.0  # messages that a worker shall reach, if the provider lets it
EPOCH = 1024  # answers among which the quickest is looked for
STRAGGLING = 0.1  # seconds that a straggler waits at least
LOOK_SECONDS = 0.02  # between two counts of the stragglers
QUEUE_SECONDS = 0.1  # of work that may wait for a mail server's connections


@dataclass(slots=True, eq=False)
class Flight:
    """Messages that left in one moment."""

    since: float  # monotonic
    answers: int  # that had come by then
    out: int = 0  # messages without an answer yet


class Pace:
    """What one worker has learnt about one channel's provider. Times are monotonic seconds."""

    def __init__(self, connections: int = 0) -> None:
        self.connections = connections  # of a mail server; 0: as many as there are calls
        self.quickest = 0.0
        self.rate = 0.0  # answers per second
        self.answers = 0
        self.heard = 0  # messages that were answered, and not lost
        self._epoch_at = -1.0
        self._in_epoch = 0
        self._candidate = float("inf")
        self._flights: list[Flight] = []  # in the order in which they left
        self._stragglers = 0
        self._counted_at = 0.0

    def leaves(self, now: float) -> Flight:
        """A flight for the messages that leave now; the caller counts them in."""
        if self._epoch_at < 0.0:
            self._begin(now)
        self._flights.append(Flight(now, self.answers))
        return self._flights[-1]

    def came(self, flight: Flight, messages: int, now: float, *, is_lost: bool = False) -> None:
        """The answer to a call of that flight has come, for so many messages, or will not come."""
        flight.out -= messages
        if not is_lost:
            self.heard += messages
        if now - flight.since < self._candidate:
            self._candidate = now - flight.since
        self.answers += 1
        self._in_epoch += 1
        if self._in_epoch >= (MAILS if self.connections else EPOCH):
            self.quickest = self._candidate
            self.rate = self._in_epoch / max(now - self._epoch_at, 1e-6)
            self._begin(now)

    def _begin(self, now: float) -> None:
        self._epoch_at, self._in_epoch, self._candidate = now, 0, float("inf")

    def window(self, now: float) -> int:
        """How many messages may be in flight now, stragglers included."""
        if self.connections:
            return min(MAILS, max(2 * self.connections, int(self.rate * QUEUE_SECONDS)))
        if now - self._counted_at >= LOOK_SECONDS:
            self._counted_at, self._stragglers = now, self._count_stragglers(now)
        wanted = max(FEWEST, int(PER_SECOND * self.quickest))
        return min(MOST, wanted + self._stragglers, FIRST + self.heard)

    def _count_stragglers(self, now: float) -> int:
        overtaken = self.answers - 2 * max(FEWEST, int(PER_SECOND * self.quickest))
        self._flights = [flight for flight in self._flights if flight.out]
        number = 0
        for flight in self._flights:
            if flight.since > now - STRAGGLING or flight.answers > overtaken:
                break
            number += flight.out
        return number
