"""Running the same work in several processes at once, and what it cost all who took part."""

import ctypes
import json
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from django.db import connections

from tests.bench.sink import Sink
from tests.clusters import TemporaryClusters

PR_SET_PDEATHSIG = 1  # linux/prctl.h
TICK = os.sysconf("SC_CLK_TCK")
Told = dict[str, Any]


@dataclass
class Cost:
    """What happened between two moments. `told` is what each process said of itself."""

    messages: int = 0
    seconds: float = 0.0
    worker_cpu: float = 0.0
    database_cpu: float = 0.0
    provider_cpu: float = 0.0
    wal_bytes: int = 0
    data_bytes: int = 0
    told: list[Told] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.messages / self.seconds if self.seconds else 0.0

    def micros(self, cpu_seconds: float) -> float:
        """CPU microseconds per message."""
        return cpu_seconds / self.messages * 1e6 if self.messages else 0.0

    @property
    def peak_mb(self) -> float:
        """Of the worker that needed most memory."""
        return max((told["peak_mb"] for told in self.told), default=0.0)


def together(number: int, work: Callable[[int], Told | int | None]) -> tuple[float, list[Told]]:
    """Let forked processes do `work(0)`, `work(1)` … at the same time: (seconds, what each tells).

    Each tells its CPU seconds (`cpu`) and its peak memory (`peak_mb`); `work` may add to it, or
    return how many messages it sent. Raises `RuntimeError` if one of them fails.
    """
    connections.close_all()
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(number + 1)
    pipes, processes = [], []
    for index in range(number):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_take_part, args=(partial(work, index), gate, theirs))
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    try:
        gate.wait(60)
        began = time.monotonic()
        told = [json.loads(pipe.recv_bytes()) for pipe in pipes]
        seconds = time.monotonic() - began
    except (EOFError, OSError):
        raise RuntimeError("A worker of the bench failed; its error stands above.") from None
    finally:
        for process in processes:
            process.join(5)
            if process.is_alive():
                process.kill()
    return seconds, told


def _take_part(work: Callable[[], Told | int | None], gate: Any, pipe: Any) -> None:
    die_with_parent()
    gate.wait(60)
    before = resource.getrusage(resource.RUSAGE_SELF)
    found = work()
    used = resource.getrusage(resource.RUSAGE_SELF)
    told = found if isinstance(found, dict) else {"messages": found or 0}
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    pipe.send_bytes(json.dumps({"cpu": cpu, "peak_mb": peak_mb(), **told}).encode())


def die_with_parent() -> None:
    """Let a killed bench leave no worker behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def peak_mb() -> float:
    """The most memory that this process has had resident."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


class Meter:
    """Reads what servers have used. `clusters` may be None for parts without a database."""

    def __init__(self, clusters: TemporaryClusters | None, sink: Sink | None = None) -> None:
        self.clusters = clusters
        self.sink = sink

    @contextmanager
    def measured(self, cost: Cost) -> Iterator[Cost]:
        """Fill `cost` with what servers use within the block."""
        before = self._read()
        yield cost
        cost.worker_cpu = sum(told["cpu"] for told in cost.told)
        after = self._read()
        cost.database_cpu, cost.provider_cpu = after[0] - before[0], after[1] - before[1]
        cost.wal_bytes, cost.data_bytes = after[2] - before[2], after[3] - before[3]

    def _read(self) -> tuple[float, float, int, int]:
        provider = self.sink.cpu_seconds() if self.sink else 0.0
        if self.clusters is None:
            return 0.0, provider, 0, 0
        wal, size = self._sizes()
        # Read last: the answers to our own questions are part of both readings.
        return self._database_cpu(), provider, wal, size

    def _database_cpu(self) -> float:
        assert self.clusters
        names = self.clusters.names
        return sum(_cpu(pid) for name in names for pid in self.clusters.cluster(name).processes())

    def _sizes(self) -> tuple[int, int]:
        assert self.clusters
        with self.clusters.cluster("data").connect("jawort") as line:
            found = line.execute(
                "SELECT pg_current_wal_insert_lsn() - '0/0', pg_database_size(current_database())"
            ).fetchone()
        assert found
        return int(found[0]), int(found[1])


def _cpu(pid: int) -> float:
    """CPU seconds of a process and of those of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(fields[index]) for index in (11, 12, 13, 14)) / TICK
