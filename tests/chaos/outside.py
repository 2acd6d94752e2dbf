"""The world outside: a provider that reports what became of messages, and people who say STOP.

A process that is never killed. It reads the provider's log, brings receipts and texts to the hook
over HTTP, repeats whatever got no 200 as providers do, and writes down what it was told. Receipts
come late, out of order, twice; some never; some are forged, and some speak of messages that nobody
has sent.
"""

import heapq
import http.client
import json
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from messengers.signature import signed_headers
from tests.chaos.history import Answer

STEP = 0.05  # seconds between two looks at the log
PATIENCE = 60.0  # seconds after the end within which everything has to be taken
REPEAT = 0.2  # seconds until what was not taken comes again
SILENT, FAILING, REPEATED, WITH_ID, READ = 0.2, 0.05, 0.1, 0.5, 0.6  # shares of the messages
ODDITIES = 0.01  # share of messages with a ghost, and as many with a forgery, beside them
GROUP = 100  # events in one POST


@dataclass(frozen=True)
class Plan:
    """What this world does. `stops`: (share of the broadcast that has arrived, who says STOP)."""

    url: str  # of the hook
    secret: str
    provider_log: Path
    answers: Path
    recipients: int
    seed: int
    stops: Sequence[tuple[float, str]] = ()
    delay: tuple[float, float] = (0.2, 1.5)  # seconds from a message to its receipts


class Due(NamedTuple):
    at: float
    number: int  # of the event; also keeps equal times apart
    event: dict[str, Any]
    kind: str
    about: str = ""  # the attempt, or the person
    times: int = 1


@dataclass
class World:
    plan: Plan
    due: list[Due] = field(default_factory=list)
    number: int = 0
    seen: int = 0  # bytes of the log
    messages: int = 0
    until: float = float("inf")

    def __post_init__(self) -> None:
        self.rng = random.Random(self.plan.seed)
        self.stops = sorted(self.plan.stops, reverse=True)

    def run(self) -> None:
        """Until SIGTERM has come, and then until everything was taken."""
        signal.signal(signal.SIGTERM, self.end)
        while time.monotonic() < self.until and (self.due or not self.is_ending):
            self.read_log()
            self.bring()
            time.sleep(STEP)

    def end(self, *_: object) -> None:
        self.until = time.monotonic() + PATIENCE

    @property
    def is_ending(self) -> bool:
        return self.until < float("inf")

    # --- What is to be told ---

    def read_log(self) -> None:
        with self.plan.provider_log.open("rb") as log:
            log.seek(self.seen)
            data = log.read()
        whole = data[: data.rfind(b"\n") + 1]
        self.seen += len(whole)
        for line in whole.splitlines():
            self.messages += 1
            self.report(json.loads(line))
        while self.stops and self.stops[-1][0] * self.plan.recipients <= self.messages:
            person = self.stops.pop()[1]
            self.add("stop", person, 0.0, type="text", **{"from": person}, text="STOP")

    def report(self, entry: dict[str, Any]) -> None:
        """The receipts of one message."""
        rng, attempt = self.rng, str(entry["attempt"])
        if rng.random() < SILENT:
            return
        names = {"attempt": attempt} | ({"message": entry["id"]} if rng.random() < WITH_ID else {})
        ranks = ["delivered"] + ["read"] * (rng.random() < READ)
        if rng.random() < FAILING:
            ranks.append("undelivered")
        for rank in ranks * (1 + (rng.random() < REPEATED)):
            self.add("receipt", f"{attempt} {rank}", self.late(), status=rank, **names)
        if rng.random() < ODDITIES:
            ghost = f"ghost-{rng.randrange(10**9)}"
            self.add("ghost", ghost, self.late(), status="delivered", message=ghost)
            self.add("forged", attempt, self.late(), status="undelivered", **names)

    def late(self) -> float:
        return self.rng.uniform(*self.plan.delay)

    def add(self, kind: str, about: str, wait: float, **event: Any) -> None:
        self.number += 1
        event.setdefault("type", "receipt")
        event |= {"id": f"event-{self.plan.seed}-{self.number}", "at": now()}
        due = Due(time.monotonic() + wait, self.number, event, kind, about)
        heapq.heappush(self.due, due)

    # --- Telling it ---

    def bring(self) -> None:
        """Bring what is due: receipts in groups, each text and each forgery alone."""
        until = float("inf") if self.is_ending else time.monotonic()
        group: list[Due] = []
        while self.due and self.due[0].at <= until and len(group) < GROUP:
            one = heapq.heappop(self.due)
            if one.kind in ("stop", "forged"):
                self.post([one])
            else:
                group.append(one)
        if group:
            self.post(group)

    def post(self, group: list[Due]) -> None:
        """One call of the hook. What got no 200 is brought again; a forgery is not."""
        body = json.dumps({"events": [one.event for one in group]}).encode()
        secret = "not the secret of this channel" if group[0].kind == "forged" else self.plan.secret
        status = call(self.plan.url, body, signed_headers(secret, f"hook-{group[0].number}", body))
        is_done = status == 200 or (group[0].kind == "forged" and status == 403)
        if not is_done:
            at = time.monotonic() + REPEAT
            for one in group:
                heapq.heappush(self.due, one._replace(at=at, times=one.times + 1))
            return
        lines = [json.dumps([time.time(), one.kind, status, one.about, one.times]) for one in group]
        with self.plan.answers.open("a") as file:
            file.write("\n".join(lines) + "\n")


def call(url: str, body: bytes, headers: dict[str, str], seconds: float = 10.0) -> int:
    """POST; the status, or 0 if nobody answered."""
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=seconds)
    try:
        connection.request("POST", f"/{path}", body, {"content-type": "application/json"} | headers)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def now() -> str:
    return datetime.now(UTC).isoformat()


def answers(file: Path) -> list[Answer]:
    """What was written down, with attempts opened to deliveries."""
    from messengers.attempts import open_attempt

    found = []
    for line in file.read_text().splitlines() if file.exists() else []:
        at, kind, status, about, times = json.loads(line)
        if kind == "receipt":
            text, _, rank = about.partition(" ")
            attempt = open_attempt(text)
            delivery = attempt.delivery if attempt else 0
            found.append(Answer(at, kind, status, delivery=delivery, rank=rank, times=times))
        else:
            names = {"person" if kind == "stop" else "ref": about}
            found.append(Answer(at, kind, status, times=times, **names))
    return found
