"""`manage.py run` as people meet it: real processes, real signals, real ports."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from config.embedded.cluster import Cluster
from config.embedded.home import CLUSTERS, Home
from config.embedded.processes import marked
from config.story.system import System, sign_ins_in
from tests.clusters import in_memory

PROJECT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 120.0


class RunningHouse:
    """One `manage.py run` on a free port, with its data in `var`."""

    def __init__(self, var: Path, port: int, **environment: str) -> None:
        self.var, self.port = var, port
        self.said = ""  # up to the moment when it was ready
        plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "run"],
            cwd=PROJECT,
            env={
                **plain,
                "JAWORT_ENV_FILE": os.devnull,
                "JAWORT_VAR": str(var),
                "JAWORT_ORIGIN": f"http://127.0.0.1:{port}",
                "JAWORT_MAILBOX_PORT": str(free_port()),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait_ready(self) -> Self:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            if "Ctrl-C" in line:
                return self
        raise AssertionError(f"The house ended with code {self.process.wait()}: {self.said}")

    def end(self, how: signal.Signals = signal.SIGINT) -> str:
        """Signal the supervisor, wait for its end, return what it still said."""
        self.process.send_signal(how)
        return self.process.communicate(timeout=PATIENCE_SECONDS)[0]

    def as_system(self) -> System:
        """What the story has to know of it."""
        return System(f"http://127.0.0.1:{self.port}", sign_ins_in(self.said))

    @property
    def token(self) -> str:
        return (self.var / "run" / "token").read_text()

    def programs(self) -> list[int]:
        return list(marked(self.token))

    def servers(self) -> list[int]:
        return [pid for name in CLUSTERS for pid in self.cluster(name).processes()]

    def cluster(self, name: str) -> Cluster:
        return Cluster.at(Home.of(self.var), name, self.var / "log" / f"{name}.log")

    def kill_everything(self, *, but: int) -> None:
        for pid in {self.process.pid, *self.programs(), *self.servers()} - {but}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.communicate(timeout=PATIENCE_SECONDS)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as page:
                return page.status == 200
        except OSError:
            return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(statement: Callable[[], object]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not statement():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@contextmanager
def passable_folder() -> Iterator[Path]:
    """One that the servers' own user may pass, as below most clones; pytest's are 0700."""
    folder = Path(tempfile.mkdtemp(prefix="jawort-house-", dir=in_memory()))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def running_house() -> Iterator[RunningHouse]:
    """A house after its first start, with the demo newsroom; whatever runs of it ends with it."""
    with passable_folder() as folder:
        house = RunningHouse(folder / "var", free_port())
        try:
            yield house.wait_ready()
        finally:
            if house.process.poll() is None:
                house.end(signal.SIGTERM)
