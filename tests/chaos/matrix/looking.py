"""Waiting, asking a database that may be away, and what only another machine has."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any


class Missing(Exception):
    """Something this machine does not have; its name."""


def until(
    is_so: Callable[[], Any], seconds: float, *, step: float = 0.05, or_fail: bool = True
) -> bool:
    """Wait until it is so; whether it was in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            if or_fail:
                raise TimeoutError(f"not within {seconds:.0f} s")
            return False
        time.sleep(step)
    return True


def ask_all(query: str, *params: Any) -> list[Any]:
    """All rows of a query, patiently: the database may just be coming back."""
    from django.db import DatabaseError, connection

    from messengers.sql import rows

    deadline = time.monotonic() + 30
    while True:
        try:
            return rows(query, list(params))
        except DatabaseError:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def ask(query: str, *params: Any) -> Any:
    """The one value of a query, or None."""
    found = ask_all(query, *params)
    return found[0][0] if found else None


class Ticks:
    """Every so many seconds a number in the background: the shape of a curve."""

    def __init__(self, read: Callable[[], float], every: float = 0.25) -> None:
        self.read, self.every = read, every
        self.seen: list[tuple[float, float]] = []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self.done.wait(self.every):
            self.seen.append((time.monotonic(), self.read()))

    def __enter__(self) -> Ticks:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.done.set()
        self.thread.join()
