"""What looking costs: /metrics and the progress of a broadcast beside a million deliveries.

    python -m tests.scaling.looking --recipients 1000000

Makes a database of its own with one running broadcast, half of it sent, four batches in work, and
prints the milliseconds of each look, and the plan of the statement that a page asks for.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from tests.clusters import TemporaryClusters
from tests.stopping.run import environment, set_up

ROUNDS = 30
BATCHES = """
    INSERT INTO messengers_batch (dispatch_id, channel_id, number, size, priority, status, due_at,
                                  token, lease_until, on_wire, counts, causes, losses)
    SELECT %(dispatch)s, %(channel)s, n, 256, 0, s.status, now(), 0,
           CASE WHEN s.status = 'working' THEN now() + interval '1 hour' END, '{}', s.counts,
           CASE WHEN s.status = 'done' THEN '{"in_doubt|worker_lost": 1, "failed|blocked": 5}'
                ELSE '{}' END::jsonb, 0
      FROM generate_series(1, %(batches)s) n,
           LATERAL (SELECT CASE WHEN n <= %(batches)s / 2 THEN 'done'
                                WHEN n <= %(batches)s / 2 + 4 THEN 'working' ELSE 'waiting' END,
                           CASE WHEN n <= %(batches)s / 2
                                THEN '{"accepted": 200, "delivered": 50, "in_doubt": 1,
                                       "failed": 5}'
                                ELSE '{"queued": 256}' END::jsonb) AS s (status, counts)"""
DELIVERIES = """
    INSERT INTO messengers_delivery (dispatch_id, batch_id, position, address, gate, status, cause,
                                     attempts)
    SELECT b.dispatch_id, b.id, p, gen_random_uuid(), gen_random_uuid(),
           CASE WHEN b.status <> 'done' THEN 'queued' WHEN p = 0 THEN 'in_doubt'
                WHEN p < 201 THEN 'accepted' WHEN p < 251 THEN 'delivered' ELSE 'failed' END,
           CASE WHEN b.status = 'done' AND p = 0 THEN 'worker_lost' ELSE '' END, 1
      FROM messengers_batch b, generate_series(0, 255) p WHERE b.dispatch_id = %(dispatch)s"""


def fill(recipients: int) -> Any:
    """A running broadcast to so many, without anybody behind it: its dispatch."""
    from messengers.models import Dispatch
    from messengers.sql import run
    from tests.messengers.house import make_channel, make_content

    channel = make_channel()
    dispatch = Dispatch.objects.create(
        kind="broadcast", content=make_content().to_json(), content_sha256="", size=recipients
    )
    given = {"dispatch": dispatch.id, "channel": channel.id, "batches": recipients // 256}
    run(BATCHES, given)
    run(DELIVERIES, {"dispatch": dispatch.id})
    run("ANALYZE")
    return dispatch.id


def milliseconds(look: Callable[[], object]) -> str:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        look()
        times.append(1000 * (time.perf_counter() - began))
    return f"median {statistics.median(times):6.1f}  highest {max(times):6.1f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=1_000_000)
    options = parser.parse_args()
    with TemporaryClusters() as clusters, tempfile.TemporaryDirectory() as folder:
        os.environ.update(environment(clusters, folder))
        set_up()
        from config.measures import all_measures
        from messengers.outbox.counts import batches
        from messengers.outbox.pulse import PULSE, pulse, shown_batches
        from messengers.sql import rows

        dispatch = fill(options.recipients)
        assert pulse(dispatch).size == options.recipients // 256 * 256
        looks: dict[str, Callable[[], object]] = {
            "sums of the progress": lambda: pulse(dispatch),
            "fifty batches": lambda: shown_batches(dispatch, 50),
            "every batch, as before": lambda: batches(dispatch),
            "/metrics": all_measures,
        }
        for name, look in looks.items():
            print(f"{name:<24} ms {milliseconds(look)}", flush=True)
        for (line,) in rows(f"EXPLAIN (ANALYZE, BUFFERS) {PULSE}", {"dispatch": dispatch}):
            print("   ", line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
