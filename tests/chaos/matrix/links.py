"""Links that are cut, slowed, reset and limited by the fault proxy, by script or at random.

    python -m tests.chaos.matrix.links --seed 7 --schedules 20
    python -m tests.chaos.matrix.links --scripted provider

Each schedule is a list of faults with their moments on the links of the workers to database, broker
and provider. Whatever happens: nobody is lost, nobody is written to twice, everything is named.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import NamedTuple

from tests.chaos.matrix.looking import Missing, until
from tests.chaos.matrix.plant import Plant, plant
from tests.chaos.matrix.scenes import or_skip, short
from tests.chaos.matrix.verdicts import Judgement
from tests.chaos.scenarios import Seen, scenario
from tests.standins.fault_proxy import FaultProxy

LINKS = ("database", "broker", "provider")
SECONDS = 12.0  # of one schedule
FINISH_SECONDS = 150.0
PEOPLE = 1500
RATE = 150.0
SEED = 20261121


class Fault(NamedTuple):
    """At so many seconds this command goes to this link."""

    at: float
    link: str
    command: str


# Each worst case by itself: what a cable, a router, a firewall or a tired server does.
SCRIPTED: dict[str, list[Fault]] = {
    "database cut for 4 s": [Fault(2, "database", "cut"), Fault(6, "database", "mend")],
    "database silent for 6 s": [Fault(2, "database", "stall"), Fault(8, "database", "mend")],
    "database reset 10 times": [Fault(1 + n, "database", "reset") for n in range(10)],
    "database 80 ms away": [Fault(1, "database", "slow 80"), Fault(11, "database", "mend")],
    "database breaks in mid-answer": [
        Fault(1, "database", "limit 60000"),
        Fault(9, "database", "mend"),
    ],
    "database at 200 kB/s": [Fault(1, "database", "rate 200000"), Fault(11, "database", "mend")],
    "provider cut for 4 s": [Fault(2, "provider", "cut"), Fault(6, "provider", "mend")],
    "provider silent for 4 s": [Fault(2, "provider", "stall"), Fault(6, "provider", "mend")],
    "provider reset 10 times": [Fault(1 + n, "provider", "reset") for n in range(10)],
    "provider in slices": [Fault(1, "provider", "slice 40"), Fault(11, "provider", "mend")],
    "provider breaks in mid-answer": [
        Fault(1, "provider", "limit 2000"),
        Fault(9, "provider", "mend"),
    ],
    "broker reset 50 times": [Fault(1 + n / 5, "broker", "reset") for n in range(50)],
    "broker cut for 8 s": [Fault(1, "broker", "cut"), Fault(9, "broker", "mend")],
    "everything cut for 3 s": [
        *(Fault(3, link, "cut") for link in LINKS),
        *(Fault(6, link, "mend") for link in LINKS),
    ],
}


def at_random(rng: random.Random) -> list[Fault]:
    """Three to eight faults; each link is whole again at the end."""
    found = []
    for _ in range(rng.randint(3, 8)):
        link, begin = rng.choice(LINKS), rng.uniform(0.5, SECONDS - 3)
        command = rng.choice(
            [
                "cut",
                "stall",
                "reset",
                f"slow {rng.choice((20, 100, 400))}",
                f"rate {rng.choice((50_000, 300_000))}",
                f"limit {rng.choice((500, 5_000, 80_000))}",
                f"slice {rng.choice((7, 100))}",
            ]
        )
        found.append(Fault(begin, link, command))
        found.append(Fault(begin + rng.uniform(0.2, 3), link, "mend"))
    found += [Fault(SECONDS, link, "mend") for link in LINKS]
    return sorted(found)


def play(house: Plant, faults: Iterable[Fault]) -> Judgement:
    """One broadcast through one schedule; the house lives on."""
    from messengers.models import Channel
    from messengers.outbox import resume

    # Lost answers are what is injected here: the breaker would only make everybody wait.
    Channel.objects.update(breaker="closed", doubts_in_a_row=0, doubt_times=[], paused_until=None)
    before = house.judged()
    house.broadcast()
    began = time.monotonic()
    for at, link, command in sorted(faults):
        time.sleep(max(0.0, began + at - time.monotonic()))
        house.lines[link].tell(command)
    for link in LINKS:
        house.lines[link].mend()
    deadline = time.monotonic() + FINISH_SECONDS
    while not house.is_finished() and time.monotonic() < deadline:
        Channel.objects.update(breaker="closed", doubts_in_a_row=0, doubt_times=[])
        resume(house.dispatch.id)
        time.sleep(0.5)
    verdict = house.judged()
    verdict.states["of these in doubt"] = verdict.states.get("in_doubt", 0) - before.states.get(
        "in_doubt", 0
    )
    return verdict


def kept(house: Plant, verdict: Judgement) -> bool:
    return house.is_finished() and verdict.is_clean


def play_all(schedules: dict[str, list[Fault]]) -> tuple[list[str], bool]:
    """All of them in one house, one broadcast each: a line for each, and whether all is well."""
    told, is_well = [], True
    with plant(broker="redis", recipients=PEOPLE, rate=RATE, lines=LINKS) as house:
        house.start("sender", "sender2", "helper", "beat")
        until(lambda: all(house.programs[n].children() for n in ("sender", "sender2")), 60)
        for name, faults in schedules.items():
            verdict = play(house, faults)
            ok = kept(house, verdict)
            is_well &= ok
            told.append(
                f"{'kept' if ok else 'BROKEN'}  {name}: {verdict.states['of these in doubt']} in"
                f" doubt, {verdict.lost} lost, {verdict.doubled} doubled"
            )
            print(told[-1], flush=True)
            if not ok:
                print(verdict, faults, flush=True)
                break
    return told, is_well


def summary(told: list[str], is_well: bool) -> Seen:
    broken = [line for line in told if line.startswith("BROKEN")]
    doubts = sum(int(line.rpartition(": ")[2].split()[0]) for line in told)
    text = f"{len(told)} schedules with {PEOPLE} people each: {doubts} in doubt, 0 lost, 0 doubled"
    return Seen("; ".join(broken) or text, is_well)


@scenario(
    "C8 links",
    event="14 scripted faults on the links of workers to database, broker and provider",
    promised="0 lost, 0 doubled; lost answers are in doubt, with their cause",
)
@or_skip
def scripted() -> Seen:
    return summary(*play_all(SCRIPTED))


@scenario(
    "C8 random",
    event="random faults on all three links, by seed",
    promised="0 lost, 0 doubled; lost answers are in doubt, with their cause",
)
@or_skip
def randomly() -> Seen:
    return summary(*play_all(drawn(SEED, short(10, 40))))


# --- A network of its own ---


class Namespace:
    """A network namespace whose only way out are relays over Unix sockets; root alone makes one."""

    def __init__(self, house: Plant) -> None:
        self.house = house
        self.name = f"jawort-{secrets.token_hex(4)}"
        self.prefix = ["ip", "netns", "exec", self.name]
        if os.geteuid() != 0 or not shutil.which("ip") or self._ip("netns", "add", self.name):
            raise Missing("nobody may make a network namespace here")
        house.stack.callback(self._ip, "netns", "delete", self.name)
        self.up()
        for link in LINKS:
            self._relay(link)

    def _ip(self, *words: str) -> int:
        return subprocess.run(["ip", *words], capture_output=True).returncode

    def _relay(self, link: str) -> None:
        """From the same port inside to the line outside."""
        line = self.house.lines[link]
        path = f"unix:{self.house.folder / link}.sock"
        self.house.stack.enter_context(FaultProxy(line.address, listen=path))
        inner = FaultProxy(path, listen=line.address, prefix=self.prefix)
        self.house.stack.enter_context(inner)

    def up(self) -> None:
        self._ip("-n", self.name, "link", "set", "lo", "up")

    def down(self) -> None:
        """The cable is pulled: nothing arrives, and nobody is told."""
        self._ip("-n", self.name, "link", "set", "lo", "down")


@scenario(
    "C8 namespace",
    event="one of two workers loses its whole network three times, for 1, 4 and 15 s",
    promised="0 lost, 0 doubled; the other goes on; doubts are named",
)
@or_skip
def in_a_namespace() -> Seen:
    with plant(broker="redis", recipients=5000, rate=RATE, lines=LINKS) as house:
        space = Namespace(house)
        house.inside["sender"] = space.prefix
        house.start("sender", "sender2", "helper", "beat")
        house.broadcast()
        until(lambda: house.arrived() > 200, 90)
        for seconds in (1, 4, 15):
            space.down()
            time.sleep(seconds)
            space.up()
            time.sleep(3)
        finished = house.until_finished(120)
        verdict = house.judged()
    return Seen(str(verdict), finished and verdict.is_clean)


def drawn(seed: int, number: int) -> dict[str, list[Fault]]:
    return {f"seed {seed + n}": at_random(random.Random(seed + n)) for n in range(number)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--schedules", type=int, default=10)
    parser.add_argument("--scripted", help="those of the scripted whose names hold this word")
    options = parser.parse_args()
    chosen = drawn(options.seed, options.schedules)
    if options.scripted is not None:
        chosen = {name: faults for name, faults in SCRIPTED.items() if options.scripted in name}
    try:
        _, is_well = play_all(chosen)
    except Missing as what:
        print(f"not played here: {what}")
        return 0
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
