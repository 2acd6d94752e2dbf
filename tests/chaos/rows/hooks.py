"""C3, C8, C11, C16, C23: the hook, the answers and the database's own limits."""

import contextlib
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.rows.verdict import seen
from tests.chaos.scenarios import Seen, scenario

STRIKES = 40


@dataclass(frozen=True)
class Room:
    """People, a provider and a hook in this process's own databases."""

    stage: Any
    plan: Any
    crew: Any
    databases: Any


@contextlib.contextmanager
def room(
    people: int, *, rate: float = 100_000.0, jobs: tuple[str, ...] = ("web",)
) -> Iterator[Room]:
    """A small house: `jobs` of worker, sweeper and web, forked."""
    from tests.chaos import recorder
    from tests.chaos.crew import Crew, free_port, serve, tidy, work
    from tests.chaos.databases import house
    from tests.chaos.outside import Plan
    from tests.chaos.rounds import CALL_SECONDS, impatient, warm_up
    from tests.chaos.stage import HOOK_SECRET, provider, set_stage
    from tests.standins.http_provider import Faults

    with house() as databases, tempfile.TemporaryDirectory() as folder:
        recorder.install()
        impatient()
        log, told, port = Path(folder) / "log", Path(folder) / "told", free_port()
        with provider(log, Faults(latency=0.02)) as url:
            stage = set_stage(people, url, rate=rate, call_seconds=CALL_SECONDS)
            hook = f"http://127.0.0.1:{port}/hooks/{stage.channel}/"
            plan = Plan(hook, HOOK_SECRET, log, told, people, seed=1)
            warm_up(stage)
            known: dict[str, Callable[[], None]] = {"worker": work, "sweeper": tidy}
            crew = Crew([(job, known.get(job) or serve(port)) for job in jobs])
            try:
                wait_for_hook(plan)
                yield Room(stage, plan, crew, databases)
            finally:
                crew.stop()


def wait_for_hook(plan: Any) -> None:
    from tests.chaos.databases import wait_until
    from tests.chaos.outside import call

    assert wait_until(lambda: call(plan.url, b"{}", {}) == 403, 30.0)


def bring(plan: Any, *events: dict[str, Any], secret: str = "", seconds: float = 10.0) -> int:
    """One call of the hook, signed; its status, or 0 without an answer."""
    from messengers.signature import signed_headers
    from tests.chaos.outside import call, now

    told = [{"at": now()} | event for event in events]
    body = json.dumps({"events": told}).encode()
    ref = f"hook-{events[0]['id']}-{time.monotonic_ns()}"
    return call(plan.url, body, signed_headers(secret or plan.secret, ref, body), seconds)


def say_stop(plan: Any, person: str, ref: str = "stop-1") -> int:
    return bring(plan, {"type": "text", "id": ref, "from": person, "text": "STOP"})


def fetch(query: str, *params: Any) -> list[Any]:
    from tests.chaos.crew import fetch as ask
    from tests.chaos.crew import patient

    return list(patient(lambda: ask(query, list(params))))


# --- C3 ---


@scenario(
    "C3",
    event=f"kill -9 of the web server during a STOP, {STRIKES} ×, repeated until 200",
    promised="no 200 before the commit; exactly one effect",
)
def killed_hook() -> Seen:
    rng = random.Random(3)
    early = repeats = 0
    with room(STRIKES) as small:
        for number, person in enumerate(small.stage.people.values()):
            status = killed_while(small, person, f"stop-{number}", rng.uniform(0.0, 0.04))
            while status != 200:
                repeats += 1
                small.crew.revive()
                status = say_stop(small.plan, person, f"stop-{number}")
            query = "SELECT count(*) FROM subscriptions_consentrecord WHERE state = 'withdrawn'"
            early += fetch(query)[0][0] < number + 1
        records = fetch("SELECT count(*) FROM subscriptions_consentrecord")[0][0]
        events = fetch("SELECT count(*) FROM messengers_inboundevent")[0][0]
        closed = fetch("SELECT count(*) FROM messengers_gate WHERE NOT is_open")[0][0]
    text = (
        f"{repeats} repeats; {early} × 200 before the commit; {records} records, {events} events,"
        f" {closed} gates closed for {STRIKES} STOPs"
    )
    return Seen(text, not early and repeats > 0 and records == events == closed == STRIKES)


def killed_while(small: Room, person: str, ref: str, after: float) -> int:
    """Bring a STOP and kill the server `after` seconds; what the provider was told."""
    import threading

    answers: list[int] = []
    call = threading.Thread(target=lambda: answers.append(say_stop(small.plan, person, ref)))
    call.start()
    time.sleep(after)
    small.crew.kill("web", random.Random())
    call.join()
    small.crew.revive()
    return answers[0]


# --- C8 ---


@scenario(
    "C8",
    event="the line to the database is cut 25 × in a broadcast: commits of unknown outcome",
    promised="never resent: answered once, or in doubt",
)
def cut_commits() -> Seen:
    from django.conf import settings

    from tests.chaos import recorder
    from tests.chaos.rounds import CALL_SECONDS, Watch
    from tests.standins.fault_proxy import FaultProxy

    with room(1500, rate=250.0, jobs=("web",)) as small, contextlib.ExitStack() as stack:
        socket = Path(settings.DATABASES["default"]["HOST"]) / ".s.PGSQL.5432"
        line = stack.enter_context(FaultProxy(f"unix:{socket}"))
        since = recorder.begin()
        crew = behind(line.port)
        stack.callback(crew.stop)
        watch = Watch(small.stage)
        rng = random.Random(8)
        for _ in range(25):
            watch.sleep(rng.uniform(0.05, 0.4))
            line.cut()
            time.sleep(rng.uniform(0.01, 0.1))
            line.mend()
        watch.until_finished(crew)
        watch.until_settled(crew)
        history = recorder.read(
            dispatch=small.stage.dispatch,
            channel=small.stage.channel,
            people=small.stage.people,
            provider_log=small.plan.provider_log,
            since=since,
            call_seconds=CALL_SECONDS,
        )
        history.counts = watch.counts
    return seen(history, words="25 cuts")


def behind(port: int) -> Any:
    """Two workers whose only way to the database is our line, and a sweeper with its own."""
    from django.db import connections

    from tests.chaos.crew import Crew, tidy, work

    def through() -> None:
        connections["default"].settings_dict.update(HOST="127.0.0.1", PORT=str(port))
        work()

    return Crew([("worker", through), ("worker", through), ("sweeper", tidy)])


# --- C11 ---


@scenario(
    "C11",
    event="the provider accepts 4 % and answers too late; receipts come",
    promised="in doubt, never again; settled by its receipt where the attempt is echoed",
)
def late_answers() -> Seen:
    from tests.chaos import recorder
    from tests.chaos.databases import house
    from tests.chaos.rounds import CALL_SECONDS, Script, play
    from tests.standins.http_provider import Faults

    faults = Faults(slow=0.04, delay=CALL_SECONDS + 2, latency=0.02, seed=11)
    script = Script("sound", 800, {}, 11, rate=200.0, stops=0.005, faults=faults)
    with house(), tempfile.TemporaryDirectory() as folder:
        recorder.install()
        verdict = play(script, Path(folder))
    figures = verdict.figures
    doubts, left = figures["doubts by the provider"], figures["doubts that are left"]
    text = (
        f"{doubts} answers too late, {doubts - left} settled by receipts, {left} still in doubt;"
        f" {figures['lost']} lost, {figures['doubled']} doubled"
    )
    if verdict.violations:
        text += f"; BROKEN: {'; '.join(verdict.violations[:3])}"
    return Seen(text, verdict.is_clean and doubts > 0 and left < doubts)


# --- C16 ---


@scenario(
    "C16",
    event="receipts ten times over, backwards, seven days late, forged, for an erased person",
    promised="one effect, rank only rises, 200 (403 forged); nothing of the erased comes back",
)
def odd_receipts() -> Seen:
    with room(4, jobs=("web", "worker", "sweeper")) as small:
        from django.db import transaction

        from messengers.attempts import seal_attempt
        from messengers.models import Address
        from messengers.receipts import merge_receipts
        from messengers.sql import run

        states = "SELECT status FROM messengers_delivery ORDER BY id"
        while {row[0] for row in fetch(states)} != {"accepted"}:
            time.sleep(0.1)
        rows = fetch("SELECT id, address FROM messengers_delivery ORDER BY id")
        with transaction.atomic():  # as erasure leaves it: a delivery under an address of nobody
            run("UPDATE messengers_delivery SET address = gen_random_uuid() WHERE id = %s",
                [rows[3][0]])  # fmt: skip
            Address.objects.filter(id=rows[3][1]).delete()
        attempts = [seal_attempt(row[0], 1) for row in rows]
        receipt = {"type": "receipt", "status": "read"}
        tenfold = [receipt | {"id": "r0", "attempt": attempts[0]}] * 10
        said = [bring(small.plan, *tenfold) for _ in range(3)]
        for status in ("read", "delivered", "undelivered"):  # backwards, each in a call of its own
            one = receipt | {"id": f"b-{status}", "status": status, "attempt": attempts[1]}
            said.append(bring(small.plan, one, {**one, "at": "2020-01-01T00:00:00+00:00"}))
        said.append(bring(small.plan, receipt | {"id": "e", "attempt": attempts[3]}))
        forged = bring(small.plan, receipt | {"id": "f", "attempt": attempts[2]}, secret="x" * 20)
        made_up = bring(small.plan, receipt | {"id": "m", "attempt": "0" * 48})
        for _ in range(20):
            merge_receipts()
            time.sleep(0.1)
        found = [row[0] for row in fetch(states)]
        addresses = fetch("SELECT count(*) FROM messengers_address WHERE id = %s", rows[3][1])
    text = (
        f"states {', '.join(found)}; answers {sorted(set(said))}, forged {forged}, made up"
        f" {made_up}; {addresses[0][0]} rows of the erased"
    )
    ok = found == ["read", "read", "accepted", "read"] and set(said) == {200}
    return Seen(text, ok and forged == 403 and made_up == 200 and not addresses[0][0])


# --- C23 ---


@scenario(
    "C23",
    event="no connection to the database is free for 4 s in a broadcast",
    promised="the hook says 503, workers wait; then all goes on",
)
def no_connections() -> Seen:
    from tests.chaos import recorder
    from tests.chaos.rounds import CALL_SECONDS, Watch

    with room(800, rate=150.0, jobs=("web", "worker", "worker", "sweeper")) as small:
        watch = Watch(small.stage)
        watch.sleep(1.5)
        limit(small.databases, 0)
        person = next(iter(small.stage.people.values()))
        time.sleep(1.0)
        before = say_stop(small.plan, person)
        time.sleep(3.0)
        limit(small.databases, -1)
        after = say_stop(small.plan, person)
        watch.until_finished(small.crew)
        watch.until_settled(small.crew)
        history = recorder.read(
            dispatch=small.stage.dispatch,
            channel=small.stage.channel,
            people=small.stage.people,
            provider_log=small.plan.provider_log,
            call_seconds=CALL_SECONDS,
        )
    words = f"hook said {before}, then {after}"
    return seen(history, words=words, and_also=before == 503 and after == 200)


def limit(databases: Any, number: int) -> None:
    """Let the app's role have so many connections (-1: any), and end those it has."""
    from config.embedded.home import APP

    with databases.cluster("data").connect() as server:
        server.execute(f"ALTER ROLE {APP} CONNECTION LIMIT {number}")
        if number >= 0:
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [APP]
            )
