"""Disks that are full: under the database and its log, under the application, under the broker."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos.matrix.looking import Missing, until
from tests.chaos.matrix.plant import Plant, plant
from tests.chaos.matrix.scenes import is_withdrawn, or_skip, said
from tests.chaos.scenarios import Seen, scenario

FULL_SECONDS = 20.0
RESUME_SECONDS = 60.0  # crash recovery of the database and one lease
PEOPLE = 8000


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of its own in memory; root alone may make one."""
    if os.geteuid() != 0:
        raise Missing("only root can mount a small disk")
    folder = Path(tempfile.mkdtemp(prefix="jawort-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        folder.rmdir()
        raise Missing("this machine lets nobody mount a small disk")
    try:
        yield folder
    finally:
        until(lambda: _unmounted(folder), 30, step=0.5, or_fail=False)


def _unmounted(folder: Path) -> bool:
    if subprocess.run(["umount", str(folder)], capture_output=True).returncode:
        return False
    folder.rmdir()
    return True


class Filler:
    """A file that takes the rest of a disk, and gives it back."""

    def __init__(self, disk: Path) -> None:
        self.file = disk / "filler"

    def fill(self, leave: int = 0) -> None:
        """Take everything but `leave` bytes; again and again until nothing is left to take."""
        with self.file.open("ab", buffering=0) as filler:
            while True:
                rest = os.statvfs(self.file).f_bavail * os.statvfs(self.file).f_frsize - leave
                if rest <= 0:
                    return
                try:
                    filler.write(b"\0" * min(rest, 1 << 20))
                except OSError:
                    return

    def give_back(self) -> None:
        self.file.unlink()


@scenario(
    "C14 database",
    event="the disk of both databases and of their logs is full for a while",
    promised="nothing is sent without a committed intent, hooks answer 503, recovers by itself",
)
@or_skip
def database() -> Seen:
    with (
        small_disk(700) as disk,
        plant(broker="redis", recipients=PEOPLE, rate=200, place=disk) as house,
    ):
        house.start("sender", "sender2", "helper", "beat", "web")
        house.broadcast()
        until(lambda: house.arrived() > 500, 60)
        filler = Filler(disk)
        began = time.monotonic()
        answers: list[int] = []
        while time.monotonic() - began < FULL_SECONDS:
            filler.fill()
            answers.append(
                said(house, phone(PEOPLE - 1 - len(answers)), "STOP", f"s{len(answers)}")
            )
            supervise(house)
            time.sleep(1)
        while_full = house.arrived()
        time.sleep(2)
        quiet = house.arrived() - while_full
        filler.give_back()
        returned = time.monotonic()
        until(lambda: is_back(house), 90, step=0.5)
        resumed = time.monotonic() - returned + house.until_moving(RESUME_SECONDS)
        done = [n for n, answer in enumerate(answers) if answer == 200]
        closed = sum(is_withdrawn(PEOPLE - 1 - n) for n in done)
        finished = house.until_finished(180)
        verdict = house.judged()
    refused = sum(answer == 503 for answer in answers)
    text = (
        f"{FULL_SECONDS:.0f} s full: hooks {sorted(set(answers))}, {refused} of {len(answers)} 503,"
        f" {closed} of {len(done)} answered by 200 closed their gate; {quiet} sent in 2 s of it;"
        f" sending {resumed:.0f} s after space came back; {verdict}"
    )
    ok = finished and verdict.is_clean and closed == len(done) and refused
    return Seen(text, bool(ok and set(answers) <= {200, 503}))


def phone(number: int) -> str:
    from tests.messengers.house import phone as phone_of

    return phone_of(number)


def supervise(house: Plant) -> None:
    """A server that gave up is started again, as `manage.py run` and systemd do."""
    for name in ("data", "keystore"):
        cluster = house.clusters.cluster(name)
        if not any(cluster.processes()):
            (cluster.data / "postmaster.pid").unlink(missing_ok=True)
            server = cluster.start()
            house.stack.callback(end, server)


def end(server: Any) -> None:
    server.kill()
    server.wait()


def is_back(house: Plant) -> bool:
    supervise(house)
    import psycopg

    try:
        with house.clusters.cluster("data").connect():
            return True
    except psycopg.Error:
        return False


@scenario(
    "C14 application",
    event="the disk of the application's own files (var/) is full",
    promised="broadcast and hooks go on: nothing that is promised stands there",
)
@or_skip
def application() -> Seen:
    with (
        small_disk(20) as disk,
        plant(broker="redis", recipients=4000, var=disk / "var") as house,
    ):
        house.start("sender", "sender2", "helper", "beat", "web")
        house.broadcast()
        house.until_moving(60)
        Filler(disk).fill()
        answers = {said(house, phone(3999 - n), "STOP", f"s{n}") for n in range(5)}
        finished = house.until_finished(90)
        verdict = house.judged()
    ok = finished and verdict.is_clean and not verdict.doubts and answers == {200}
    return Seen(f"hooks {sorted(answers)}; {verdict}", ok)


@scenario(
    "C14 broker",
    event="the disk of RabbitMQ is full: it takes no message any more",
    promised="only delay; hooks are answered; sending ≤ 15 s after space came back",
)
@or_skip
def broker() -> Seen:
    with (
        small_disk(300) as disk,
        plant(broker="rabbitmq", recipients=8000, rate=150, broker_place=disk) as house,
    ):
        house.start("sender", "sender2", "helper", "beat", "web")
        house.broadcast()
        house.until_moving(60)
        filler = Filler(disk)
        filler.fill(leave=20 << 20)  # below RabbitMQ's own limit of 50 MB
        answers: set[int] = set()
        began, slowest = time.monotonic(), 0.0
        while time.monotonic() - began < 2 * FULL_SECONDS:
            asked = time.monotonic()
            answers.add(said(house, phone(7999 - len(answers)), "STOP", f"s{asked}"))
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(1)
        filler.give_back()
        resumed = house.until_moving(60)
        finished = house.until_finished(150)
        verdict = house.judged()
    text = (
        f"{2 * FULL_SECONDS:.0f} s full: hooks {sorted(answers)}, slowest {slowest:.1f} s; sending"
        f" {resumed:.0f} s after space came back; {verdict}"
    )
    ok = finished and verdict.is_clean and not verdict.doubts and answers == {200}
    return Seen(text, ok and resumed <= 15)
