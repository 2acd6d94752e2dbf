"""Several requests that wait share one transaction; each answers after its commit.

Who comes while nobody writes becomes the leader and writes at once, alone if nobody else waits.
Who comes meanwhile follows, and the first of the followers leads the next group. So nobody waits
for a clock, and the more requests come, the larger are the groups.
"""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Waiting(Generic[Item]):
    """One request's part, and what became of it."""

    __slots__ = ("error", "item", "leads", "woken")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.error: Exception | None = None
        self.leads = False
        # Taken until somebody wakes us: a lock costs a tenth of an event, and of the others' time.
        self.woken = Lock()
        self.woken.acquire()


class GroupCommit(Generic[Item]):
    """`write` stores some items in one transaction, all of them or none.

    A group that fails is written one by one, so that a poisonous item fails alone; unless it
    failed with one of `hopeless`, where no other would fare better.
    """

    def __init__(
        self,
        write: Callable[[list[Item]], None],
        *,
        most: int,
        hopeless: tuple[type[Exception], ...] = (),
    ) -> None:
        self._write = write
        self._most = most
        self._hopeless = hopeless
        self._lock = Lock()
        self._waiting: list[_Waiting[Item]] = []
        self._is_led = False

    def commit(self, item: Item) -> None:
        """Return once `item` has been committed; raise what kept it from being."""
        mine = _Waiting(item)
        with self._lock:
            self._waiting.append(mine)
            mine.leads, self._is_led = not self._is_led, True
        if not mine.leads:
            mine.woken.acquire()
        if mine.leads:
            self._lead(mine)
        if mine.error is not None:
            raise mine.error

    def _lead(self, mine: _Waiting[Item]) -> None:
        """The leader is the first of those who wait, so it is in its own group."""
        with self._lock:
            group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            self._store(group)
        except BaseException:
            for one in group:
                one.error = one.error or RuntimeError("the leader of the group went away")
            raise
        finally:
            self._hand_over()
            for one in group:
                if one is not mine:
                    one.woken.release()

    def _hand_over(self) -> None:
        with self._lock:
            self._is_led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].woken.release()

    def _store(self, group: list[_Waiting[Item]]) -> None:
        try:
            self._write([one.item for one in group])
        except self._hopeless as error:
            for one in group:
                one.error = error
        except Exception as error:
            if len(group) == 1:
                group[0].error = error
                return
            for one in group:
                self._store([one])
