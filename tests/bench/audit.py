"""How fast the logs are written, and read again.

    python -m tests.bench.audit --entries 1000000
    python -m tests.bench.audit --entries 10000000 --no-writers

Everything happens on private clusters. Printed: time and memory of `audit_verify` over that many
entries, with checkpoints of a real signer; then entries per second with 1, 8 and 32 writers while
the sequencer runs, beside a bare insert of the same rows.
"""

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from django.db import connections

from tests.bench.world import environment, set_up
from tests.clusters import TemporaryClusters
from tests.privacy.audit.watchers import run_signer, signing

STEP = 500_000
CHECKPOINTS = 100
SECONDS = 4.0
# Entries as `record()` writes them, made by the server itself, a millisecond apart.
FILL = """
WITH made AS (
    SELECT n, (lpad(to_hex(1700000000000 + n), 12, '0') || '7000' || '8000'
        || lpad(to_hex(n), 12, '0'))::uuid AS id,
        to_timestamp(1700000000 + n / 1000.0) AS at
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n),
spelled AS (
    SELECT *, convert_to('{"action":"person.seen","actor":"system:bench","at":"'
        || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        || '","facts":{"rows":7},"id":"' || id || '","object":"subject","purpose":"art_15","ref":"'
        || md5(n::text) || '","result":"done","schema":"jawort-audit/1"}', 'UTF8') AS entry
    FROM made),
written AS (
    INSERT INTO privacy_auditentry (id, action, actor, object, ref, at, entry, leaf)
    SELECT id, 'person.seen', 'system:bench', 'subject', md5(n::text), at, entry,
        sha256('\\x00'::bytea || entry)
    FROM spelled)
INSERT INTO privacy_leaf (log, idx, entry_id, leaf)
SELECT 1, n, id, sha256('\\x00'::bytea || entry) FROM spelled
"""
BARE = """
CREATE TABLE bench_bare (id uuid PRIMARY KEY, action varchar(64), actor varchar(64),
    object varchar(40), ref varchar(64), at timestamptz, entry bytea, leaf bytea);
CREATE INDEX ON bench_bare (ref, at); CREATE INDEX ON bench_bare (at)
"""


def fill(entries: int) -> None:
    """The log, its places and its stored subtrees."""
    from privacy.audit.nodes import complete_tiles, read_row
    from privacy.models import Log

    for first in range(0, entries, STEP):
        last = min(first + STEP, entries) - 1
        with connections["default"].cursor() as cursor:
            cursor.execute(FILL, {"first": first, "last": last})
    for first in range(0, entries, 1 << 16):
        leaves = read_row(Log.AUDIT, 0, first, min(first + (1 << 16), entries))
        rows = [(1, *node) for node in complete_tiles(Log.AUDIT, first, leaves)]
        with connections["default"].cursor() as cursor:
            cursor.executemany(
                "INSERT INTO privacy_node (log, level, pos, hash) VALUES (%s, %s, %s, %s)", rows
            )
    with connections["default"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE privacy_leaf")
        cursor.execute("VACUUM ANALYZE privacy_auditentry")
    os.sync()  # a log that grew over years is not still being written to the disk


def checkpoints(entries: int) -> None:
    from django.utils import timezone

    from privacy.audit.checkpoints import make_checkpoints, sign
    from privacy.audit.keys import learn_keys
    from privacy.models import Log

    learn_keys(Log.AUDIT)
    old = 0
    for number in range(1, CHECKPOINTS + 1):
        size = entries * number // CHECKPOINTS
        sign(Log.AUDIT, size, old, timezone.now())
        old = size
    make_checkpoints(timezone.now())


def verify(entries: int) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "manage.py", "audit_verify", "--json"], capture_output=True, text=True
    )
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = json.loads(done.stdout)
    print(
        f"verified {told['entries']} entries, {told['checkpoints']} checkpoints in {seconds:.1f} s"
        f" ({cpu:.1f} s CPU outside of PostgreSQL), {after.ru_maxrss / 1024:.0f} MB at most in one"
        f" process; sound: {told['is_sound']} {told['findings'][:3]}",
        flush=True,
    )


def write_bare(seconds: float, pipe: Any) -> None:
    with _line() as line:
        pipe.send(_count(seconds, lambda: _bare(line)))


def _bare(line: psycopg.Connection[Any]) -> None:
    from privacy.ids import uuid7

    line.execute(
        "INSERT INTO bench_bare VALUES (%s, 'a.b', 'system:bench', 'x', 'y', now(), %s, %s)",
        [uuid7(), bytes(250), bytes(32)],
    )


def write_entries(seconds: float, pipe: Any) -> None:
    with _line() as line:
        pipe.send(_count(seconds, lambda: _entry(line)))


def _entry(line: psycopg.Connection[Any]) -> None:
    from privacy.audit.tree import leaf_hash
    from privacy.ids import uuid7

    ident, entry = uuid7(), os.urandom(250)
    line.execute(
        "INSERT INTO privacy_auditentry (id, action, actor, object, ref, at, entry, leaf)"
        " VALUES (%s, 'a.b', 'system:bench', 'x', 'y', now(), %s, %s)",
        [ident, entry, leaf_hash(entry)],
    )


def _count(seconds: float, write: Any) -> int:
    done, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        write()
        done += 1
    return done


def _line() -> psycopg.Connection[Any]:
    known = connections["default"].get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    return psycopg.connect(**{n: known[n] for n in names if known.get(n)}, autocommit=True)


def rate(writers: int, work: Any, *, sequenced: bool) -> float:
    from privacy.audit.sequencer import sequence

    context = multiprocessing.get_context("fork")
    connections.close_all()
    pipes, processes = [], []
    for _ in range(writers):
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(SECONDS, theirs))
        process.start()
        pipes.append(ours)
        processes.append(process)
    end = time.monotonic() + SECONDS
    while sequenced and time.monotonic() < end:
        sequence()
        time.sleep(0.5)
    total = sum(pipe.recv() for pipe in pipes)
    for process in processes:
        process.join()
    if sequenced:
        began = time.monotonic()
        left = sequence()
        print(
            f"    then {sum(left.values())} waiting ones placed in {time.monotonic() - began:.2f} s"
        )
    return total / SECONDS


def writers() -> None:
    with _line() as line:
        line.execute(BARE)
    for number in (1, 8, 32):
        bare = rate(number, write_bare, sequenced=False)
        ours = rate(number, write_entries, sequenced=True)
        print(
            f"{number:2} writers: {ours:.0f} entries/s with the sequencer, bare insert {bare:.0f}/s"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--no-writers", action="store_true")
    options = parser.parse_args()
    with TemporaryClusters(on_disk=True) as clusters, tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ.update(environment(clusters, folder))
        os.environ["JAWORT_SIGNER_SOCKET"] = str(home / "s")
        set_up()
        from privacy.audit.logs import origin
        from privacy.models import Log

        run_signer("init", home / "signer", *("--log", origin(Log.AUDIT)))
        with signing(home / "signer", home / "s"):
            began = time.monotonic()
            fill(options.entries)
            print(f"filled with {options.entries} in {time.monotonic() - began:.0f} s", flush=True)
            checkpoints(options.entries)
            connections.close_all()
            verify(options.entries)
            if not options.no_writers:
                writers()
    return 0


if __name__ == "__main__":
    sys.exit(main())
