"""The long form: a whole house of real programs, and every one of them is killed again and again.

Two Celery workers for sending with two children each and one for everything else, beat, granian,
Redis, both databases with their backends and postmasters. 200 × kill -9 by default while 100,000
people are written to, some of whom say STOP, and receipts come in for most.
"""

import contextlib
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from redis import RedisError, StrictRedis

from tests.chaos import recorder
from tests.chaos.crew import free_port, is_open
from tests.chaos.databases import house
from tests.chaos.history import History
from tests.chaos.outside import Plan, answers
from tests.chaos.programs import CALL_SECONDS, House
from tests.chaos.rounds import TRIES, Script, Verdict, Watch, body_of, in_a_fork, verdict_on
from tests.chaos.rules import check
from tests.chaos.stage import HOOK_SECRET, Stage, outside, provider, set_stage, stops_for
from tests.standins.brokers import Redis
from tests.standins.http_provider import Faults

LATENCY, DROPS = 0.05, 0.001
STOPS = 0.01
PATIENCE = 600.0  # seconds for what is left when the last blow has fallen
# Of all blows, how many parts hit whom. "node" is a Celery worker with all its children.
SHARES = {"child": 6, "main": 2, "node": 2, "helper": 3, "beat": 2, "web": 3, "broker": 1}
SHARES |= {"backend": 3, "postmaster": 1}
CLOCKS = 10  # jumps beside the blows
LONGEST_PAUSE = 10.0  # seconds without progress after which the next blow falls all the same


@dataclass
class Play:
    """A broadcast that runs in a whole house."""

    stage: Stage
    built: House
    watch: "LongWatch"
    plan: Plan
    since: int
    outside: ExitStack

    def until_busy(self, share: float = 0.1) -> None:
        """Until the hook answers and so much is sent: before, a blow would hit the waking."""
        until = time.monotonic() + PATIENCE
        while self.watch.share_done < share or not is_open(self.built.port):
            if time.monotonic() > until:
                raise RuntimeError("the house did not begin to work")
            self.watch.sleep(0.1)

    def finish(self) -> History:
        """Let everything come to its end, and read what happened."""
        self.watch.until_finished(self.built)
        self.outside.close()
        self.watch.until_settled(self.built)
        self.built.close()
        history = recorder.read(
            dispatch=self.stage.dispatch,
            channel=self.stage.channel,
            people=self.stage.people,
            provider_log=self.plan.provider_log,
            answers=answers(self.plan.answers),
            since=self.since,
            call_seconds=CALL_SECONDS,
        )
        history.counts, history.broker = self.watch.counts, self.watch.bodies
        return history


@contextmanager
def play(
    recipients: int, rate: float, faults: Faults, seed: int, stops: float = STOPS
) -> Iterator[Play]:
    """Open a house of its own and start a broadcast in it."""
    with ExitStack() as stack:
        redis = stack.enter_context(Redis())
        databases = stack.enter_context(house(redis.url))
        recorder.install()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        log, told = folder / "accepted.jsonl", folder / "answers.jsonl"
        url = stack.enter_context(provider(log, faults))
        stage = staged(recipients, url, rate, folder)
        since, port = recorder.begin(), free_port()
        people = list(stage.people.values())
        hook = f"http://127.0.0.1:{port}/hooks/{stage.channel}/"
        chosen = stops_for(people, stops, seed)
        plan = Plan(hook, HOOK_SECRET, log, told, len(people), seed, chosen)
        built = House(databases, redis, folder, port)
        watch = LongWatch(stage, sample_every=0.5, patience=PATIENCE, broker=redis)
        stack.callback(built.close)
        built.open()
        with ExitStack() as world:
            world.enter_context(outside(plan))
            yield Play(stage, built, watch, plan, since, world)


def staged(recipients: int, url: str, rate: float, folder: Path) -> Stage:
    """Set the stage in a child: what it took in memory would be copied with each fork of ours."""

    def in_words() -> list[Any]:
        stage = set_stage(recipients, url, rate=rate, call_seconds=CALL_SECONDS)
        people = {str(address): number for address, number in stage.people.items()}
        return [str(stage.channel), str(stage.dispatch), people]

    channel, dispatch, people = in_a_fork(in_words, folder / "stage.json")
    numbers = {UUID(address): number for address, number in people.items()}
    return Stage(UUID(channel), UUID(dispatch), numbers)


def play_long(recipients: int, kills: int, rate: float, seed: int) -> Verdict:
    """The whole of it; what it has shown."""
    began = time.monotonic()
    faults = Faults(drop_before=DROPS, drop_after=DROPS, latency=LATENCY, seed=seed)
    script = Script("sound", recipients, blows(kills), seed, rate, stops=STOPS, faults=faults)
    with play(recipients, rate, faults, seed) as played:
        struck = rampage(script, played.built, played.watch)
        history = played.finish()
        return verdict_on(script, history, check(history), struck, time.monotonic() - began)


def _struck(kind: str, rng: random.Random, built: House, watch: Watch) -> bool:
    """Whether the blow hit somebody: one in fifty meets a process that is just being born."""
    has_hit = built.strike(kind, rng)
    watch.sleep(0.1)
    built.revive()
    return has_hit


@dataclass
class LongWatch(Watch):
    """Looks into the broker, too."""

    broker: Redis | None = None
    bodies: list[str] = field(default_factory=list)

    def sample(self) -> None:
        super().sample()
        assert self.broker is not None
        with contextlib.suppress(RedisError):
            client = StrictRedis.from_url(self.broker.url, decode_responses=True)
            for queue in ("send", "celery"):
                self.bodies += [body_of(str(message)) for message in client.lrange(queue, 0, 50)]


def blows(kills: int) -> dict[str, int]:
    """`kills` shared out; beside them the clocks."""
    whole = sum(SHARES.values())
    shared = {kind: kills * share // whole for kind, share in SHARES.items()}
    shared["child"] += kills - sum(shared.values())
    return shared | {"clock": CLOCKS}


def rampage(script: Script, built: House, watch: Watch) -> dict[str, int]:
    """All blows, evenly over the broadcast, however long it takes."""
    rng = random.Random(script.seed)
    plan = [kind for kind, number in script.kills.items() for _ in range(number)]
    rng.shuffle(plan)
    pace = 0.9 * script.recipients / script.rate / len(plan)
    struck: Counter[str] = Counter()
    watch.sleep(5.0)
    for number, kind in enumerate(plan, 1):
        watch.sleep(rng.uniform(0.2, 1.8) * pace)
        patience = time.monotonic() + LONGEST_PAUSE
        while time.monotonic() < patience and watch.share_done < 0.9 * number / len(plan):
            watch.sleep(0.1)
        struck[kind] += any(_struck(kind, rng, built, watch) for _ in range(TRIES))
        if number % 20 == 0:
            print(f"{number} blows, {watch.share_done:.0%} done", flush=True)
    return dict(struck)
