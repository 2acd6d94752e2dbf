"""What `manage.py run` says when it cannot; its life is told in tests/journeys/test_story.py."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from config.embedded.home import Home, server_user
from tests.houses import PATIENCE_SECONDS, PROJECT, RunningHouse, free_port

pytestmark = pytest.mark.slow


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
