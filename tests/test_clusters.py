import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.clusters import PROJECT, TemporaryClusters, prepared

STARTER = """
import time
from tests.clusters import TemporaryClusters
print(TemporaryClusters(("data",)).start().folder, flush=True)
time.sleep(600)
"""
PATIENCE_SECONDS = 60.0


def test_a_killed_run_leaves_neither_server_nor_folder():
    run = subprocess.Popen(
        [sys.executable, "-c", STARTER], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout
    folder = Path(run.stdout.readline().strip())
    assert (folder / "postgresql" / "data" / "postmaster.pid").exists()

    run.send_signal(signal.SIGKILL)
    run.communicate()

    deadline = time.monotonic() + PATIENCE_SECONDS
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not folder.exists()


@pytest.fixture(scope="module")
def cluster():
    with TemporaryClusters(("data",)) as clusters:
        yield clusters.cluster("data")


def test_values_of_a_failing_statement_never_reach_the_servers_log(cluster):
    with cluster.connect() as connection:
        connection.execute("CREATE TABLE people (phone text UNIQUE)")
        insert = "INSERT INTO people VALUES (%s)"
        connection.execute(insert, ["+4917604069001"])
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(insert, ["+4917604069001"])

    log = cluster.log.read_text()
    assert "duplicate key value" in log
    assert "4917604069001" not in log


def test_the_servers_listen_on_no_network_and_trust_nobody(cluster):
    with cluster.connect() as connection:
        rules = connection.execute("SELECT type, auth_method FROM pg_hba_file_rules").fetchall()
        address = connection.execute("SHOW listen_addresses").fetchone()

    assert set(rules) == {("local", "peer")}
    assert address == ("",)
    assert cluster.sockets.stat().st_mode & 0o777 == 0o700


def test_a_run_begins_with_what_an_earlier_one_left_on_the_shelf(tmp_path):
    store = tmp_path / "shelf" / "store"
    store.parent.mkdir()
    with TemporaryClusters(("data",), store) as first:
        with first.cluster("data").connect() as connection:
            connection.execute("CREATE DATABASE test_template")
        prepared(first.folder, "data").touch()
    assert store.exists()

    with TemporaryClusters(("data",), store) as second:
        assert has_template(second)

    shutil.rmtree(store / "data")  # another run clears the shelf at this very moment
    with TemporaryClusters(("data",), store) as third:
        assert not has_template(third)


def has_template(clusters: TemporaryClusters) -> bool:
    with clusters.cluster("data").connect() as connection:
        query = "SELECT 1 FROM pg_database WHERE datname = 'test_template'"
        return connection.execute(query).fetchone() is not None
