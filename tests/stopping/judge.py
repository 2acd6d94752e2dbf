"""What the histories say: intents after a stop, calls without an intent, and how long it took."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.stopping.wal import Commit

STOPPED = ("paused", "cancelled", "expired", "finished")


@dataclass(slots=True)
class History:
    """What was committed: numbers are places in the order of commits."""

    intents: list[tuple[int, str, str]] = field(default_factory=list)  # number, batch, position
    recipients: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    deliveries: dict[int, tuple[str, str]] = field(default_factory=dict)  # id -> batch, position
    dispatches: dict[str, str] = field(default_factory=dict)  # batch -> dispatch
    # What may not be written to (gate or dispatch): [(from this commit, until that one)].
    stops: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    wires: dict[str, set[str]] = field(default_factory=dict)

    def add(self, commit: Commit) -> None:
        for table, row in commit.changes:
            if table == "messengers_batch":
                self._batch(commit.number, row)
            elif table == "messengers_gate":
                self._state(commit.number, str(row["id"]), is_stopped=row["is_open"] == "f")
            elif table == "messengers_dispatch":
                is_stopped = row["status"] in STOPPED
                self._state(commit.number, str(row["id"]), is_stopped=is_stopped)
            else:
                place = (str(row["batch_id"]), str(row["position"]))
                self.recipients[place] = (str(row["gate"]), str(row["dispatch_id"]))
                self.deliveries[int(row["id"] or 0)] = place

    def _batch(self, number: int, row: dict[str, str | None]) -> None:
        """A position that was not on the wire before this commit is an intent of it."""
        batch = str(row["id"])
        self.dispatches[batch] = str(row["dispatch_id"])
        wire = set((row["on_wire"] or "{}").strip("{}").split(",")) - {""}
        new = wire - self.wires.get(batch, set())
        self.wires[batch] = wire
        self.intents += [(number, batch, position) for position in new]

    def _state(self, number: int, name: str, *, is_stopped: bool) -> None:
        spans = self.stops[name]
        is_open = not spans or spans[-1][1] != float("inf")
        if is_stopped and is_open:
            spans.append((number, float("inf")))
        elif not is_stopped and not is_open:
            spans[-1] = (spans[-1][0], number)

    def is_stopped(self, name: str, number: int) -> bool:
        return any(begin < number < end for begin, end in self.stops.get(name, ()))

    def late(self) -> list[tuple[int, str, str]]:
        """Intents that were committed although their person or broadcast had been stopped."""
        return [
            (number, batch, position)
            for number, batch, position in self.intents
            if self.is_stopped(self.recipients.get((batch, position), ("", ""))[0], number)
            or self.is_stopped(self.dispatches[batch], number)
        ]

    def unintended(self, deliveries: Iterable[int]) -> int:
        """Calls that the provider saw and no commit had announced: the history would be a lie."""
        intended = {(batch, position) for _, batch, position in self.intents}
        return sum(self.deliveries.get(one) not in intended for one in deliveries)


def read(found: Iterable[Commit]) -> History:
    history = History()
    for commit in found:
        history.add(commit)
    return history


def percentile(values: list[float], share: float) -> float:
    """The value that so large a share of them does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
