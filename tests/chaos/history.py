"""The history of a finished run: everything that was observed, before anybody judges it.

Two sides are held apart. What the provider and the people saw (`Arrival`, `Answer`) is written by
processes that are never killed. What Jawort did (`Intent`, `Change`, `GateMove`, `Consent`) is
noted by triggers inside its own transactions, each with the time of that transaction's commit.
tests/chaos/rules.py compares them.

Times are seconds since 1970 by the one clock of the machine; a commit's is `at`.
"""

from dataclasses import dataclass, field
from typing import NamedTuple


class Row(NamedTuple):
    """A delivery as it stands at the end."""

    delivery: int
    person: str  # the identifier its provider is given
    gate: str
    status: str
    cause: str
    dispatch: str = "d"


class Arrival(NamedTuple):
    """One message that the provider took, in its own log, written before it answered."""

    at: float
    to: str
    attempt: str  # as it stood in the request
    delivery: int  # what the attempt opens to; 0 for one that we never made
    token: int
    fields: frozenset[str] = frozenset()  # names of everything else the request told it


class Intent(NamedTuple):
    """One position put on the wire: committed at `at`, under a lease until `lease_until`."""

    at: float
    delivery: int
    token: int
    lease_until: float
    order: int = 0  # tells writes of one commit apart


class GivenBack(NamedTuple):
    """One position taken off the wire again, with or without a result."""

    at: float
    delivery: int
    token: int
    order: int = 0


class Change(NamedTuple):
    """One write to a delivery, also one that leaves its status as it was."""

    at: float
    delivery: int
    old: str
    new: str
    cause: str
    order: int = 0


class GateMove(NamedTuple):
    """A gate that was opened or closed."""

    at: float
    gate: str
    is_open: bool
    reason: str = ""


class Consent(NamedTuple):
    """A consent record with the transaction that wrote it."""

    at: float
    record: str
    gate: str
    state: str
    transaction: int


class Audit(NamedTuple):
    """An audit entry about a consent record."""

    record: str
    transaction: int


class Answer(NamedTuple):
    """One event that was brought to the hook, and what the hook said at last.

    `kind`: "receipt", "stop", "forged" (wrong signature) or "ghost" (an id nobody knows).
    """

    at: float
    kind: str
    status: int
    person: str = ""
    delivery: int = 0
    rank: str = ""  # of a receipt: delivered, read, undelivered
    times: int = 1  # how often it was brought
    ref: str = ""  # of a ghost


@dataclass
class History:
    """One run. `size` is the number of people in the snapshot."""

    size: int
    dispatch: str = "d"  # the broadcast; rows also hold replies, which are dispatches of their own
    rows: list[Row] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)
    given_back: list[GivenBack] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    gates: list[GateMove] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    counts: list[dict[str, int]] = field(default_factory=list)  # what the pages said, while it ran
    report: dict[str, int] = field(default_factory=dict)  # what they say at the end
    causes: dict[str, int] = field(default_factory=dict)  # cause -> doubts, as reported
    status: str = "finished"  # of the dispatch
    parked: int = 0  # messages whose receipts still wait for somebody who knows them
    broker: list[str] = field(default_factory=list)  # bodies of the messages it was given
    call_seconds: float = 0.0  # the longest a call may take
    human: frozenset[int] = frozenset()  # deliveries that a person decided to send again

    @property
    def recipients(self) -> list[Row]:
        """The rows of the broadcast itself."""
        return [row for row in self.rows if row.dispatch == self.dispatch]


class Violation(NamedTuple):
    """One invariant that the history does not keep."""

    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"
