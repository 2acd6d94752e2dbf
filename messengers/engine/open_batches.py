"""What a worker holds in memory: batches it has a lease on, and the people in them."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast
from uuid import UUID

from django.conf import settings

from messengers.contract import Call, Request
from messengers.engine.lines import Line
from messengers.engine.outcomes import Verdict
from messengers.engine.pace import Flight
from privacy.vault import sign_link

LINK_LIFE = timedelta(days=30)


class Values(dict[str, str]):
    """The placeholder values of one person; links are made only where a text asks for them."""

    __slots__ = ("_gate",)

    def __init__(self, given: Mapping[str, str], gate: bytes | None) -> None:
        super().__init__(given)
        self._gate = gate

    def __missing__(self, name: str) -> str:
        if self._gate is not None and name in LINKS:
            return LINKS[name](UUID(bytes=self._gate))
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As for every other mapping: what can be made is there."""
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (self._gate is not None and name in LINKS)


def _unsubscribe_url(gate: UUID) -> str:
    return f"{settings.JAWORT_ORIGIN}/u/{sign_link('unsubscribe', gate, None)}/"


def _preferences_url(gate: UUID) -> str:
    ends = datetime.now(UTC) + LINK_LIFE
    return f"{settings.JAWORT_ORIGIN}/p/{sign_link('preferences', gate, ends)}/"


# A gate has the id of its subscription, which is what both pages ask for.
LINKS = {"unsubscribe_url": _unsubscribe_url, "preferences_url": _preferences_url}


@dataclass(slots=True, eq=False)
class Recipient:
    """One position of a batch. `problem` says why it cannot be sent: "erased", "unreadable"."""

    position: int
    delivery: int
    gate: bytes | None  # its id, as PostgreSQL sends it
    attempts: int
    address: str = field(default="", repr=False)
    values: Values | None = field(default=None, repr=False)
    problem: str = ""
    not_before: float = 0.0  # monotonic; its gate was being changed a moment ago
    needs_footer: bool = False  # as its gate said when the batch was loaded
    attempt: str = ""  # what the provider will see of (delivery, token)

    @property
    def gate_id(self) -> UUID | None:
        return UUID(bytes=self.gate) if self.gate is not None else None


@dataclass(slots=True)
class Result:
    """What became of one position, waiting for its commit."""

    recipient: Recipient
    verdict: Verdict


@dataclass(slots=True, eq=False)
class OpenBatch:
    """A batch under our lease. `ready` may be taken, `wire` is out, `results` wait for a commit."""

    id: int
    dispatch: UUID
    channel: UUID
    priority: int
    token: int
    ready: deque[Recipient] = field(default_factory=deque)
    wire: dict[int, Recipient] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    written: int = 0  # of the results, by the commit that is just running
    is_fenced: bool = False  # somebody else has it now: our answers are evidence, no more
    is_stopped: bool = False  # take no more of it: paused, ended, or our time is over
    renew_at: float = 0.0  # monotonic; its lease is renewed no later
    line: Line = field(init=False, repr=False)  # set by the worker that took it

    @property
    def is_drained(self) -> bool:
        """Nothing is out any more and nothing may be taken."""
        return not self.wire and (self.is_stopped or not self.ready)

    def stop(self) -> None:
        self.is_stopped = True
        self.ready.clear()


NOT_YET = Flight(0.0, 0)  # of what has not left


@dataclass(slots=True, eq=False)
class Intent:
    """One position chosen to be sent with the next commit: a finished request, not yet allowed.

    Once it is allowed this is the call on its way, too, unless a bulk call carries it.
    """

    batch: OpenBatch
    recipient: Recipient
    call: Call | Request = field(repr=False)  # `Call` where a bulk call will carry it
    is_bare: bool = False  # a message to many without the footer: not for a gate that demands it
    flight: Flight = NOT_YET

    messages: ClassVar = 1

    @property
    def request(self) -> Request:
        """Of one that no bulk call carries."""
        return cast(Request, self.call)


@dataclass(slots=True, eq=False)
class Bulk:
    """One call on its way for several intents of one batch."""

    batch: OpenBatch
    intents: list[Intent]
    flight: Flight = NOT_YET

    @property
    def messages(self) -> int:
        return len(self.intents)

    @property
    def request(self) -> Request:
        """Made when it is asked for."""
        line = self.batch.line
        calls = [intent.call for intent in self.intents if isinstance(intent.call, Call)]
        return line.adapter.bulk_request(calls, line.text(self.batch.dispatch).prepared or {})


Submission = Intent | Bulk
