"""`manage.py run` as people meet it: real processes, real signals, real ports."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from config.embedded.cluster import Cluster
from config.embedded.home import CLUSTERS, DATABASE, OWNER, Home, server_user
from config.embedded.processes import marked

PROJECT = Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 120.0
pytestmark = pytest.mark.slow


class RunningHouse:
    """One `manage.py run` on a free port, with its data in `var`."""

    def __init__(self, var: Path, port: int, **environment: str) -> None:
        self.var, self.port = var, port
        plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "run"],
            cwd=PROJECT,
            env={
                **plain,
                "JAWORT_ENV_FILE": os.devnull,
                "JAWORT_VAR": str(var),
                "JAWORT_ORIGIN": f"http://127.0.0.1:{port}",
                "JAWORT_DEMO": "no",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait_ready(self) -> None:
        assert self.process.stdout
        said = ""
        for line in self.process.stdout:
            if "is ready" in line:
                return
            said += line
        raise AssertionError(f"The house ended with code {self.process.wait()}: {said}")

    def end(self, how: signal.Signals = signal.SIGINT) -> str:
        """Signal the supervisor, wait for its end, return what it still said."""
        self.process.send_signal(how)
        return self.process.communicate(timeout=PATIENCE_SECONDS)[0]

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


def test_the_life_of_a_house(var):
    """One test, because each start costs seconds: a life in order, with a kill at every turn."""
    first = RunningHouse(var, free_port())
    first.wait_ready()
    assert first.is_ready()
    with first.cluster("data").connect(DATABASE, OWNER) as database:
        database.execute("CREATE TABLE kept (word text)")
        database.execute("INSERT INTO kept VALUES ('Jawort')")

    # A second start beside it says one sentence and touches nothing.
    second = RunningHouse(var, free_port())
    assert second.process.communicate(timeout=PATIENCE_SECONDS)[0].splitlines() == [
        f"Jawort cannot start: Jawort already runs on {var}: use it, or stop it first."
    ]
    assert second.process.returncode == 1
    assert first.is_ready()

    # A program that dies is started again.
    [web] = [pid for pid in first.programs() if is_granian_chief(pid)]
    os.kill(web, signal.SIGKILL)
    assert eventually(lambda: any(is_granian_chief(pid) for pid in first.programs() if pid != web))
    assert eventually(first.is_ready)

    # So is a server.
    chief = first.cluster("keystore")._postmaster()
    os.kill(chief, signal.SIGKILL)
    assert eventually(lambda: first.cluster("keystore")._postmaster() not in (0, chief))
    assert eventually(first.is_ready)

    # Killed all at once, but for one program that lives on: the next start recovers, finds the
    # data and ends what was left behind, and only that.
    stranger = subprocess.Popen(["sleep", "600"])
    orphan = next(pid for pid in first.programs() if is_beat(pid))
    first.kill_everything(but=orphan)
    assert eventually(lambda: first.programs() == [orphan])  # the dead take a moment to go
    third = RunningHouse(var, free_port())
    third.wait_ready()
    assert third.is_ready()
    with third.cluster("data").connect(DATABASE) as database:
        assert database.execute("SELECT word FROM kept").fetchone() == ("Jawort",)
    assert not Path(f"/proc/{orphan}").exists()
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()

    # Ctrl-C: no process of ours is left, neither program nor server.
    token = third.token
    assert "All data are kept." in third.end()
    assert third.process.returncode == 0
    assert list(marked(token)) == []
    assert third.servers() == []


def is_beat(pid: int) -> bool:
    return b"beat" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def is_granian_chief(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
        return (
            b"granian" in words and b"granian" not in Path(f"/proc/{parent}/cmdline").read_bytes()
        )
    except OSError:
        return False


def test_a_taken_port_is_one_clear_sentence(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        house = RunningHouse(tmp_path / "var", port)
        said = house.process.communicate(timeout=PATIENCE_SECONDS)[0]

    assert house.process.returncode == 1
    assert re.fullmatch(
        rf"Jawort cannot start: Port {port} on 127.0.0.1 cannot be used \(Address already in use\):"
        r" stop the program that has it, or set JAWORT_ORIGIN to another one.\n",
        said,
    )


def test_a_folder_that_cannot_be_written_is_one_clear_sentence(tmp_path):
    (tmp_path / "file").write_text("")  # a file in the way stops root too, permissions do not

    house = RunningHouse(tmp_path / "file" / "var", free_port())
    said = house.process.communicate(timeout=PATIENCE_SECONDS)[0]

    assert house.process.returncode == 1
    assert said.splitlines() == [
        f"Jawort cannot start: {tmp_path}/file/var cannot be written (Not a directory):"
        " make it writable for this user, or set JAWORT_VAR to another folder."
    ]


def test_a_wrong_setting_is_one_clear_sentence(tmp_path):
    house = RunningHouse(tmp_path / "var", free_port(), JAWORT_DEMO="vielleicht")

    assert house.process.communicate(timeout=PATIENCE_SECONDS)[0].splitlines() == [
        "Jawort cannot start: JAWORT_DEMO must be yes or no."
    ]
    assert house.process.returncode == 1


def test_a_command_without_databases_is_one_clear_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "manage.py", "clearsessions"],
        cwd=PROJECT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings_test"}
        | {"JAWORT_VAR": str(tmp_path), "DATABASE_URL": "", "KEYSTORE_URL": ""},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "The databases do not answer: start Jawort (`make run`), or check DATABASE_URL and"
        " KEYSTORE_URL."
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another user")
def test_root_below_a_folder_nobody_enters_moves_the_clusters(tmp_path, monkeypatch):
    monkeypatch.setattr("config.embedded.home.SHARED_FOLDER", Path(f"/tmp/jawort-{os.getpid()}"))
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    var = hidden / "var"
    var.mkdir()

    home = Home.decide(var)

    assert home.folder.is_relative_to(f"/tmp/jawort-{os.getpid()}")
    assert server_user(home.folder).can(home.binaries / "bin" / "initdb", "--version")
    assert hidden.stat().st_mode & 0o777 == 0o700
    assert Home.decide(var) == home
    assert json.loads((var / "embedded.json").read_text())["folder"] == str(home.folder)
    subprocess.run(["rm", "-r", f"/tmp/jawort-{os.getpid()}"], check=True)
