"""One round: an engine, sound or broken, sends while its processes are killed; then the verdict."""

import contextlib
import json
import os
import random
import time
import traceback
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from django.db import DatabaseError, connections

from tests.chaos import recorder
from tests.chaos.crew import STALL_SECONDS, Crew, fetch, free_port, patient, serve, tidy, work
from tests.chaos.databases import die_with_parent, wait_until
from tests.chaos.history import History, Violation
from tests.chaos.mutants import break_engine
from tests.chaos.outside import Plan, answers
from tests.chaos.rules import check, tally
from tests.chaos.stage import HOOK_SECRET, Stage, outside, provider, set_stage, stops_for
from tests.standins.http_provider import Faults

# Short, so that the dead are noticed within the test. A call that starves longer is one doubt more.
CALL_SECONDS, LEASE_SLACK = 1.5, 1.0
RECEIPT_WAIT = 0.3  # before a receipt that came too early is tried again
DRAIN_SECONDS = 60.0
SAMPLE_SECONDS = 0.25
TRIES = 20  # until a blow hits somebody
STUCK = """
    SELECT d.status, d.status_why, c.paused_until, c.paused_why, clock_timestamp(), b.status,
           b.lease_until, b.due_at, b.on_wire, count(*)
      FROM messengers_dispatch d JOIN messengers_batch b ON b.dispatch_id = d.id
      JOIN messengers_channel c ON c.id = b.channel_id
     WHERE d.id = %s GROUP BY 1, 2, 3, 4, 6, 7, 8, 9"""


@dataclass(frozen=True)
class Script:
    """What happens in a round."""

    engine: str
    recipients: int
    kills: Mapping[str, int]
    seed: int
    rate: float = 500.0
    workers: int = 2
    stops: float = 0.0  # share of the people who say STOP; 0: nobody is outside, no hook is open
    faults: Faults = field(default_factory=Faults)


@dataclass
class Verdict:
    """What one round has shown."""

    engine: str
    seed: int
    recipients: int
    struck: dict[str, int] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    doubts: dict[str, int] = field(default_factory=dict)
    figures: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        return not self.violations and not self.figures["lost"] and not self.figures["doubled"]

    @property
    def broken_rules(self) -> list[str]:
        return sorted({text.partition(":")[0] for text in self.violations})


def play(script: Script, folder: Path) -> Verdict:
    """Play a round on the databases that Django is set up with."""
    began = time.monotonic()
    ring_without_a_thread()
    name = f"{script.engine}-{script.seed}".replace(" ", "-")
    log, told = folder / f"{name}.jsonl", folder / f"{name}.answers"
    with provider(log, script.faults) as url:
        stage = set_stage(script.recipients, url, rate=script.rate, call_seconds=CALL_SECONDS)
        since = recorder.begin()
        people, port = list(stage.people.values()), free_port()
        hook = f"http://127.0.0.1:{port}/hooks/{stage.channel}/"
        stops = stops_for(people, script.stops, script.seed)
        plan = Plan(hook, HOOK_SECRET, log, told, len(people), script.seed, stops)
        # A broken engine is broken in a process of its own only.
        seen = in_a_fork(lambda: rampage(script, stage, port, plan), folder / f"{name}.seen")
    history = recorder.read(
        dispatch=stage.dispatch,
        channel=stage.channel,
        people=stage.people,
        provider_log=log,
        answers=answers(told),
        since=since,
        call_seconds=CALL_SECONDS,
    )
    history.counts, history.broker = seen["counts"], rung()
    return verdict_on(script, history, check(history), seen["struck"], time.monotonic() - began)


def rung() -> list[str]:
    """What the broker of files was given in this run so far: nobody takes it out."""
    from django.conf import settings

    files = (Path(settings.JAWORT_VAR) / "broker").glob("queue/*.msg")
    return [body_of(file.read_text()) for file in files]


def body_of(message: str) -> str:
    """The body of one of Celery's messages: [args, kwargs, …] as JSON."""
    return b64decode(json.loads(message)["body"]).decode()


def in_a_fork(action: Callable[[], Any], result: Path) -> Any:
    """Do it in a child of its own; what it returned, as JSON."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            die_with_parent()
            result.write_text(json.dumps(action()))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.waitpid(pid, 0)
    return json.loads(result.read_text())


def rampage(script: Script, stage: Stage, port: int, plan: Plan) -> dict[str, Any]:
    """Start everybody, kill what the script says at random moments, then let it all end."""
    break_engine(script.engine)
    impatient()
    warm_up(stage)
    jobs: list[tuple[str, Callable[[], None]]] = [("worker", work)] * script.workers
    jobs.append(("sweeper", tidy))
    if script.stops:
        jobs.append(("web", serve(port)))
    watch = Watch(stage)
    crew = Crew(jobs)
    try:
        with outside(plan) if script.stops else contextlib.nullcontext():
            struck = strike(script, crew, watch)
            watch.until_finished(crew)
        watch.until_settled(crew)
    finally:
        crew.stop()
    return {"struck": struck, "counts": watch.counts}


def ring_without_a_thread() -> None:
    """This process forks all the time: a thread would leave its locks behind in the children."""
    from messengers import doorbell

    import_module("config.broker")
    vars(doorbell)["ring"] = doorbell.send


def warm_up(stage: Stage) -> None:
    """Import what the processes would import after each death: they are forked from this one."""
    from django.urls import get_resolver

    from messengers.channels import adapter_of
    from messengers.models import Channel

    import_module("config.inbound")
    import_module("config.wsgi")
    assert get_resolver().url_patterns
    adapter = adapter_of(Channel.objects.get(id=stage.channel))
    adapter.canonical(next(iter(stage.people.values())))


def impatient(lease_slack: float = LEASE_SLACK) -> None:
    """Leases and waits that fit into a test; the engine's own are for real networks."""
    from messengers import breaker, receipts
    from messengers.engine import lines

    lines.LEASE_SLACK = lease_slack
    breaker.DOUBTS = 10**6  # doubts are made on purpose here, and must not stop the broadcast
    receipts.FIRST_WAIT = RECEIPT_WAIT
    receipts.LONGEST_WAIT = RECEIPT_WAIT
    receipts.RECOUNT_SECONDS = RECEIPT_WAIT


def strike(script: Script, crew: Crew, watch: "Watch") -> Counter[str]:
    """How many blows of each kind have hit something."""
    rng = random.Random(script.seed)
    blows = [kind for kind, number in script.kills.items() for _ in range(number)]
    rng.shuffle(blows)
    still = STALL_SECONDS / 2 * script.kills.get("stall", 0)
    # All of them fall into the broadcast.
    pace = max(0.05, (0.8 * script.recipients / script.rate - still) / max(1, len(blows)))
    struck: Counter[str] = Counter()
    watch.sleep(0.3)
    for kind in blows:
        watch.sleep(rng.uniform(0.02, 2 * pace))
        struck[kind] += any(_struck(kind, rng, crew) for _ in range(TRIES))
    return struck


def _struck(kind: str, rng: random.Random, crew: Crew) -> bool:
    """Whether the blow hit somebody: one in a while meets a process that is just being born."""
    has_hit = crew.kill(kind, rng)
    time.sleep(0.02)
    crew.revive()
    return has_hit


class Revivable(Protocol):
    """Those who are killed, and come back."""

    def revive(self) -> None: ...


@dataclass
class Watch:
    """Looks at the pages' numbers while the round runs, as an editor does."""

    stage: Stage
    counts: list[dict[str, int]] = field(default_factory=list)
    sample_every: float = SAMPLE_SECONDS
    patience: float = DRAIN_SECONDS
    sample_at: float = 0.0

    def sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            if now >= self.sample_at:
                self.sample()
                self.sample_at = time.monotonic() + self.sample_every
            time.sleep(max(0.0, min(0.05, until - time.monotonic())))

    @property
    def share_done(self) -> float:
        """How much of the broadcast has left the queue, when it was last looked at."""
        last = self.counts[-1] if self.counts else {}
        return 1 - last.get("queued", 0) / sum(last.values()) if last else 0.0

    def sample(self) -> None:
        from messengers.outbox import counts

        try:
            self.counts.append(counts(self.stage.dispatch))
        except DatabaseError:
            connections.close_all()  # it is recovering; there is nothing to be seen just now

    def until_finished(self, crew: Revivable) -> None:
        """Let it end; after "too many doubts" go on, as an operator would."""
        from messengers.instance import why_not
        from messengers.outbox import resume

        query = "SELECT status FROM messengers_dispatch WHERE id = %s"
        until = time.monotonic() + self.patience
        while patient(lambda: fetch(query, [self.stage.dispatch]))[0][0] != "finished":
            if time.monotonic() > until:
                print(patient(lambda: fetch(STUCK, [self.stage.dispatch])), flush=True)
                print(patient(why_not), flush=True)
                return
            crew.revive()
            patient(lambda: resume(self.stage.dispatch))
            self.sleep(0.1)

    def until_settled(self, crew: Revivable) -> None:
        """Receipts merged, texts answered, answers sent."""

        def is_settled() -> bool:
            crew.revive()
            return bool(patient(recorder.is_settled))

        wait_until(is_settled, self.patience)


def verdict_on(
    script: Script,
    history: History,
    violations: list[Violation],
    struck: dict[str, int],
    seconds: float,
) -> Verdict:
    """The round in figures."""
    return Verdict(
        script.engine,
        script.seed,
        script.recipients,
        struck,
        states=dict(Counter(row.status for row in history.recipients)),
        doubts=history.causes,
        figures=tally(history),
        violations=[str(violation) for violation in violations],
        seconds=round(seconds, 1),
    )
