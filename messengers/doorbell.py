"""Rings for a worker. What is to be done stands in PostgreSQL; a lost ring costs a few seconds.

Whoever rings never waits: a thread of the process speaks with the broker. A hook has to be answered
within seconds, and a broker that hangs would hold its caller for as long as it likes. The first
ring goes at once, and the next one a moment later for all who asked meanwhile: ringing costs
more than storing what came.
"""

import atexit
import os
import threading
import time

import structlog
from celery import current_app
from django.db import transaction

log = structlog.get_logger("jawort.doorbell")

WORK = "messengers.tasks.work"
HANDLE_INBOX = "messengers.tasks.handle_inbox"
CONFIRM_SECONDS = 3.0  # RabbitMQ under pressure takes nothing, and says nothing
PAUSE_SECONDS = 0.05  # between two rings of one process
REST_SECONDS = 1.0  # before a broken bell is tried again
GOODBYE_SECONDS = 2.0  # a process that ends waits so long for its last ring


def ring_after_commit(task: str = WORK) -> None:
    """Ring once the caller's transaction has been committed, or at once outside of one."""
    transaction.on_commit(lambda: ring(task))


def ring(task: str = WORK) -> None:
    """Ring soon, once for all who ask meanwhile. A broker that is down is no reason to fail."""
    _ringer().ask(task)


class _Ringer(threading.Thread):
    """Rings for one process, one ring after the other."""

    def __init__(self) -> None:
        super().__init__(name="doorbell", daemon=True)
        self.lock = threading.Condition()
        self.wanted: set[str] = set()
        self.ringing: set[str] = set()

    def ask(self, task: str) -> None:
        with self.lock:
            self.wanted.add(task)
            self.lock.notify_all()

    def run(self) -> None:
        while True:
            with self.lock:
                self.lock.wait_for(lambda: self.wanted)
                self.ringing, self.wanted = self.wanted, set()
            unheard = [task for task in self.ringing if not send(task)]
            for task in unheard:  # the broker is away: again, with what is asked for meanwhile
                self.ask(task)
            with self.lock:
                self.ringing = set()
                self.lock.notify_all()
            time.sleep(REST_SECONDS if unheard else PAUSE_SECONDS)

    def settle(self, seconds: float) -> bool:
        """Wait until nothing is left to ring; whether that was in time."""
        with self.lock:
            return self.lock.wait_for(lambda: not self.wanted and not self.ringing, seconds)


def send(task: str) -> bool:
    """Ring now; whether the broker took it."""
    try:
        current_app.send_task(task, retry=False, confirm_timeout=CONFIRM_SECONDS)
    except Exception as error:
        log.warning("doorbell_broken", task=task, error=type(error).__name__)
        return False
    return True


class _House:
    """The ringer of this process, once somebody has rung. A child begins without."""

    lock = threading.Lock()
    ringer: _Ringer | None = None


def _ringer() -> _Ringer:
    with _House.lock:
        if _House.ringer is None:
            _House.ringer = _Ringer()
            _House.ringer.start()
        return _House.ringer


def _forget() -> None:
    _House.lock = threading.Lock()
    _House.ringer = None


def _goodbye() -> None:
    if _House.ringer is not None:
        _House.ringer.settle(GOODBYE_SECONDS)


os.register_at_fork(after_in_child=_forget)
atexit.register(_goodbye)
