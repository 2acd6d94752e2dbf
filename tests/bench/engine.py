"""How fast the engine sends with every check on: two workers, a provider on loopback.

    python -m tests.bench.engine --recipients 20000

Printed beside it, from the same run and machine: the snapshot against a bare INSERT … SELECT.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from django.db import connections

from tests.chaos.run import environment, fetch, set_up
from tests.clusters import TemporaryClusters

WORKERS = 2
BARE = """
    CREATE TEMPORARY TABLE bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        dispatch uuid, batch bigint, position smallint, address uuid, gate uuid,
        status varchar(12), cause varchar(48), attempts smallint,
        UNIQUE (dispatch, address), UNIQUE (batch, position));
    CREATE INDEX ON bare (address)"""
FILL = """
    INSERT INTO bare (dispatch, batch, position, address, gate, status, cause, attempts)
    SELECT %s, row_number() OVER (ORDER BY g.address) / 256,
           row_number() OVER (ORDER BY g.address) %% 256, g.address, g.id, 'queued', '', 0
      FROM messengers_gate g"""


def work() -> None:
    from messengers import engine

    engine.run(120.0)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(f"    worker: {usage.ru_utime + usage.ru_stime:.1f} s CPU,", end=" ")
    print(f"{usage.ru_maxrss / 1024:.0f} MB", flush=True)


def prepare(recipients: int, url: str) -> Any:
    from messengers.models import Dispatch
    from messengers.outbox import content_hash, start_dispatch
    from tests.messengers.house import make_channel, make_content, make_people
    from tests.standins.http_provider import TOKEN

    channel = make_channel(
        settings={"base_url": url, "bulk": 1}, secrets={"token": TOKEN}, rate_per_second=1e6
    )
    make_people(channel, recipients)
    content = make_content()
    dispatch = Dispatch.objects.create(
        kind="broadcast", content=content.to_json(), content_sha256=content_hash(content)
    )
    began = time.monotonic()
    everybody = "SELECT address, id, %s::uuid FROM messengers_gate"
    with_transaction(
        lambda: start_dispatch(dispatch=dispatch, recipients_sql=everybody, params=[channel.id])
    )
    ours = time.monotonic() - began
    with connections["default"].cursor() as cursor:
        cursor.execute(BARE)
        began = time.monotonic()
        cursor.execute(FILL, [dispatch.id])
        bare = time.monotonic() - began
    print(f"snapshot of {recipients}: {ours:.2f} s, bare insert {bare:.2f} s: {ours / bare:.1f} ×")
    return dispatch.id


def with_transaction(action: Any) -> None:
    from django.db import transaction

    with transaction.atomic():
        action()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipients", type=int, default=20_000)
    options = parser.parse_args()
    with TemporaryClusters(on_disk=True) as clusters, tempfile.TemporaryDirectory() as folder:
        os.environ.update(environment(clusters, folder))
        set_up()
        from tests.chaos.run import provider

        with provider(Path(folder) / "log", 0, 0.0, latency=0.0) as url:
            dispatch = prepare(options.recipients, url)
            connections.close_all()
            context = multiprocessing.get_context("fork")
            workers = [context.Process(target=work) for _ in range(WORKERS)]
            began = time.monotonic()
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            seconds = time.monotonic() - began
        query = "SELECT count(*) FROM messengers_delivery WHERE dispatch_id = %s AND status = %s"
        accepted = fetch(query, [dispatch, "accepted"])[0][0]
        print(f"sent {accepted} in {seconds:.1f} s: {accepted / seconds:.0f} messages/s")
    return 0 if accepted == options.recipients else 1


if __name__ == "__main__":
    sys.exit(main())
