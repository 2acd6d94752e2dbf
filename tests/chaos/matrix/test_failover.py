"""A database that comes back as another one gets no new intents (C9 and C10 play it for real)."""

import time
from uuid import uuid4

import pytest

from messengers.engine import worker
from messengers.engine.worker import Worker


@pytest.fixture
def shaken(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker that has just lost its database; whoever asks for batches is told on."""
    asked: list[str] = []
    monkeypatch.setattr(worker, "due_channels", lambda: asked.append("due") or [])
    monkeypatch.setattr(worker, "due_channels_asked", asked, raising=False)
    one = Worker(uuid4(), time.monotonic() + 60)
    one.broken_since = time.monotonic()
    return one


def test_a_promoted_standby_is_asked_for_nothing(
    shaken: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.instance, "why_not", lambda: "another timeline")

    shaken._step()

    assert shaken.deadline <= time.monotonic()
    assert shaken.is_dry
    assert worker.due_channels_asked == []


def test_the_same_database_goes_on(shaken: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.instance, "why_not", lambda: "")

    shaken._step()

    assert shaken.deadline > time.monotonic()
    assert worker.due_channels_asked == ["due"]
    assert shaken.broken_since is None
