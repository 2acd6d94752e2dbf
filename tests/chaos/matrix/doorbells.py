"""The broker is wiped, restarted, away, hung or lied to; and rings are lost on both sides of it."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

from tests.chaos.matrix.looking import ask, until
from tests.chaos.matrix.plant import Plant, plant
from tests.chaos.matrix.scenes import is_withdrawn, or_skip, said, short
from tests.chaos.scenarios import Seen, scenario

RESUME_SECONDS = 15.0
OLDEST_SECONDS = 30.0  # for a row that nobody has taken yet; a lost lease has to end first
SEED = 20261121
UNFINISHED = "SELECT count(*) FROM messengers_dispatch WHERE status <> 'finished'"
OLDEST = """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - b.due_at)), 0)::float8
      FROM messengers_batch b JOIN messengers_dispatch d ON d.id = b.dispatch_id
     WHERE b.status = 'waiting' AND d.status = 'running' AND b.losses = 0"""


# --- C6: wiped, restarted, away, hung ---


@scenario(
    "C6 wiped",
    event="FLUSHALL 20 times during a broadcast by workers on two hosts",
    promised="only delay: none in doubt",
)
@or_skip
def wiped() -> Seen:
    recipients = short(6000, 20_000)
    with plant(broker="redis", recipients=recipients) as house:
        house.start("sender", "helper", "beat")
        house.broadcast()
        house.until_moving(60)
        house.start("sender2", **house.second_host())
        pace = 0.6 * recipients / 400 / 20
        for _ in range(20):
            house.broker.wipe()
            time.sleep(pace)
        finished = house.until_finished(120)
        verdict = house.judged()
    ok = finished and verdict.is_clean and not verdict.doubts
    return Seen(f"20 wipes, {recipients} people: {verdict}", ok)


def away(
    broker: str, seconds: float, recipients: int, *, break_it: Callable[[Plant], Callable[[], None]]
) -> Seen:
    """The broker is broken for so long; hooks and STOPs go on; afterwards everything does."""
    with plant(broker=broker, recipients=recipients, lines=("broker",)) as house:
        house.start("sender", "sender2", "helper", "beat", "web")
        house.broadcast()
        house.until_moving(60)
        mend = break_it(house)
        ended = time.monotonic() + seconds
        last = recipients - 1
        answers: set[int] = set()
        asked, slowest = 0, 0.0
        while time.monotonic() < ended:
            began = time.monotonic()
            answers.add(said(house, phone(last - asked), "STOP", f"stop{asked}"))
            slowest = max(slowest, time.monotonic() - began)
            asked += 1
            time.sleep(max(0.0, seconds / 20 - (time.monotonic() - began)))
        stopped = sum(is_withdrawn(last - number) for number in range(asked))
        mend()
        resumed = house.until_moving(60)
        finished = house.until_finished(recipients / 400 * 3 + 60)
        verdict = house.judged()
    seen = (
        f"{broker} away {seconds:.0f} s: {asked} STOPs answered {sorted(answers)} (slowest"
        f" {slowest:.1f} s), {stopped} gates closed; resumed after {resumed:.1f} s; {verdict}"
    )
    ok = finished and verdict.is_clean and not verdict.doubts and resumed <= RESUME_SECONDS
    return Seen(seen, ok and answers == {200} and stopped == asked and slowest < RESUME_SECONDS)


def phone(number: int) -> str:
    from tests.messengers.house import phone as phone_of

    return phone_of(number)


def restarts(house: Plant) -> Callable[[], None]:
    assert house.broker
    house.broker.stop(kill=True)
    return house.broker.start


def hangs(house: Plant) -> Callable[[], None]:
    """Lines are open and silent: the worst that a broker can do to whoever rings."""
    house.lines["broker"].stall()
    return lambda: (house.lines["broker"].mend(), None)[1]


@scenario(
    "C6 away",
    event="Redis killed, away for a while (long form: 10 min), back without its memory",
    promised="only delay: resumed ≤ 15 s after return, hooks and opt-outs answered meanwhile",
)
@or_skip
def redis_away() -> Seen:
    return away("redis", short(40, 600), 16_000, break_it=restarts)


@scenario(
    "C6 hung",
    event="every line to Redis silent for 40 s, then mended",
    promised="only delay: resumed ≤ 15 s after return, hooks and opt-outs answered meanwhile",
)
@or_skip
def redis_hung() -> Seen:
    return away("redis", 40, 16_000, break_it=hangs)


@scenario(
    "C6 rabbitmq",
    event="RabbitMQ node killed for 40 s and started again",
    promised="only delay: resumed ≤ 15 s after return, hooks and opt-outs answered meanwhile",
)
@or_skip
def rabbit_away() -> Seen:
    return away("rabbitmq", 40, 16_000, break_it=restarts)


# --- B9: the delivery limit ---


@scenario(
    "C6 B9",
    event="RabbitMQ: the consumer crashes 25 times with a task in hand (delivery limit 20)",
    promised="the message is dropped, the sweeper rings anew, everybody is written to",
)
@or_skip
def delivery_limit() -> Seen:
    with plant(broker="rabbitmq", recipients=2000, rate=60) as house:
        house.start("sender", "helper", "beat")
        house.broadcast()
        house.until_moving(60)
        crashed = 0
        for _ in range(25):
            until(lambda: busy(house, "sender"), 40, or_fail=False)
            crashed += crash(house, "sender")
        house.programs["sender"].kill()
        rate_of(house, 400)
        house.start("sender", "sender2")
        finished = house.until_finished(120)
        verdict = house.judged()
    # Each crash may leave what was on the wire of one worker in doubt, and nothing else.
    ok = finished and verdict.is_clean and crashed == 25
    return Seen(f"{crashed} crashes: {verdict}", ok and set(verdict.doubts) <= {"worker_lost"})


def busy(house: Plant, name: str) -> bool:
    """Whether a child of this worker holds a lease."""
    return bool(house.programs[name].children()) and bool(
        ask("SELECT count(*) FROM messengers_batch WHERE status = 'working'")
    )


def crash(house: Plant, name: str) -> bool:
    """kill -9 the worker's children: Celery starts others, the task goes back into the queue."""
    children = house.programs[name].children()
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(set(house.programs[name].children()) - set(children)) >= 2, 20, or_fail=False)
    return bool(children)


def rate_of(house: Plant, rate: float) -> None:
    from messengers.models import Channel

    Channel.objects.filter(id=house.channel.id).update(rate_per_second=rate)


# --- B12: poison in the queue ---

PICKLE = b"\x80\x04\x95\x21\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93."
YAML = b"!!python/object/apply:os.system ['touch POISONED']"


@scenario(
    "C6 B12",
    event="pickle and YAML bodies, a foreign task and garbage planted in the queue",
    promised="refused and logged, nothing executed, the worker lives and works on",
)
@or_skip
def poison() -> Seen:
    with plant(broker="redis", recipients=500) as house:
        house.start("sender", "helper", "beat")
        time.sleep(6)  # both listen
        planted = plant_poison(house)
        house.broadcast()
        finished = house.until_finished(60)
        verdict = house.judged()
        log = (house.folder / "sender.log").read_text()
        refused = log.count("Refusing to deserialize") + log.count("ContentDisallowed")
        alive = house.programs["sender"].is_alive
    seen = f"{planted} planted, {refused} lines of refusal, worker lives: {alive}; {verdict}"
    return Seen(seen, finished and verdict.is_clean and not verdict.doubts and alive)


def plant_poison(house: Plant) -> int:
    """Messages with the headers of a real task and a body of another kind."""
    from config.celery import app

    bodies = [
        (PICKLE, "application/x-python-serialize", "binary"),
        (YAML, "application/x-yaml", "utf-8"),
        (b"{not json", "application/json", "utf-8"),
        (b"[[], {}, {}]", "application/json", "utf-8"),
    ]
    with app.connection_for_write() as connection:
        producer = connection.Producer()
        for number, (body, kind, encoding) in enumerate(bodies):
            producer.publish(
                body,
                content_type=kind,
                content_encoding=encoding,
                routing_key="send",
                exchange="",
                headers={
                    "task": "os.system" if number == 3 else "messengers.tasks.work",
                    "id": f"poison-{number}",
                    "lang": "py",
                },
            )
    return len(bodies)


# --- B1, B10: rings that nobody hears ---


@scenario(
    "C6 B1",
    event="the worker's children killed right after each of 40 tasks (long: 100) came to them",
    promised="no row older than 30 s: the sweeper rings again",
)
@or_skip
def killed_at_delivery() -> Seen:
    kills = short(40, 100)
    rng = random.Random(SEED)
    with plant(broker="redis", recipients=kills) as house:
        house.start("sender", "helper", "beat")
        until(lambda: len(house.programs["sender"].children()) >= 2, 30)
        oldest, killed = 0.0, 0
        for number in range(kills):
            start_one(house, number)
            time.sleep(rng.uniform(0, 0.1))
            killed += crash(house, "sender")
            oldest = max(oldest, float(ask(OLDEST)))
        finished = until(lambda: not ask(UNFINISHED), OLDEST_SECONDS + 10, or_fail=False)
        house.collect()
        verdict = house.judged()
    seen = f"{killed} kills, oldest due row {oldest:.0f} s: {verdict}"
    return Seen(seen, finished and verdict.is_clean and oldest < OLDEST_SECONDS)


def start_one(house: Plant, number: int) -> None:
    """A dispatch to one person, with its ring."""
    from tests.messengers.house import make_dispatch

    make_dispatch([house.gates[number]])


@scenario(
    "C6 B10",
    event="whoever starts a dispatch is killed between COMMIT and the ring, 60 × (long: 200 ×)",
    promised="no row older than 30 s",
)
@or_skip
def killed_before_the_ring() -> Seen:
    times = short(60, 200)
    with plant(broker="redis", recipients=times) as house:
        house.start("sender", "helper", "beat")
        oldest = 0.0
        died = 0
        for number in range(times):
            died += commit_and_die(house, number)
            oldest = max(oldest, float(ask(OLDEST)))
        finished = until(lambda: not ask(UNFINISHED), OLDEST_SECONDS + 10, or_fail=False)
        house.collect()
        verdict = house.judged()
    seen = f"{died} killed after COMMIT, oldest due batch {oldest:.0f} s: {verdict}"
    ok = finished and verdict.is_clean and not verdict.doubts and died == times
    return Seen(seen, ok and oldest < OLDEST_SECONDS)


def commit_and_die(house: Plant, number: int) -> bool:
    """A child starts a dispatch to one person and is killed before it can ring."""
    from django.db import connections

    from messengers import doorbell

    connections.close_all()
    pid = os.fork()
    if pid == 0:
        doorbell.ring = lambda task="": os.kill(os.getpid(), signal.SIGKILL)  # type: ignore
        start_one(house, number)
        os._exit(1)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
