"""Eight workers on one channel's rate: how much of it they use, and what a provider sees.

    python -m tests.messengers.rate --seconds 60 --rates 5,30,80,1000

Workers are real processes with connections of their own, running the engine over HTTP; the
provider's own log, written before it answers, says what arrived when. Beside it: how long a reply
waits while a broadcast uses the whole rate, and what the contention costs.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.standins.http_provider import TOKEN

WORKERS = 8
_INHERITED: list[Any] = []  # connections of the parent: a child must not even close them


def most_in_a_second(rate: float) -> float:
    """What `messengers.rate` promises that no second exceeds."""
    from messengers.rate import GRANT_LIFE, REFILL_SECONDS, REPLIES_AT_ONCE

    kept = max(1.0, min(REPLIES_AT_ONCE, rate * 0.1))
    return rate * (1 + REFILL_SECONDS + GRANT_LIFE) + 1 + kept


def busiest_second(times: Sequence[float]) -> int:
    """The largest number of moments in any one second."""
    ordered = sorted(times)
    return max((bisect_left(ordered, at + 1.0) - n for n, at in enumerate(ordered)), default=0)


def surely_in_a_second(grants: Sequence[tuple[float, float]]) -> int:
    """The largest number of grants that were asked for and received within any one second."""
    ordered = sorted(grants)
    return max(
        (
            sum(after <= began + 1.0 for _, after in ordered[nth:])
            for nth, (began, _) in enumerate(ordered)
        ),
        default=0,
    )


def as_a_worker(channel_id: UUID) -> Callable[[], int]:
    """Takes what a worker would: as many as a small refill of its window."""
    from messengers.rate import Allowance

    allowance = Allowance(channel_id)
    return lambda: allowance.take(16, is_reply=False)


def one_by_one(channel_id: UUID) -> Callable[[], int]:
    """Asks the row for each single message."""
    from messengers.rate import grant

    return lambda: grant(channel_id, 1)


def contend(
    channel_id: UUID,
    *,
    workers: int,
    seconds: float,
    how: Callable[[UUID], Callable[[], int]] = as_a_worker,
) -> list[tuple[float, float]]:
    """Each message's grant with so many processes taking all they can get: asked, received."""
    context = multiprocessing.get_context("fork")
    until = time.monotonic() + seconds
    pipes = []
    for _ in range(workers):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_take_all, args=(theirs, how(channel_id), until))
        process.start()
        theirs.close()
        pipes.append((ours, process))
    grants: list[tuple[float, float]] = []
    for ours, process in pipes:
        grants += ours.recv()
        process.join()
    return grants


def _take_all(pipe: Connection, take: Callable[[], int], until: float) -> None:
    """One process: take whatever is granted until the time is over; never returns."""
    from django.db import connections

    from messengers.sql import rows

    for inherited in connections.all(initialized_only=True):
        _INHERITED.append(inherited.connection)
        inherited.connection = None
    rows("SELECT 1")  # connect first
    grants: list[tuple[float, float]] = []
    while (asked := time.monotonic()) < until:
        if taken := take():
            grants += [(asked, time.monotonic())] * taken
        else:
            time.sleep(0.01)
    pipe.send(grants)
    pipe.close()
    os._exit(0)


# --- The long form: the engine itself, over HTTP ---


def send(rate: float, seconds: float, url: str, log: Path) -> dict[str, float]:
    """A broadcast that uses the whole rate, and replies in the middle of it: what was seen."""
    from django.utils import timezone

    from messengers.models import Channel, Dispatch
    from messengers.outbox import cancel
    from tests.messengers.house import make_channel, make_dispatch, make_people

    log.write_bytes(b"")
    channel = make_channel(
        settings={"base_url": url, "bulk": 1}, secrets={"token": TOKEN}, rate_per_second=rate
    )
    replies = int(min(40, max(4, rate * seconds * 0.05)))
    readers = int(rate * seconds * 1.2) + 200
    people = make_people(channel, readers + 2 * replies)
    asked = [address for address, _ in people[readers:]]
    crew = start_crew()
    try:
        waited = answer(asked[:replies], seconds / 4)
        dispatch = make_dispatch([gate for _, gate in people[:readers]])
        waited_behind = answer(asked[replies:], seconds)
        cancel(dispatch.id)
    finally:
        for process in crew:
            process.kill()
            process.join()
    Channel.objects.filter(id=channel.id).update(status="stopped")
    Dispatch.objects.filter(status="running").update(status="cancelled", finished_at=timezone.now())
    return judge(rate, log, waited, waited_behind)


def start_crew() -> list[Any]:
    """Eight workers, each a process with connections of its own."""
    from django.db import connections

    connections.close_all()
    context = multiprocessing.get_context("fork")
    crew = [context.Process(target=_work, daemon=True) for _ in range(WORKERS)]
    for process in crew:
        process.start()
    return crew


def _work() -> None:
    from messengers import engine

    while True:
        engine.run(5.0)
        time.sleep(0.02)


def answer(asked: Sequence[Any], seconds: float) -> dict[str, float]:
    """Send a reply to each of these people, spread over the time: number -> when it was written."""
    from messengers.addresses import reveal
    from messengers.outbox import reply
    from tests.messengers.house import make_content

    written = {}
    for address in asked:
        number = reveal(address)
        reply(address=address, content=make_content("Danke!"))
        written[number] = time.time()
        time.sleep(seconds / len(asked))
    return written


def judge(
    rate: float,
    log: Path,
    waited: dict[str, float],
    waited_behind: dict[str, float],
) -> dict[str, float]:
    """What the provider's log says about it."""
    arrived = {entry["to"]: entry["at"] for entry in map(json.loads, log.read_text().splitlines())}
    alone = [arrived[number] - at for number, at in waited.items() if number in arrived]
    behind = [arrived[number] - at for number, at in waited_behind.items() if number in arrived]
    began = min(waited_behind.values())
    times = [at for number, at in arrived.items() if at >= began]
    times.sort()
    return {
        "rate": rate,
        "sent": len(times),
        "used %": 100 * (len(times) - 1) / (rate * (times[-1] - times[0])),
        "busiest second": busiest_second(times),
        "allowed": most_in_a_second(rate),
        "reply alone ms": 1000 * statistics.median(alone),
        "reply ms": 1000 * statistics.median(behind),
        "reply worst ms": 1000 * max(behind),
        "replies lost": len(waited) + len(waited_behind) - len(alone) - len(behind),
    }


def contention() -> dict[str, float]:
    """How many grants of one message a channel's row gives, to one process and to eight at once."""
    from tests.messengers.house import make_channel

    cost = {}
    for workers in (1, WORKERS):
        channel = make_channel(rate_per_second=10_000_000.0)
        grants = contend(channel.id, workers=workers, seconds=2.0, how=one_by_one)
        lasted = max(after for _, after in grants) - min(before for before, _ in grants)
        cost[f"grants/s, {workers} asking"] = len(grants) / lasted
    return cost


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rates", default="0.5,5,30,80,1000")
    options = parser.parse_args()
    from tests.chaos.databases import house

    rows = []
    with house(), tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "accepted.jsonl"
        with provider(log) as url:
            for rate in map(float, options.rates.split(",")):
                rows.append(send(rate, options.seconds, url, log))
                print(table(rows[-1:]), flush=True)
        cost = contention()
    print(f"\n{table(rows)}\n\n{table([cost])}")
    is_exact = all(
        row["used %"] >= 95 and row["busiest second"] <= row["allowed"] and not row["replies lost"]
        for row in rows
    )
    return 0 if is_exact else 1


@contextmanager
def provider(log: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.standins.http_provider", "--log", str(log)]
    command += ["--latency", "0.02"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def table(rows: Sequence[dict[str, float]]) -> str:
    """In Markdown."""
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(f'{row[name]:,.1f}' for name in names)} |" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
