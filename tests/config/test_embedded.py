"""The parts of the house, one by one; its whole life is in tests/journeys/test_story.py."""

import os
import secrets
import stat
import sys
import time
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.embedded import processes
from config.embedded.cluster import Cluster
from config.embedded.home import Home, HouseError, ServerUser
from config.embedded.plan import Plan
from config.embedded.processes import MARK, Service, end_marked, marked, trim
from config.embedded.secrets import make_secrets

PATIENCE_SECONDS = 30.0
TOKEN = secrets.token_hex(8)


def service(tmp_path: Path, code: str, **environment: str) -> Service:
    everything = {**os.environ, **environment}
    return Service("tested", [sys.executable, "-c", code], tmp_path / "tested.log", everything)


def wait_until_dead(watched: Service) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while watched.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not watched.alive


def test_secrets_are_made_once_and_readable_by_their_owner_alone(tmp_path):
    make_secrets(tmp_path / "secrets")
    before = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}

    make_secrets(tmp_path / "secrets")

    files = list((tmp_path / "secrets").iterdir())
    assert {file.name: file.read_text() for file in files} == before
    assert sorted(before) == ["root.key", "secret.key"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o400}
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_a_program_that_keeps_dying_is_started_later_each_time(tmp_path):
    watched = service(tmp_path, "raise SystemExit(3)")
    watched.start()
    pauses = []

    for _ in range(3):
        wait_until_dead(watched)
        assert "tested ended (code 3)" in str(watched.tend())
        pauses.append(watched.next_start_at - time.monotonic())
        watched.next_start_at = 0.0  # as if the pause were over
        assert watched.tend() is None

    watched.kill()
    assert [round(pause, 1) for pause in pauses] == [0.5, 1.0, 2.0]
    assert watched.deaths == 3


def test_ending_a_program_ends_what_it_has_started(tmp_path):
    child = "import subprocess; subprocess.Popen(['sleep', '600']).wait()"
    watched = service(tmp_path, child, **{MARK: TOKEN})
    watched.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(list(marked(TOKEN))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(list(marked(TOKEN))) == 2

    watched.kill()

    assert end_marked(TOKEN, PATIENCE_SECONDS) in (0, 1)  # the kernel may still be at it
    assert list(marked(TOKEN)) == []


def test_only_processes_with_the_very_token_are_ended(tmp_path):
    other = service(tmp_path, "import time; time.sleep(600)", **{MARK: f"{TOKEN}-of-another-house"})
    other.start()

    ended = end_marked(f"{TOKEN}-of", PATIENCE_SECONDS)

    assert ended == 0
    assert other.alive
    other.kill()


def test_a_log_that_grew_too_long_is_cut_and_kept_once(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "LOG_BYTES_MAX", 10)
    log = tmp_path / "web.log"
    log.write_text("short")
    trim(log)
    assert log.read_text() == "short"

    log.write_text("longer than ten")
    trim(log)

    assert log.read_text() == ""
    assert (tmp_path / "web.log.1").read_text() == "longer than ten"


def test_data_of_another_postgresql_are_left_alone(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "jawort.conf").touch()
    (data / "PG_VERSION").write_text("16\n")
    user = ServerUser("me", os.geteuid(), os.getegid())
    binaries = tmp_path / "pginstall18"
    cluster = Cluster("data", data, tmp_path / "s", binaries, user, tmp_path / "log")

    with pytest.raises(HouseError, match=r"PostgreSQL 16's, and PostgreSQL 18 is installed"):
        cluster.make()

    assert sorted(file.name for file in data.iterdir()) == ["PG_VERSION", "jawort.conf"]


def test_a_long_path_gets_short_sockets(var):
    var = var.parent / ("long" * 30) / "var"
    var.mkdir(parents=True)

    home = Home.decide(var)

    assert len(str(home.socket_folder("keystore")) + "/.s.PGSQL.5432") <= 107
    assert Home.of(var) == home


@pytest.fixture
def plan(monkeypatch, tmp_path):
    """Reads the plan with nothing set but what the test says."""

    def read(**environment: str) -> Plan:
        for name in ("DATABASE_URL", "JAWORT_ORIGIN", "JAWORT_BIND", "JAWORT_DEMO"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("JAWORT_ENV_FILE", os.devnull)
        monkeypatch.setenv("JAWORT_VAR", str(tmp_path))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return Plan.read()

    return read


def test_with_nothing_set_it_is_a_demo_on_this_machine(plan):
    found = plan()

    assert (found.embedded, found.demo, found.bind) == (True, True, ("127.0.0.1", 8000))
    assert set(found.commands) == {"web", "sender", "helper", "beat", "mailbox"}
    assert found.ports["JAWORT_MAILBOX_PORT"] == ("127.0.0.1", 8025)


def test_with_a_database_there_is_neither_cluster_nor_demo(plan):
    found = plan(
        DATABASE_URL="postgresql://app@db/jawort",
        JAWORT_ORIGIN="https://news.example.org",
        JAWORT_BIND="[::1]:9000",
    )

    assert (found.embedded, found.demo, found.bind) == (False, False, ("::1", 9000))
    assert set(found.commands) == {"web", "sender", "helper", "beat"}


def test_a_wrong_place_to_listen_is_named(plan):
    with pytest.raises(ImproperlyConfigured, match="JAWORT_BIND must look like"):
        plan(JAWORT_ORIGIN="https://news.example.org", JAWORT_BIND="everywhere")
