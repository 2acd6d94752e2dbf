"""Brings the simulator's hooks to Jawort over real HTTP, signed, again and again until taken.

One thread per web process; it starts with the first event and touches no database of ours, only the
simulator's own file and the network.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from messengers.contract import HttpRequest, HttpResponse
from messengers.signature import signed_headers
from messengers.simulator import store
from messengers.transports import HttpTransport

EVENTS_PER_HOOK = 100
TIMEOUT = 15.0  # seconds for one hook
LEASE = 20.0  # seconds until another process may try the same events
PAUSE = 0.5  # seconds between two looks at the queue, if nobody rings
QUIET = 10.0  # seconds without anything to do until the thread ends


class Courier:
    """Takes due events from the store and delivers them."""

    def __init__(self) -> None:
        self._bell = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._lock = threading.Lock()

    def ring(self) -> None:
        """There is something to deliver: start the thread if needed and wake it."""
        with self._lock:
            if self._pid != os.getpid() or not (self._thread and self._thread.is_alive()):
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
                self._thread.start()
            self._bell.set()

    def _run(self) -> None:
        transport = HttpTransport()
        home = store.folder()
        quiet_since = time.monotonic()
        while not self._may_end(quiet_since, home):
            self._bell.wait(PAUSE)
            self._bell.clear()
            # A folder that is just being removed (tests, a reset demo) is no reason to die.
            with contextlib.suppress(sqlite3.Error, OSError):
                while store.folder() == home and deliver(transport):
                    quiet_since = time.monotonic()
                if store.hooks_waiting():
                    quiet_since = time.monotonic()
        transport.close()

    def _may_end(self, quiet_since: float, home: Path) -> bool:
        """With nothing left to do the thread ends; the next event starts another one."""
        with self._lock:
            quiet = time.monotonic() - quiet_since > QUIET and not self._bell.is_set()
            if quiet or store.folder() != home:
                self._thread = None
                return True
            return False


def deliver(transport: HttpTransport) -> bool:
    """Deliver the events due for one account; False when there was nothing that could be taken."""
    account, ids, events = store.take_hooks(EVENTS_PER_HOOK, LEASE)
    if not ids:
        return False
    hook = store.hook_of(account)
    if hook is None:
        store.hooks_done(ids)
        return True
    transport.submit(account, _request(*hook, events), TIMEOUT)
    outcomes = transport.poll(TIMEOUT + 1)
    answer = outcomes[0][1] if outcomes else None
    if isinstance(answer, HttpResponse) and 200 <= answer.status < 300:
        store.hooks_done(ids)
        return True
    store.hooks_later(ids)
    return False


def _request(url: str, secret: str, events: list[dict[str, Any]]) -> HttpRequest:
    for event in events:
        event["at"] = datetime.fromtimestamp(event["at"], UTC).isoformat()
    body = orjson.dumps({"events": events})
    headers = signed_headers(secret, uuid4().hex, body)
    return HttpRequest("POST", url, (("content-type", "application/json"), *headers.items()), body)


courier = Courier()
