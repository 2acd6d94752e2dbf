"""Kill everything while a broadcast runs, then compare what arrived with what we believe.

    python -m tests.chaos.run --recipients 5000 --kills 20

Workers, sweeper and provider are processes of their own; the database is a cluster of its own,
whose backends are killed, too. The truth is the provider's log, written before it answers. The same
run with a deliberately broken engine has to be caught, or the harness proves nothing.
"""

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.db import connections

from tests.chaos.crew import MUTANTS, Crew, fetch, patient
from tests.clusters import TemporaryClusters

CALL_SECONDS, LEASE_SLACK = 2.0, 1.0  # short, so that the dead are noticed within the test
LATENCY = 0.03  # seconds the provider takes: what makes a kill hit calls on the wire
DROPS = 0.001  # share of the calls whose line breaks before, and as many after the acceptance
RATE = 700.0  # messages per second
DRAIN_SECONDS = 30.0
ATTEMPTS = 3  # rounds until a broken engine has shown that it is
STUCK = """
    SELECT d.status, d.status_why, c.paused_until, c.paused_why, clock_timestamp(), b.status,
           b.lease_until, b.due_at, b.on_wire, count(*)
      FROM messengers_dispatch d JOIN messengers_batch b ON b.dispatch_id = d.id
      JOIN messengers_channel c ON c.id = b.channel_id
     WHERE d.id = %s GROUP BY 1, 2, 3, 4, 6, 7, 8, 9"""


@dataclass
class Verdict:
    """What one round has shown."""

    engine: str
    recipients: int
    kills: dict[str, int] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    doubts: dict[str, int] = field(default_factory=dict)
    arrived: int = 0
    lost: int = 0  # we believe it was sent, or still wait, and it never arrived
    doubled: int = 0  # arrived more than once
    nameless: int = 0  # in doubt without a cause, or an attempt that is not ours
    unaccounted: int = 0  # by which counts, rows and snapshot differ
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.nameless or self.unaccounted)


def environment(clusters: TemporaryClusters, var: str) -> dict[str, str]:
    home = clusters.home
    return {
        "DATABASE_URL": home.url("data", owner=True),
        "KEYSTORE_URL": home.url("keystore", owner=True),
        "JAWORT_ORIGIN": "http://127.0.0.1:8000",
        "JAWORT_SMTP_URL": "smtp://127.0.0.1:1025",
        "JAWORT_VAR": var,
        "CELERY_BROKER_URL": "memory://",
        "DJANGO_SETTINGS_MODULE": "config.settings_test",
    }


# --- One round ---


def play(engine: str, recipients: int, kills: dict[str, int], seed: int, log: Path) -> Verdict:
    began = time.monotonic()
    verdict = Verdict(engine, recipients)
    drops = DROPS if engine == "sound" else 50 * DROPS
    with provider(log, seed, drops) as url:
        dispatch_id, phones = prepare(recipients, url)
        connections.close_all()  # the processes must not inherit our connection
        pid = os.fork()
        if pid == 0:  # the broken engine is broken in its own process only
            code = 1
            with contextlib.suppress(BaseException):
                MUTANTS[engine]()
                struck = rampage(dispatch_id, kills, seed)
                log.with_suffix(".struck").write_text(json.dumps(struck))
                code = 0
            os._exit(code)
        os.waitpid(pid, 0)
    verdict.kills = json.loads(log.with_suffix(".struck").read_text())
    judge(verdict, dispatch_id, phones, log)
    verdict.seconds = round(time.monotonic() - began, 1)
    return verdict


def play_until_caught(mutant: str, seed: int, folder: Path) -> Verdict:
    """Three kills may all miss the calls on the wire; then the next seed strikes elsewhere."""
    for attempt in range(ATTEMPTS):
        log = folder / f"{mutant}{attempt}.jsonl"
        verdict = play(mutant, 1000, {"worker": 3, "clock": 3}, seed + attempt, log)
        if verdict.doubled:
            break
    return verdict


def rampage(dispatch_id: Any, kills: dict[str, int], seed: int) -> dict[str, int]:
    """Start the crew, kill what the plan says at random moments, then let it finish.

    How many blows of each kind have hit something.
    """
    from messengers.engine import lines
    from messengers.outbox import resume

    lines.LEASE_SLACK = LEASE_SLACK
    rng = random.Random(seed)
    plan = [kind for kind, number in kills.items() for _ in range(number)]
    rng.shuffle(plan)
    pace = 0.8 * len_seconds(dispatch_id) / len(plan)  # so that all kills fall into the broadcast
    struck: Counter[str] = Counter()
    crew = Crew(workers=3)
    time.sleep(0.3)
    try:
        for kind in plan:
            time.sleep(rng.uniform(0.05, 2 * pace))
            struck[kind] += crew.kill(kind, rng)
            time.sleep(0.02)
            crew.revive()
        until = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < until and not is_finished(dispatch_id):
            crew.revive()
            patient(lambda: resume(dispatch_id))  # as an operator would after "too many doubts"
            time.sleep(0.2)
        if not is_finished(dispatch_id):
            print(patient(lambda: fetch(STUCK, [dispatch_id])), flush=True)
    finally:
        crew.stop()
    return struck


def len_seconds(dispatch_id: Any) -> float:
    """How long the broadcast takes at its channel's rate."""
    return (
        float(fetch("SELECT size FROM messengers_dispatch WHERE id = %s", [dispatch_id])[0][0])
        / RATE
    )


def is_finished(dispatch_id: Any) -> bool:
    query = "SELECT status FROM messengers_dispatch WHERE id = %s"
    return bool(patient(lambda: fetch(query, [dispatch_id]))[0][0] == "finished")


@contextlib.contextmanager
def provider(log: Path, seed: int, drops: float, latency: float = LATENCY) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.standins.http_provider", "--log", str(log)]
    command += ["--latency", str(latency), "--drop-before", str(drops)]
    command += ["--drop-after", str(drops), "--seed", str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def prepare(recipients: int, url: str) -> tuple[Any, dict[int, str]]:
    """A channel, people and a running broadcast: (dispatch, delivery id -> phone number)."""
    from messengers.models import Delivery
    from tests.messengers.house import make_channel, make_dispatch, make_people, phone
    from tests.standins.http_provider import TOKEN

    channel = make_channel(
        settings={"base_url": url, "bulk": 1, "call_seconds": CALL_SECONDS},
        secrets={"token": TOKEN},
        rate_per_second=RATE,
    )
    people = make_people(channel, recipients)
    numbers = {address.id: phone(index) for index, (address, _) in enumerate(people)}
    dispatch = make_dispatch([gate for _, gate in people])
    rows = Delivery.objects.filter(dispatch=dispatch).values_list("id", "address")
    return dispatch.id, {delivery: numbers[address] for delivery, address in rows}


# --- The judgement ---


def judge(verdict: Verdict, dispatch_id: Any, phones: dict[int, str], log: Path) -> None:
    """Compare the provider's log with our deliveries."""
    from messengers.attempts import open_attempt
    from messengers.outbox import counts

    rows = patient(
        lambda: fetch(
            "SELECT id, status, cause FROM messengers_delivery WHERE dispatch_id = %s",
            [dispatch_id],
        )
    )
    accepted = [json.loads(line) for line in log.read_text().splitlines()]
    arrived = Counter(entry["to"] for entry in accepted)
    verdict.arrived = len(arrived)
    verdict.states = dict(Counter(status for _, status, _ in rows))
    verdict.doubts = dict(Counter(cause for _, status, cause in rows if status == "in_doubt"))
    verdict.doubled = sum(number - 1 for number in arrived.values())
    verdict.lost = sum(
        1 for row, status, _ in rows if status != "in_doubt" and not arrived[phones[row]]
    )
    verdict.nameless = verdict.doubts.pop("", 0)
    for entry in accepted:
        attempt = open_attempt(entry["attempt"])
        if attempt is None or phones.get(attempt.delivery) != entry["to"]:
            verdict.nameless += 1
    found = patient(lambda: counts(dispatch_id))
    verdict.unaccounted = abs(sum(found.values()) - verdict.recipients)
    verdict.unaccounted += sum(
        abs(number - verdict.states.get(state, 0)) for state, number in found.items()
    )


def table(verdicts: list[Verdict]) -> str:
    """The rounds side by side."""
    lines = []
    for verdict in verdicts:
        lines.append(f"{verdict.engine}: {verdict.recipients} recipients, {verdict.seconds} s")
        rows: list[tuple[str, Any]] = [
            *((f"struck: {kind}", number) for kind, number in verdict.kills.items()),
            *((f"state: {name}", number) for name, number in sorted(verdict.states.items())),
            *((f"in doubt: {name}", number) for name, number in sorted(verdict.doubts.items())),
            ("arrived at the provider", verdict.arrived),
            ("lost", verdict.lost),
            ("doubled", verdict.doubled),
            ("without a name", verdict.nameless),
            ("unaccounted", verdict.unaccounted),
        ]
        lines += [f"    {name:<32}{number:>8}" for name, number in rows]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--mutants", nargs="*", default=[], choices=[*MUTANTS])
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    verdicts = []
    with TemporaryClusters() as clusters, tempfile.TemporaryDirectory() as folder:
        os.environ.update(environment(clusters, folder))
        set_up()
        kills = {"worker": 0, "sweeper": options.kills // 5, "database": options.kills // 5}
        kills["worker"] = options.kills - sum(kills.values())
        kills["clock"] = options.kills // 5
        log = Path(folder) / "sound.jsonl"
        verdicts.append(play("sound", options.recipients, kills, seed, log))
        for mutant in options.mutants:  # the broken ones lose their worker to clocks and kills
            verdicts.append(play_until_caught(mutant, seed, Path(folder)))
    print(table(verdicts), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(verdict) for verdict in verdicts]))
    return 0 if verdicts[0].is_clean else 1


def set_up() -> None:
    import django

    django.setup()
    from config.databases import migrate

    for alias in ("default", "keystore"):
        migrate(alias)


if __name__ == "__main__":
    sys.exit(main())
