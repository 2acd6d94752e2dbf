"""Programs that run beside each other: started, watched, ended together with their children."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

# Every process of a run carries this in its environment, so that a later run finds what is left.
MARK = "JAWORT_RUN"
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
GROWN_UP_SECONDS = 60.0
STEP_SECONDS = 0.05
# A worker finishes what it has begun; the engine works for at most 30 s at a time.
GRACE_SECONDS = 35.0
LOG_BYTES_MAX = 20 * 1024 * 1024


class Service:
    """One long-running program; `tend` restarts it when it died, later each time.

    `grace` is how many seconds it gets to finish what it has begun when it is asked to stop.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        log: Path,
        environment: Mapping[str, str],
        grace: float = GRACE_SECONDS,
    ):
        self.name = name
        self.command = command
        self.log = log
        self.environment = environment
        self.grace = grace
        self.process: subprocess.Popen[bytes] | None = None
        self.pause = FIRST_PAUSE_SECONDS
        self.started_at = 0.0
        self.next_start_at = 0.0
        self.deaths = 0

    def start(self) -> None:
        """Start the program as the head of a session of its own, so that Ctrl-C reaches only us."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started_at = time.monotonic()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def tend(self) -> str | None:
        """Look after the program once; returns a sentence when it has died."""
        now = time.monotonic()
        if self.alive:
            if now - self.started_at > GROWN_UP_SECONDS:
                self.pause = FIRST_PAUSE_SECONDS
            return None
        if self.process is not None:
            code = self.process.returncode
            self.end_family(signal.SIGKILL)
            self.process = None
            self.deaths += 1
            self.next_start_at = now + self.pause
            self.pause = min(self.pause * 2, LONGEST_PAUSE_SECONDS)
            return f"{self.name} ended (code {code}) and is started again; see {self.log}"
        if now >= self.next_start_at:
            self.start()
        return None

    def end_family(self, how: signal.Signals) -> None:
        """Signal the program and whatever it has started."""
        if self.process is not None:
            _signal_group(self.process.pid, how)

    def ask_to_stop(self) -> None:
        """Signal the program alone: it knows how to stop its children in order."""
        if self.alive and self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        """End what is left of the program and of whatever it has started."""
        self.end_family(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()


def _signal_group(group: int, how: signal.Signals) -> None:
    try:
        os.killpg(group, how)
    except (ProcessLookupError, PermissionError):
        return


def marked(token: str) -> Iterator[int]:
    """The ids of the processes that carry `token`; the kernel keeps what they were started with."""
    wanted = f"{MARK}={token}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)
            except OSError:
                continue


def end_marked(token: str, seconds: float) -> int:
    """End every process that carries `token`: first politely, then by force; returns how many."""
    found = list(marked(token))
    for how, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, seconds)):
        for pid in marked(token):
            _signal(pid, how)
        deadline = time.monotonic() + patience
        while any(marked(token)) and time.monotonic() < deadline:
            time.sleep(STEP_SECONDS)
    return len(found)


def _signal(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except (ProcessLookupError, PermissionError):
        return


def trim(log: Path) -> None:
    """Keep one earlier file of a log that has grown too long; its writers only append."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.with_suffix(".log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)
