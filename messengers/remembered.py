"""What every hook needs and seldom changes: looked up anew after some seconds, by one thread."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Values by their keys, as old as `seconds` at most, or older while looking up fails.

    While one thread looks a value up anew, the others go on with the old one. `most` bounds how
    many are kept: anybody may ask for what does not exist.
    """

    def __init__(self, seconds: float, most: int = 1_000) -> None:
        self.seconds = seconds
        self.most = most
        self._kept: dict[K, tuple[float, V]] = {}
        self._lock = Lock()

    def get(self, key: K, look_up: Callable[[], V]) -> V:
        """The value; what `look_up` raises is raised, and keeps nobody else from the old one."""
        now = time.monotonic()
        until, value = self._kept.get(key, (0.0, None))
        if until > now:
            return value  # type: ignore[return-value]
        if value is not None:
            self._kept[key] = (now + self.seconds, value)
        value = look_up()
        self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember it from now on."""
        with self._lock:
            if len(self._kept) >= self.most:
                self._kept.clear()
            self._kept[key] = (time.monotonic() + self.seconds, value)

    def clear(self) -> None:
        """Forget everything: for whoever has just changed it."""
        self._kept.clear()
