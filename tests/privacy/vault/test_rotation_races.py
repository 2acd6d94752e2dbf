"""Rotation beside everything else: real threads, real processes, really killed."""

import os
import signal
import threading
import time
from datetime import date
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connections

from messengers.engine import run
from messengers.models import Channel
from privacy import vault
from privacy.access import Actor
from privacy.ids import uuid7
from privacy.vault import Where, epochs, keyfile, wrapping
from tests.messengers.house import make_channel, make_dispatch, make_people, states
from tests.privacy.vault.conftest import forget_all
from tests.privacy.vault.test_epochs import rotate
from tests.standins.http_provider import TOKEN, Provider, running

PHONE = b"+4917604069001"
TESTER = Actor.system("tests")
DAY = date(2026, 11, 21)
WHERE = Where("messengers_address", "sealed", uuid7())


@pytest.mark.django_db(transaction=True)
def test_a_broadcast_runs_through_two_rotations_without_an_error(key_file) -> None:
    """The real engine sends, people come and go, while everything is wrapped anew twice."""
    provider, errors = Provider(), []
    with running(provider) as url:
        channel = make_channel(settings={"base_url": url, "bulk": 1}, secrets={"token": TOKEN})
        dispatch = make_dispatch([gate for _, gate in make_people(channel, 400)])
        over = threading.Event()

        def work() -> None:
            try:
                while not over.is_set():
                    run(1)
            except Exception as error:
                errors.append(error)
            finally:
                connections.close_all()

        def live() -> None:
            try:
                while not over.is_set():
                    subject = vault.new_subject()
                    sealed = vault.seal(subject, "ops", WHERE, PHONE)
                    assert vault.open_sealed(subject, "ops", WHERE, sealed) == PHONE
                    assert vault.seal_inbox(WHERE, b"STOP", DAY)
                    vault.shred(subject, "ops")
            except Exception as error:
                errors.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=act) for act in (work, live)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            rotate()
        deadline = time.monotonic() + 60
        while states(dispatch) != {"accepted": 400} and time.monotonic() < deadline:
            time.sleep(0.05)
        over.set()
        for thread in threads:
            thread.join()

        assert errors == []
        assert states(dispatch) == {"accepted": 400}
        assert len({entry["to"] for entry in provider.accepted}) == 400
        a_host_without_the_newest_line_waits(channel)
    epochs.rewrap()
    assert epochs.rows_on_old_keys() == 0
    assert epochs.current_epoch() == 3


def a_host_without_the_newest_line_waits(channel: Channel) -> None:
    """It neither gives anybody up nor blames the messenger; the line comes, and it goes on."""
    dispatch = make_dispatch([gate for _, gate in make_people(channel, 3, first=500)])
    theirs = keyfile.path().read_text()
    keyfile.remove(epochs.current_epoch())
    forget_all()

    run(1)
    channel.refresh_from_db()
    assert states(dispatch) == {"queued": 3}
    assert channel.paused_why == ""

    keyfile.write_private(keyfile.path(), theirs)
    run(5)
    assert states(dispatch) == {"accepted": 3}


@pytest.mark.django_db(transaction=True)
def test_many_that_make_the_first_key_at_once_begin_one_epoch(key_file) -> None:
    made: list[tuple[UUID, bytes]] = []
    together = threading.Barrier(6)

    def work() -> None:
        together.wait()
        forget_all()
        try:
            subject = vault.new_subject()
            made.append((subject, vault.seal(subject, "ops", WHERE, PHONE)))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    forget_all()
    assert len(made) == 6
    assert [vault.open_sealed(one, "ops", WHERE, sealed) for one, sealed in made] == [PHONE] * 6
    assert vault.root_key_fits()


@pytest.mark.django_db(transaction=True)
def test_a_rotation_killed_anywhere_goes_on(key_file, monkeypatch) -> None:
    """Real processes, really killed: before the row, and after each batch but the last."""
    monkeypatch.setattr(epochs, "ROWS_PER_STATEMENT", 4)
    people = vault.new_subjects(5)
    sealed = {one: vault.seal(one, "ops", WHERE, one.bytes) for one in people}

    def die(*_args: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(wrapping, "proof_of", die)
    assert in_child(lambda: epochs.new_epoch(TESTER)) == -signal.SIGKILL
    monkeypatch.undo()
    monkeypatch.setattr(epochs, "ROWS_PER_STATEMENT", 4)
    forget_all()
    assert set(keyfile.halves()) == {1, 2}
    assert epochs.current_epoch() == 1

    assert epochs.new_epoch(TESTER) == 2
    left = [epochs.rows_on_old_keys()]
    for _ in range(2):
        assert in_child(lambda: epochs.rewrap(progress=die)) == -signal.SIGKILL
        left.append(epochs.keys_on_old_epochs())
    assert left[0] > left[1] > left[2] > 0

    call_command("rotate_keys", stdout=(out := StringIO()))

    assert "it is finished first" in out.getvalue()
    assert epochs.current_epoch() == 2
    assert epochs.rows_on_old_keys() == 0
    forget_all()
    assert all(vault.open_sealed(one, "ops", WHERE, sealed[one]) == one.bytes for one in people)


def in_child(work) -> int:
    """How a forked process ends that does `work` with connections of its own."""
    pid = os.fork()
    if pid == 0:
        for alias in ("default", "keystore"):
            connections[alias].connection = None
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
