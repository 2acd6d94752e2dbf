"""Whoever rings never waits for the broker; what nobody took is rung again."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from messengers import doorbell

SOON = 5.0


class Broker:
    """Hangs, refuses or takes what is rung."""

    def __init__(self) -> None:
        self.rung: list[str] = []
        self.is_down = False
        self.flows = threading.Event()
        self.flows.set()

    def send_task(self, task: str, **_options: object) -> None:
        self.flows.wait(SOON)
        if self.is_down:
            raise ConnectionRefusedError
        self.rung.append(task)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    one = Broker()
    monkeypatch.setattr(doorbell, "current_app", one)
    monkeypatch.setattr(doorbell, "REST_SECONDS", 0.02)
    doorbell._forget()
    yield one
    one.flows.set()
    doorbell._ringer().settle(SOON)


def settled() -> bool:
    return doorbell._ringer().settle(SOON)


def test_a_broker_that_hangs_holds_nobody(broker: Broker) -> None:
    broker.flows.clear()

    began = time.monotonic()
    for _ in range(1000):
        doorbell.ring()
    took = time.monotonic() - began

    assert took < SOON / 2
    assert not broker.rung
    broker.flows.set()
    assert settled()
    assert set(broker.rung) == {doorbell.WORK}
    assert len(broker.rung) <= 2  # one for the first, one for all that came meanwhile


def test_a_ring_that_nobody_took_is_rung_again(broker: Broker) -> None:
    broker.is_down = True
    doorbell.ring(doorbell.HANDLE_INBOX)
    assert not doorbell._ringer().settle(0.1)

    broker.is_down = False

    assert settled()
    assert broker.rung == [doorbell.HANDLE_INBOX]


def test_a_child_rings_for_itself(broker: Broker) -> None:
    doorbell.ring()
    assert settled()

    pid = os.fork()
    if pid == 0:
        broker.rung.clear()
        doorbell.ring()
        os._exit(0 if settled() and broker.rung == [doorbell.WORK] else 1)

    assert os.waitpid(pid, 0)[1] == 0
