"""What hooks remember for some seconds, under threads and a clock of our own."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event

import pytest

from messengers.remembered import Remembered

SOON = 5.0  # seconds that a thread waits for another


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("messengers.remembered.time.monotonic", lambda: now[0])
    return now


def test_a_value_is_looked_up_once_for_its_seconds(clock: list[float]) -> None:
    kept: Remembered[str, int] = Remembered(seconds=5)
    numbers = count(1)

    def look_up() -> int:
        return next(numbers)

    assert [kept.get("a", look_up) for _ in range(3)] == [1, 1, 1]
    assert kept.get("b", look_up) == 2

    clock[0] += 4.9
    assert kept.get("a", look_up) == 1
    clock[0] += 0.2
    assert kept.get("a", look_up) == 3


def test_that_there_is_nothing_is_remembered_too(clock: list[float]) -> None:
    kept: Remembered[str, int | None] = Remembered(seconds=5)

    assert kept.get("a", lambda: None) is None
    assert kept.get("a", lambda: 1) is None
    clock[0] += 6
    assert kept.get("a", lambda: 1) == 1


def test_the_others_go_on_with_the_old_value_while_one_looks_up(clock: list[float]) -> None:
    kept: Remembered[str, str] = Remembered(seconds=5)
    kept.put("a", "old")
    clock[0] += 6
    has_begun, may_end = Event(), Event()

    def look_up() -> str:
        has_begun.set()
        assert may_end.wait(SOON)
        return "new"

    with ThreadPoolExecutor() as pool:
        one = pool.submit(kept.get, "a", look_up)
        assert has_begun.wait(SOON)

        assert kept.get("a", lambda: pytest.fail("a second one looked it up")) == "old"

        may_end.set()
        assert one.result(SOON) == "new"
    assert kept.get("a", lambda: pytest.fail("it was there")) == "new"


def test_who_cannot_look_up_keeps_nobody_else_from_the_old_value(clock: list[float]) -> None:
    kept: Remembered[str, str] = Remembered(seconds=5)
    kept.put("a", "old")
    clock[0] += 6

    def broken() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        kept.get("a", broken)

    assert kept.get("a", broken) == "old"
    clock[0] += 6
    assert kept.get("a", lambda: "new") == "new"


def test_no_more_are_kept_than_said(clock: list[float]) -> None:
    kept: Remembered[int, int] = Remembered(seconds=5, most=3)

    for key in range(10):
        kept.get(key, lambda: 0)
        assert len(kept._kept) <= 3
