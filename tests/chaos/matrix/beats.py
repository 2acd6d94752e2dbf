"""Beat is killed, there are five of it, and the clocks change: each schedule fires exactly once."""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.chaos.matrix.looking import ask, ask_all, until
from tests.chaos.matrix.plant import Plant, plant
from tests.chaos.matrix.scenes import or_skip, short
from tests.chaos.scenarios import Seen, scenario

SEED = 20261121
ZONE = "Europe/Berlin"
LATE_SECONDS = 10.0
RESTART_SECONDS = 15.0  # what a program of ours takes to start on a busy machine
EVERY_MINUTES = 15
TICK_SECONDS = 10
BEATS = 5
FIRES = """
    SELECT s.id, count(f.id), max(extract(epoch FROM f.fired_at - s.fire_at))::float8
      FROM broadcasts_schedule s LEFT JOIN broadcasts_schedulefire f ON f.schedule = s.id
     GROUP BY s.id"""


@scenario(
    "C5 killed",
    event="five beats at once, all killed again and again while schedules come due",
    promised="each fires once, late by ≤ 10 s + restart",
)
@or_skip
def killed() -> Seen:
    number = short(12, 40)
    beats = [f"beat{index}" for index in range(BEATS)]
    with plant(broker="redis", recipients=20) as house:
        due_in(house, [8 + 2.5 * index for index in range(number)])
        house.start("sender", "helper", "helper2", *beats)
        rng = random.Random(SEED)
        ends = time.monotonic() + 8 + 2.5 * number
        kills = 0
        while time.monotonic() < ends:
            time.sleep(rng.uniform(4, 9))  # a beat has to start before it can be killed at work
            for name in rng.sample(beats, rng.choice((1, 2, 4, BEATS))):
                house.programs[name].kill()
                kills += 1
            house.revive()
        until(lambda: all(row[1] for row in ask_all(FIRES)), 30, or_fail=False)
        fires = ask_all(FIRES)
        started = ask("SELECT count(*) FROM messengers_dispatch WHERE kind = 'broadcast'")
    late = max((row[2] or 0.0) for row in fires)
    once = sum(row[1] == 1 for row in fires)
    seen = (
        f"{kills} kills of {BEATS} beats: {once} of {number} fired exactly once, {started}"
        f" dispatches, at most {late:.1f} s late"
    )
    return Seen(seen, once == number == started and late <= LATE_SECONDS + RESTART_SECONDS)


def due_in(house: Plant, seconds: list[float]) -> None:
    """Broadcasts that are due in so many seconds each."""
    from django.utils import timezone

    from broadcasts.models import Schedule

    later = timezone.now().astimezone(ZoneInfo(ZONE)) + timedelta(hours=2)
    rows = [scheduled(house, later) for _ in seconds]
    now = timezone.now()
    for row, wait in zip(rows, seconds, strict=True):
        Schedule.objects.filter(pk=row).update(fire_at=now + timedelta(seconds=wait))


def scheduled(house: Plant, local: datetime) -> Any:
    """A broadcast to everybody, scheduled for this local time by somebody who may."""
    from broadcasts import actions
    from broadcasts.models import Schedule
    from privacy.access import Actor
    from privacy.models import User
    from subscriptions.models import Newsletter
    from tests.broadcasts.house import make_draft, make_staff

    newsletter = Newsletter.objects.get()
    if newsletter.daily_cap < 1000:
        newsletter.daily_cap = 1000
        newsletter.save()
        make_staff()
    draft = make_draft(newsletter)
    actor = Actor.staff(User.objects.get(email="publisher@example.org"))
    actions.schedule(broadcast=draft, local_time=f"{local:%Y-%m-%dT%H:%M}", actor=actor)
    return Schedule.objects.get(broadcast=draft).pk


# --- Both changes of the clocks, 48 hours, by a clock of our own ---


def over(change: datetime) -> Seen:
    """48 hours around a change of the clocks: five beats that tick every 10 s, each at its own."""
    begin = (change - timedelta(hours=24)).replace(tzinfo=None)
    step = timedelta(minutes=EVERY_MINUTES)
    local = [begin + step * index for index in range(48 * 60 // EVERY_MINUTES)]
    with plant(broker="files", recipients=3) as house:
        for moment in local:
            scheduled(house, moment)
        lateness = simulate(
            change.astimezone(UTC) - timedelta(hours=25),
            change.astimezone(UTC) + timedelta(hours=25),
        )
        fires = ask_all(FIRES)
        started = ask("SELECT count(*) FROM messengers_dispatch WHERE kind = 'broadcast'")
    once = sum(row[1] == 1 for row in fires)
    seen = (
        f"48 h around {change:%d %B %Y}: {once} of {len(local)} schedules fired exactly once by"
        f" {BEATS} beats at once, {started} dispatches, at most {lateness:.0f} s late"
    )
    return Seen(seen, once == started == len(local) and lateness <= LATE_SECONDS)


def simulate(start: datetime, end: datetime) -> float:
    """Five beats, each in a thread with ticks of its own; the longest that a schedule waited."""
    from django.db import connections

    from broadcasts.models import Schedule

    due = sorted(Schedule.objects.values_list("fire_at", flat=True))
    worst = [0.0] * BEATS

    def tick(which: int) -> None:
        from broadcasts.actions import fire_due

        now = start + timedelta(seconds=2 * which)
        waiting = list(due)
        while now < end:
            # Between two schedules a tick finds nothing: jump to the tick before the next one.
            while waiting and waiting[0] <= now - timedelta(seconds=TICK_SECONDS):
                waiting.pop(0)
            if not waiting:
                break
            if waiting[0] > now:
                ticks = int((waiting[0] - now).total_seconds() // TICK_SECONDS)
                now += timedelta(seconds=max(1, ticks) * TICK_SECONDS)
            if fire_due(now) and waiting[0] <= now:
                worst[which] = max(worst[which], (now - waiting[0]).total_seconds())
            now += timedelta(seconds=TICK_SECONDS)
        connections.close_all()

    threads = [threading.Thread(target=tick, args=(which,)) for which in range(BEATS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(worst)


@scenario(
    "C5 spring",
    event="48 h simulated around the clocks' going forward, five beats",
    promised="each fires exactly once, at most a tick late; 02:30 means 03:30",
)
@or_skip
def spring() -> Seen:
    return over(datetime(2027, 3, 28, 2, tzinfo=ZoneInfo(ZONE)))


@scenario(
    "C5 autumn",
    event="48 h simulated around the clocks' going back, five beats",
    promised="each fires exactly once, at most a tick late; 02:30 means the first one",
)
@or_skip
def autumn() -> Seen:
    return over(datetime(2027, 10, 31, 3, tzinfo=ZoneInfo(ZONE)))
