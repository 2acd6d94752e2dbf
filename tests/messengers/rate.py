"""Eight workers on one channel's rate: how much of it they use, and what a provider sees.

    python -m tests.messengers.rate --seconds 60 --rates 5,30,80,1000

Workers are real processes with connections of their own, running the engine over HTTP; the
provider's own log, written before it answers, says what arrived when. Beside it: how long a reply
waits while a broadcast uses the whole rate, and what the contention costs.
"""

import multiprocessing
import os
import time
from bisect import bisect_left
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

WORKERS = 8
_INHERITED: list[Any] = []  # connections of the parent: a child must not even close them


def most_in_a_second(rate: float) -> float:
    """What `messengers.rate` promises that no second exceeds."""
    from messengers.rate import GRANT_LIFE, REFILL_SECONDS, REPLIES_AT_ONCE

    kept = max(1.0, min(REPLIES_AT_ONCE, rate * 0.1))
    return rate * (1 + GRANT_LIFE) + max(1.0, rate * REFILL_SECONDS) + kept + 1


def busiest_second(times: Sequence[float]) -> int:
    """The largest number of moments in any one second."""
    ordered = sorted(times)
    return max((bisect_left(ordered, at + 1.0) - n for n, at in enumerate(ordered)), default=0)


def contend(channel_id: UUID, *, workers: int, seconds: float) -> list[float]:
    """When each grant was given, with so many processes taking all they can get."""
    context = multiprocessing.get_context("fork")
    until = time.monotonic() + seconds
    pipes = []
    for _ in range(workers):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_take_all, args=(theirs, channel_id, until))
        process.start()
        theirs.close()
        pipes.append((ours, process))
    times: list[float] = []
    for ours, process in pipes:
        times += ours.recv()
        process.join()
    return times


def _take_all(pipe: Connection, channel_id: UUID, until: float) -> None:
    """One process: take whatever is granted until the time is over; never returns."""
    from django.db import connections

    from messengers.rate import Allowance
    from messengers.sql import rows

    for inherited in connections.all(initialized_only=True):
        _INHERITED.append(inherited.connection)
        inherited.connection = None
    rows("SELECT 1")  # connect first
    allowance, times = Allowance(channel_id), []
    while (now := time.monotonic()) < until:
        if taken := allowance.take(16, is_reply=False):
            times += [now] * taken
        else:
            time.sleep(0.01)
    pipe.send(times)
    pipe.close()
    os._exit(0)
