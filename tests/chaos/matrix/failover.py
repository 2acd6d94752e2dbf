"""The database is lost and its standby takes over: nothing is forgotten, or nothing is sent."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.chaos.matrix.looking import ask_all, until
from tests.chaos.matrix.plant import Plant, plant
from tests.chaos.matrix.scenes import or_skip
from tests.chaos.scenarios import Seen, scenario, tested
from tests.standins.fault_proxy import FaultProxy

if TYPE_CHECKING:
    from config.embedded.cluster import Cluster

PEOPLE = 6000
LAG_SECONDS = 3.0
SILENCE_SECONDS = 25.0  # in which everybody has come back, and nobody may send
KNOWN = ("accepted", "in_doubt", "failed", "delivered", "read", "undelivered")


class Standby:
    """A streaming replica of the plant's data; its line to the primary can be stalled."""

    def __init__(self, house: Plant) -> None:
        self.house = house
        self.primary: Cluster = house.clusters.cluster("data")
        home = house.clusters.home
        socket = self.primary.sockets / ".s.PGSQL.5432"
        self.line = house.stack.enter_context(FaultProxy(f"unix:{socket}"))
        self.cluster = replace(
            self.primary,
            name="standby",
            data=home.folder / "standby",
            sockets=home.sockets / "standby",
            log=house.folder / "standby.log",
        )
        self.server: Any = None

    def start(self) -> None:
        done = subprocess.run(
            [
                *(self.cluster.program("pg_basebackup"), "-D", str(self.cluster.data)),
                *("-h", "127.0.0.1", "-p", str(self.line.port), "-U", "postgres"),
                *("-R", "-X", "stream", "-c", "fast"),
            ],
            cwd="/",
            capture_output=True,
            text=True,
            **self._as_server_user(),
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-500:])
        self.cluster.configure()
        self.server = self.cluster.start()
        self.house.stack.callback(self.stop)
        self.cluster.wait_ready(self.server)

    def _as_server_user(self) -> dict[str, Any]:
        parent = self.cluster.data.parent
        self.cluster.data.mkdir(mode=0o700)
        os.chown(self.cluster.data, self.cluster.user.uid, self.cluster.user.gid)
        assert parent.is_dir()
        return self.cluster.user.run_options()

    def stop(self) -> None:
        self.server.kill()
        self.server.wait()
        shutil.rmtree(self.cluster.data, ignore_errors=True)

    def is_streaming(self) -> bool:
        with self.primary.connect() as connection:
            found = connection.execute("SELECT state FROM pg_stat_replication").fetchall()
        return found == [("streaming",)]

    def take_over(self) -> None:
        """kill -9 the primary, promote, and let every program's line end here."""
        pid = int((self.primary.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        until(lambda: not any(self.primary.processes()), 30)
        with self.cluster.connect() as connection:
            connection.execute("SELECT pg_promote()")
        old = self.house.lines["database"]
        old.__exit__()
        socket = self.cluster.sockets / ".s.PGSQL.5432"
        fresh = FaultProxy(f"unix:{socket}", listen=old.address)
        self.house.lines["database"] = self.house.stack.enter_context(fresh)
        self._ourselves()

    def _ourselves(self) -> None:
        from django.db import connections

        for connection in [connections["default"]]:
            connection.close()
            connection.settings_dict["HOST"] = str(self.cluster.sockets)


def wanted(connection: Any, **settings: str) -> None:
    for name, value in settings.items():
        connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    connection.execute("SELECT pg_reload_conf()")


def unknown(house: Plant) -> int:
    """How many messages the provider has that this database would send again."""
    import json

    from messengers.attempts import open_attempt

    states = {row[0]: row[1] for row in ask_all("SELECT id, status FROM messengers_delivery")}
    wire = {
        row[0]
        for row in ask_all(
            "SELECT d.id FROM messengers_delivery d JOIN messengers_batch b ON b.id = d.batch_id"
            " WHERE b.status = 'working' AND d.position = ANY(b.on_wire)"
        )
    }
    arrived = [open_attempt(json.loads(line)["attempt"]) for line in house.log.open()]
    return sum(
        states.get(attempt.delivery) not in KNOWN and attempt.delivery not in wire
        for attempt in arrived
        if attempt
    )


def fail_over(*, is_synchronous: bool) -> tuple[Plant, dict[str, Any]]:
    """Lose the primary in the middle of a broadcast; what was seen until somebody activates."""
    seen: dict[str, Any] = {}
    with plant(broker="redis", recipients=PEOPLE, rate=250, lines=("database",)) as house:
        standby = Standby(house)
        standby.start()
        with standby.primary.connect() as connection:
            wanted(connection, synchronous_commit="on")
            if is_synchronous:
                wanted(connection, synchronous_standby_names="*")
        until(standby.is_streaming, 20)
        house.start("sender", "sender2", "helper", "beat")
        house.broadcast()
        until(lambda: house.arrived() > 1000, 60)
        if not is_synchronous:
            standby.line.stall()
            time.sleep(LAG_SECONDS)
        standby.take_over()
        seen["at once"] = house.arrived()
        seen["unknown"] = unknown(house)
        time.sleep(SILENCE_SECONDS)
        seen["by themselves"] = house.arrived() - seen["at once"]
        activate(house, seen)
        if is_synchronous:
            from messengers.outbox import resume

            resume(house.dispatch.id)
            seen["finished"] = house.until_finished(90)
            seen["verdict"] = house.judged()
        else:
            time.sleep(SILENCE_SECONDS / 2)
            seen["after"] = house.arrived() - seen["at once"] - seen["by themselves"]
    return house, seen


def activate(house: Plant, seen: dict[str, Any]) -> None:
    """What a person does: `manage.py activate`."""
    from django.core.management import call_command

    from messengers import instance

    seen["why"] = instance.why_not()
    call_command("activate", stdout=io.StringIO())
    query = "SELECT status FROM messengers_dispatch WHERE id = %s"
    seen["status"] = ask_all(query, house.dispatch.id)[0][0]


@scenario(
    "C9",
    event="the primary dies, its synchronous standby is promoted",
    promised="RPO 0; nothing is sent until `activate`, then 0 lost and 0 doubled",
)
@or_skip
def synchronous() -> Seen:
    _, seen = fail_over(is_synchronous=True)
    verdict = seen["verdict"]
    text = (
        f"{seen['at once']} sent before, {seen['unknown']} of them unknown to the standby,"
        f" {seen['by themselves']} sent before activation; {seen['status']} at activation;"
        f" after `resume`: {verdict}"
    )
    ok = seen["finished"] and verdict.is_clean and not seen["unknown"]
    return Seen(text, bool(ok and not seen["by themselves"] and seen["why"]))


@scenario(
    "C10 standby",
    event="the primary dies, a standby that lags by 3 s is promoted",
    promised="nothing is sent until `activate`; broadcasts are paused then",
)
@or_skip
def asynchronous() -> Seen:
    _, seen = fail_over(is_synchronous=False)
    text = (
        f"{seen['at once']} sent before, {seen['unknown']} of them unknown to the standby;"
        f" {seen['by themselves']} sent before activation, {seen['after']} after it; broadcast"
        f" {seen['status']}"
    )
    held = not seen["by themselves"] and not seen["after"] and seen["status"] == "paused"
    return Seen(text, bool(held and seen["unknown"] and seen["why"]))


tested(
    "C10 restore",
    "tests/messengers/test_instance.py",
    event="a restored, cloned, moved or older copy of the databases",
    promised="known for one; nothing is sent until `activate`",
)
