"""What may stop messages at a random moment: each as a person or a member of staff does it."""

import json
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any
from uuid import UUID

from django.db import connections
from django.utils import timezone

from messengers import outbox
from messengers.signature import signed_headers
from privacy.requests.erasure.machine import Progress, come_to_the_scan, start_erasure
from privacy.requests.intake import open_request
from tests.stopping.world import HOOK_SECRET, SYSTEM, World, next_in_line

PAUSE_SECONDS = 0.15  # how long a broadcast that was paused stays so
PATIENCE_SECONDS = 30.0
ERASED_AT_ONCE = 0.1  # share of the erasures


@dataclass(slots=True)
class Moment:
    """One stop: whom or what, when it was asked for, when it was answered for."""

    target: UUID  # a gate, or a dispatch
    asked_at: float
    done_at: float
    until: float = float("inf")  # when it was taken back


@dataclass
class Moments:
    """Random moments of one kind, from several threads at once."""

    world: World
    kind: str
    number: int
    seed: int
    web_port: int
    gap_seconds: float
    done: list[Moment] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    begun: int = 0
    used: set[UUID] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def run(self, threads: int) -> None:
        crew = [threading.Thread(target=self._one_thread, args=[seed]) for seed in range(threads)]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()

    def _one_thread(self, seed: int) -> None:
        rng = random.Random(self.seed * 1000 + seed)
        try:
            while self._is_wanted():
                time.sleep(rng.expovariate(1 / self.gap_seconds))
                if target := self._target(rng):
                    moment = ACTS[self.kind](self, target)
                    with self.lock:
                        self.done.append(moment)
                        if self.kind == "pause":
                            self.used.discard(target)
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")
        finally:
            connections.close_all()

    def _is_wanted(self) -> bool:
        with self.lock:
            return self.begun < self.number and not self.errors

    def _target(self, rng: random.Random) -> UUID | None:
        """Mostly somebody who would be next; sometimes anybody."""
        of_people = self.kind not in ("cancel", "pause")
        found = [gate if of_people else dispatch for gate, dispatch in next_in_line()]
        if of_people:  # the round before may have left somebody in the line
            found = [gate for gate in found if gate in self.world.people]
        if of_people and (not found or rng.random() < 0.2):
            found = [rng.choice(list(self.world.people))]
        with self.lock:
            for target in found:
                if self.begun < self.number and target not in self.used:
                    self.begun += 1
                    self.used.add(target)
                    return target
        return None


# --- The acts: each returns when it has been committed ---


def say_stop(moments: Moments, gate: UUID) -> Moment:
    """The word, through the hook, over HTTP."""
    _subject, number = moments.world.people[gate]
    event = {"type": "text", "id": secrets.token_hex(8), "from": number, "name": "", "text": "STOP"}
    body = json.dumps({"events": [event | {"at": datetime.now(UTC).isoformat()}]}).encode()
    headers = signed_headers(HOOK_SECRET, secrets.token_hex(4), body)
    headers["content-type"] = "application/json"
    connection = HTTPConnection("127.0.0.1", moments.web_port, timeout=PATIENCE_SECONDS)
    asked_at = time.monotonic()
    connection.request("POST", f"/hooks/{moments.world.channel.id}/", body, headers)
    status = connection.getresponse().status
    done_at = time.monotonic()
    connection.close()
    if status != 200:
        raise AssertionError(f"the hook said {status}")
    return Moment(gate, asked_at, done_at)


def demand(kind: str) -> Callable[[Moments, UUID], Moment]:
    """A request that is known to be theirs: that stops everything. Some erasures are then carried
    out at once, up to their scan, while the workers go on.
    """

    def act(moments: Moments, gate: UUID) -> Moment:
        subject, _number = moments.world.people[gate]
        asked_at = time.monotonic()
        request = open_request(
            subject=subject,
            kind=kind,
            origin="chat",
            verified=True,
            received_at=timezone.now(),
            actor=SYSTEM,
        )
        moment = Moment(gate, asked_at, time.monotonic())
        if kind == "erasure" and random.random() < ERASED_AT_ONCE:
            _erase(request)
        return moment

    return act


def _erase(request: Any) -> None:
    start_erasure(request=request, actor=SYSTEM, suppress=False)
    until = time.monotonic() + PATIENCE_SECONDS
    while come_to_the_scan(request) != Progress.SCANNING and time.monotonic() < until:
        time.sleep(0.1)  # the last message to the person has to leave first


def cancel(_moments: Moments, dispatch: UUID) -> Moment:
    asked_at = time.monotonic()
    outbox.cancel(dispatch)
    return Moment(dispatch, asked_at, time.monotonic())


def pause(moments: Moments, dispatch: UUID) -> Moment:
    """Paused, and after a while let go on: then it may be paused again."""
    asked_at = time.monotonic()
    outbox.pause(dispatch, "tests")
    moment = Moment(dispatch, asked_at, time.monotonic())
    time.sleep(PAUSE_SECONDS)
    moment.until = time.monotonic()
    outbox.resume(dispatch)
    return moment


ACTS: dict[str, Callable[[Moments, UUID], Moment]] = {
    "stop": say_stop,
    "erasure": demand("erasure"),
    "restriction": demand("restriction"),
    "objection": demand("objection"),
    "cancel": cancel,
    "pause": pause,
}
