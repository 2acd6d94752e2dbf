"""C1, C2, C7, C24: a whole house of programs, of which one is killed, stopped or unreachable."""

import os
import random
import signal
import time

from tests.chaos.rows.verdict import seen
from tests.chaos.scenarios import Seen, scenario

PEOPLE, RATE = 1200, 150.0  # eight seconds of sending
WINDOW = 128  # a process may have twice as many in flight, and at this rate never has
CHILDREN = 2  # of one Celery worker
GRACE = 30.0
ON_WIRE = "SELECT coalesce(sum(cardinality(on_wire)), 0) FROM messengers_batch"


def crashed(kind: str, times: int, most_doubts: int) -> Seen:
    """Strike `times` in one broadcast; the doubts stay below what was on the wire."""
    from tests.chaos.long import play
    from tests.standins.http_provider import Faults

    rng = random.Random(7)
    with play(PEOPLE, RATE, Faults(latency=0.05), seed=7) as played:
        struck = 0
        played.until_busy()
        for _ in range(times):
            played.watch.sleep(2.0)
            struck += played.built.strike(kind, rng)
            played.built.revive()
        history = played.finish()
    doubts = sum(change.cause == "worker_lost" for change in history.changes)
    words = f"{struck} × {kind}, {doubts} positions lost on the wire (at most {most_doubts})"
    return seen(history, words=words, and_also=struck == times and doubts <= most_doubts)


@scenario(
    "C1 child",
    event="kill -9 of a worker's child, 3 ×",
    promised="its batches come back with their lease; what was on the wire is in doubt",
)
def child() -> Seen:
    return crashed("child", 3, 3 * WINDOW)


@scenario("C1 main", event="kill -9 of a Celery worker's main process, 2 ×", promised="as above")
def main() -> Seen:
    return crashed("main", 2, 2 * CHILDREN * WINDOW)


@scenario("C1 node", event="kill -9 of a worker with all its children, 2 ×", promised="as above")
def node() -> Seen:
    return crashed("node", 2, 2 * CHILDREN * WINDOW)


@scenario(
    "C7 backend",
    event="kill -9 of a database backend, 4 × (the server restarts)",
    promised="what was committed is kept; lost commits were never called",
)
def backend() -> Seen:
    return crashed("backend", 4, 4 * 2 * CHILDREN * WINDOW)


@scenario(
    "C7 server",
    event="kill -9 of the whole database server, 3 ×, data or keys",
    promised="as above, and everybody comes back by himself",
)
def server() -> Seen:
    return crashed("postmaster", 3, 3 * 2 * CHILDREN * WINDOW)


@scenario(
    "C2",
    event="SIGTERM to both sending workers (a deploy)",
    promised="calls in flight are waited for: gone within 30 s, no doubt",
)
def deploy() -> Seen:
    from tests.chaos.crew import fetch
    from tests.chaos.databases import wait_until
    from tests.chaos.long import play
    from tests.standins.http_provider import Faults

    with play(PEOPLE, RATE, Faults(latency=0.3), seed=8) as played:
        played.until_busy()
        senders = [played.built.programs[name] for name in ("sender1", "sender2")]
        on_wire = fetch(ON_WIRE)[0][0]
        began = time.monotonic()
        for sender in senders:
            os.kill(sender.pid, signal.SIGTERM)
        wait_until(lambda: not any(sender.is_alive() for sender in senders), GRACE)
        took = time.monotonic() - began
        played.built.revive()
        history = played.finish()
    doubts = sum(change.new == "in_doubt" for change in history.changes)
    words = f"{on_wire} calls in flight, both gone after {took:.1f} s, {doubts} doubts"
    ok = on_wire > 0 and took < GRACE and doubts == 0
    return seen(history, words=words, and_also=ok)


@scenario(
    "C24",
    event="the key store is away for 6 s in the middle, and somebody says STOP",
    promised="rows stay queued; the STOP takes effect at once; then all goes on",
)
def without_keys() -> Seen:
    from tests.chaos.crew import fetch
    from tests.chaos.long import play
    from tests.chaos.rows.hooks import say_stop
    from tests.standins.http_provider import Faults

    with play(PEOPLE, RATE, Faults(latency=0.05), seed=9, stops=0.0) as played:
        played.until_busy()
        built, stage = played.built, played.stage
        built.databases.kill("keystore")
        person = list(stage.people.values())[-1]
        status = say_stop(played.plan, person)
        address = next(one for one, number in stage.people.items() if number == person)
        query = "SELECT is_open FROM messengers_gate WHERE address = %s"
        is_open = fetch(query, [address])[0][0]
        played.watch.sleep(6.0)
        failed = fetch("SELECT count(*) FROM messengers_delivery WHERE status = 'failed'")[0][0]
        built.databases.cluster("keystore").clear_stale_lock()
        built.databases.start("keystore")
        again = say_stop(played.plan, person)
        history = played.finish()
    words = (
        f"hook said {status} (gate {'open' if is_open else 'closed'}), with keys {again};"
        f" {failed} failed meanwhile"
    )
    ok = status == 503 and not is_open and again == 200 and not failed
    return seen(history, words=words, and_also=ok)
