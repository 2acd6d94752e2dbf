"""Clocks that jump by two hours, forward and back, under workers, broker, beat and database.

libfaketime (Debian: `apt-get install faketime`) lies to a process about the time on the wall; the
monotonic clock stays. It reads the lie from a file, so that the clock jumps while all are at work.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.sink import NoCompiler, built
from tests.chaos.matrix.looking import Missing
from tests.chaos.matrix.plant import Plant, plant
from tests.chaos.matrix.scenes import or_skip
from tests.chaos.scenarios import Seen, scenario

LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
)
HOURS = ("+7200", "-7200", "+0")
STAY_SECONDS = 8.0


class Clock:
    """The clock on the wall of whoever runs with `env`."""

    def __init__(self, folder: Path) -> None:
        library = next((name for name in LIBRARIES if Path(name).exists()), None)
        if library is None:
            raise Missing("libfaketime is not installed")
        try:
            sleep = built(str(Path(__file__).with_name("sleep.c")), "-shared", "-fPIC")
        except NoCompiler:
            raise Missing("there is no C compiler") from None
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self.file = folder / "clock"
        self.set("+0")
        self.env = {
            "LD_PRELOAD": f"{sleep}:{library}",
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset: str) -> None:
        """Put it forward or back by so many seconds, like "+7200"."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{offset}\n")
        fresh.chmod(0o644)
        fresh.replace(self.file)


@contextlib.contextmanager
def clocks(*names: str) -> Iterator[list[Clock]]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="jawort-clock-") as folder:
        Path(folder).chmod(0o755)
        yield [Clock(Path(folder) / name) for name in names]


@scenario(
    "C15 worker",
    event="the clocks of two workers, the helper and beat jump by +2 h, −2 h and back",
    promised="no effect: leases and ticks go by other clocks",
)
@or_skip
def workers() -> Seen:
    with clocks("sender", "beat") as (mine, beats), plant(broker="redis", recipients=8000) as house:
        house.start("sender", "sender2", "helper", **mine.env)
        house.start("beat", **beats.env)
        slow(house, 200)
        house.broadcast()
        house.until_moving(60)
        for offset in HOURS:
            mine.set(offset)
            beats.set({"+7200": "-7200", "-7200": "+7200"}.get(offset, offset))
            time.sleep(STAY_SECONDS)
        finished = house.until_finished(90)
        verdict = house.judged()
    return Seen(str(verdict), finished and verdict.is_clean and not verdict.doubts)


@scenario(
    "C15 broker",
    event="the clock of Redis jumps by +2 h, −2 h and back",
    promised="no effect",
)
@or_skip
def broker() -> Seen:
    # Its allocator asks for the time while libfaketime is still being loaded, and both wait.
    raise Missing(
        "Redis does not start under libfaketime; its clock is read by nobody (kombu counts the"
        " visibility of tasks by the workers' clocks, which C15 worker sets)"
    )


# PostgreSQL does not start under libfaketime as another user than ours, so the rows are moved
# instead: a clock that jumps ahead ends leases, one that jumps back puts what was written ahead.
AHEAD = "UPDATE messengers_batch SET lease_until = lease_until - interval '2 h' WHERE {}"
BACK = (
    "UPDATE messengers_batch SET lease_until = lease_until + interval '2 h' WHERE {}",
    "UPDATE messengers_channel SET theoretical_arrival_at ="
    " theoretical_arrival_at + interval '2 h' WHERE theoretical_arrival_at IS NOT NULL OR {}",
)


@scenario(
    "C15 database",
    event="the database's clock jumps by 2 h, ahead and back, five times (by moving its rows)",
    promised="ahead: leases end early, doubt may grow, 0 doubled; back: sending goes on",
)
@or_skip
def database() -> Seen:
    from messengers.sql import run

    with plant(broker="redis", recipients=8000) as house:
        house.start("sender", "sender2", "helper", "beat")
        slow(house, 200)
        house.broadcast()
        house.until_moving(60)
        longest = 0.0
        for _ in range(5):
            run(AHEAD.format("status = 'working'"))
            longest = max(longest, house.until_moving(40))
            for statement in BACK:
                run(statement.format("status = 'working'" if "batch" in statement else "false"))
            longest = max(longest, house.until_moving(40))
        finished = house.until_finished(150)
        verdict = house.judged()
    text = f"at most {longest:.1f} s until the next message; {verdict}"
    return Seen(text, finished and verdict.is_clean and set(verdict.doubts) <= {"worker_lost"})


def slow(house: Plant, rate: float) -> None:
    """So that the broadcast lasts longer than the jumps."""
    from messengers.models import Channel

    Channel.objects.filter(id=house.channel.id).update(rate_per_second=rate)
