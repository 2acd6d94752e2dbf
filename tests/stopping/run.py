"""STOP at random moments of a broadcast: nothing is intended after it, and soon nothing leaves.

    python -m tests.stopping.run --kind stop --moments 1000

Workers, web server and provider are processes of their own, on clusters of their own; the machine
is kept as busy as it can be. Two things are looked at afterwards:

- the order of commits, from PostgreSQL's write-ahead log (tests/stopping/wal.py): an intent to
  write that was committed after the withdrawal is a broken promise, and so is a call to the
  provider that no commit had announced;
- the clock: from the moment the request is sent to us until the last message to this person (or of
  this broadcast) arrived at the provider, and not before our answer came.

`--fault` takes one check out of the engine; then the same run has to find late intents.
"""

import argparse
import contextlib
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.db import connections

from tests.clusters import TemporaryClusters

# As an operator has it, not as tests are fast.
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
CROWD = 1024  # recipients of one broadcast
SMALL_CROWD = 600  # of one that is going to be cancelled
WAITING_AT_LEAST = 12  # batches, so that no worker is ever idle
KINDS = ("stop", "erasure", "restriction", "objection", "cancel", "pause")


@dataclass
class Verdict:
    """What one round has shown. Times in milliseconds."""

    kind: str
    fault: str
    moments: int = 0
    effective: int = 0  # moments at which there was still something to hold back
    late: int = 0  # intents committed after their stop
    unintended: int = 0  # calls without a committed intent
    intents: int = 0
    arrived: int = 0
    after_answer: int = 0  # on the wire at the stop, arrived after our answer
    seconds: float = 0.0
    rate: float = 0.0  # messages per second while moments went on
    answered: dict[str, float] = field(default_factory=dict)  # request to answer
    quiet: dict[str, float] = field(default_factory=dict)  # request to the last message


def nobody(_port: int) -> contextlib.AbstractContextManager[None]:
    """No web server: for what is not said over the web."""
    return contextlib.nullcontext()


@dataclass
class Options:
    """What a round is to be like."""

    kind: str = "stop"
    moments: int = 1000
    fault: str = "none"
    workers: int = 2
    threads: int = 4  # how many strike at once
    gap: float = 0.2  # mean seconds between two moments of one thread
    settle: float = 2.0  # seconds that the workers go on after the last moment
    seed: int = 0
    web: Callable[[int], contextlib.AbstractContextManager[None]] = nobody


# --- One round ---


def play(options: Options, superuser: psycopg.Connection, folder: Path) -> Verdict:
    """One round on migrated databases, of which `superuser` may read the write-ahead log."""
    from tests.stopping import wal
    from tests.stopping.crew import Crew
    from tests.stopping.world import World

    verdict = Verdict(options.kind, options.fault)
    crew = Crew(folder, options.fault, options.workers)
    try:
        with options.web(crew.web_port), wal.watched(superuser):
            world = World(f"http://127.0.0.1:{crew.provider_port}", people_of(options))
            moments = load_and_stop(verdict, world, crew, options)
            crew.end()
            judge(verdict, moments, crew.log, superuser)
    finally:
        crew.end()
    return verdict


def people_of(options: Options) -> int:
    """Each can be stopped once, and enough of them have to be left."""
    if options.kind in ("cancel", "pause"):
        return SMALL_CROWD
    return int(max(CROWD, 1.5 * options.moments)) if options.moments > 100 else 256


def load_and_stop(verdict: Verdict, world: Any, crew: Any, options: Options) -> Any:
    """Keep the workers busy, and strike at random moments."""
    from tests.stopping.moments import Moments

    stop = threading.Event()
    seed = options.seed
    moments = Moments(world, options.kind, options.moments, seed, crew.web_port, options.gap)
    for _ in range(2):
        feed(world, moments)
    crew.begin()
    feeder = threading.Thread(target=keep_feeding, args=[world, moments, stop])
    feeder.start()
    began, before = time.monotonic(), lines(crew.log)
    try:
        moments.run(options.threads)
        verdict.seconds = round(time.monotonic() - began, 1)
        verdict.rate = round((lines(crew.log) - before) / verdict.seconds)
        time.sleep(options.settle)
    finally:
        stop.set()
        feeder.join()
    if moments.errors:
        raise RuntimeError(f"a moment failed: {moments.errors[0]}")
    return moments


def feed(world: Any, moments: Any) -> None:
    """One more broadcast, to people who are still there."""
    gates = [gate for gate in list(world.people) if gate not in moments.used]
    world.broadcast(random.sample(gates, min(CROWD, len(gates))))


def keep_feeding(world: Any, moments: Any, stop: threading.Event) -> None:
    from tests.stopping.world import waiting_batches

    try:
        while not stop.wait(0.05):
            if waiting_batches() < WAITING_AT_LEAST:
                feed(world, moments)
    except Exception as error:
        moments.errors.append(f"feeder: {type(error).__name__}: {error}")
    finally:
        connections.close_all()


def lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


# --- The judgement ---


def judge(verdict: Verdict, moments: Any, log: Path, sql: Any) -> None:
    from messengers.attempts import open_attempt
    from tests.stopping.judge import read
    from tests.stopping.wal import commits

    history = read(commits(sql))
    arrivals = []
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        attempt = open_attempt(entry["attempt"])
        arrivals.append((float(entry["at"]), attempt.delivery if attempt else 0))
    verdict.intents, verdict.arrived = len(history.intents), len(arrivals)
    verdict.late = len(history.late())
    verdict.unintended = history.unintended(
        delivery for _, delivery in arrivals if delivery in history.deliveries or not delivery
    )
    verdict.moments = len(moments.done)
    clock(verdict, moments, history, arrivals)


def clock(verdict: Verdict, moments: Any, history: Any, arrivals: list[tuple[float, int]]) -> None:
    from tests.stopping.judge import percentile

    by_target: dict[str, list[float]] = {}
    for at, delivery in arrivals:
        place = history.deliveries.get(delivery)
        for target in history.recipients.get(place, ()):
            by_target.setdefault(target, []).append(at)
    answered, quiet = [], []
    for moment in moments.done:
        seen = [at for at in by_target.get(str(moment.target), []) if at < moment.until]
        last = max([at for at in seen if at > moment.asked_at], default=moment.asked_at)
        verdict.after_answer += sum(at > moment.done_at for at in seen)
        answered.append(1000 * (moment.done_at - moment.asked_at))
        quiet.append(1000 * (max(last, moment.done_at) - moment.asked_at))
    verdict.effective = effective(moments, history, by_target)
    for told, values in ((verdict.answered, answered), (verdict.quiet, quiet)):
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            told[name] = round(percentile(values, share), 1)


def effective(moments: Any, history: Any, arrivals: dict[str, list[float]]) -> int:
    """Stops that held something back: without these a run would have proved nothing.

    Recipients without an intent; after a pause what came only once it was over.
    """
    if moments.kind == "pause":
        return sum(
            any(at > moment.until for at in arrivals.get(str(moment.target), []))
            for moment in moments.done
        )
    waiting = set(history.recipients) - {(batch, place) for _, batch, place in history.intents}
    held = {target for place in waiting for target in history.recipients[place]}
    return sum(str(moment.target) in held for moment in moments.done)


# --- The frame ---


def environment(clusters: TemporaryClusters, var: str) -> dict[str, str]:
    home = clusters.home
    return {
        "DATABASE_URL": home.url("data", owner=True),
        "KEYSTORE_URL": home.url("keystore", owner=True),
        "JAWORT_ORIGIN": "http://127.0.0.1:8000",
        "JAWORT_SMTP_URL": "smtp://127.0.0.1:1025",
        "JAWORT_VAR": var,
        "JAWORT_LOG_LEVEL": "ERROR",
        "CELERY_BROKER_URL": "memory://",
        "DJANGO_SETTINGS_MODULE": "config.settings_test",
    }


def set_up() -> None:
    import django

    django.setup()
    from config.databases import migrate

    for alias in ("default", "keystore"):
        migrate(alias)


def table(verdict: Verdict) -> str:
    """One round, as docs/performance.md and a person want it."""
    told = asdict(verdict)
    answered, quiet = told.pop("answered"), told.pop("quiet")
    rows = [f"    {name:<14}{value:>10}" for name, value in told.items()]
    for name, values in (("answered, ms", answered), ("quiet, ms", quiet)):
        rows.append(f"    {name:<14}" + "".join(f"  {k} {v}" for k, v in values.items()))
    return "\n".join(rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, default="stop")
    parser.add_argument("--fault", default="none", help="which check is taken out")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--fast", action="store_true", help="in memory, without fsync")
    parser.add_argument("--json", type=Path)
    for name in ("moments", "workers", "threads", "gap"):
        usual = getattr(Options, name)
        parser.add_argument(f"--{name}", type=type(usual), default=usual)
    return parser.parse_args()


def main() -> int:
    from config.embedded.home import DATABASE

    given = arguments()
    print(f"seed {given.seed}", flush=True)
    random.seed(given.seed)
    settings = {} if given.fast else DURABLE
    with (
        TemporaryClusters(on_disk=not given.fast, settings=settings) as clusters,
        tempfile.TemporaryDirectory() as folder,
    ):
        os.environ.update(environment(clusters, folder))
        set_up()
        from tests.stopping.crew import granian

        options = Options(
            **{name: vars(given)[name] for name in vars(given) if name in Options.__annotations__},
            web=granian if given.kind == "stop" else nobody,
        )
        with clusters.cluster("data").connect(DATABASE) as superuser:
            verdict = play(options, superuser, Path(folder))
    print(table(verdict), flush=True)
    if given.json:
        given.json.write_text(json.dumps(asdict(verdict)))
    return 1 if verdict.late or verdict.unintended else 0


if __name__ == "__main__":
    sys.exit(main())
