"""What `/metrics` tells, read by statements that stay cheap however many people there are.

Numbers and fixed words only: no label is a name, an address or a text, and the number of labels
grows with nothing but channels. Counts of deliveries come from their batches (one row per 256),
of dispatches that run or are paused, and of broadcasts that ended within the last day.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from messengers import instance, partitions
from messengers.models import Delivery
from messengers.sql import Row, rows
from privacy.audit import sequencer
from privacy.models import Log

Labels = Mapping[str, str]
MANY = 100_000  # what is more than that is told as that: an alert needs no more

RECENT = """
    SELECT array_agg(id) FROM (
        SELECT id FROM messengers_dispatch WHERE status = 'running'
         UNION
        SELECT dispatch FROM broadcasts_broadcast
         WHERE status IN ('running', 'paused')
            OR finished_at > statement_timestamp() - interval '1 day') AS recent"""
# As a broadcast's own page counts: a batch that is being worked on has no exact counts.
DELIVERIES = """
    SELECT state, sum(n)::bigint FROM (
        SELECT c.key AS state, c.value::bigint AS n
          FROM messengers_batch b, jsonb_each_text(b.counts) c
         WHERE b.dispatch_id = ANY(%(recent)s) AND b.status <> 'working'
         UNION ALL
        SELECT CASE WHEN d.position = ANY(b.on_wire) THEN 'sending' ELSE d.status END, count(*)
          FROM messengers_batch b
          JOIN messengers_delivery d ON d.dispatch_id = b.dispatch_id AND d.batch_id = b.id
         WHERE b.status = 'working' AND d.dispatch_id = ANY(%(recent)s) GROUP BY 1) AS counted
     GROUP BY state"""
# Batches at rest have counted their causes, too: "in_doubt|timeout".
DOUBTS = """
    SELECT cause, sum(n)::bigint FROM (
        SELECT split_part(c.key, '|', 2) AS cause, c.value::bigint AS n
          FROM messengers_batch b, jsonb_each_text(b.causes) c
         WHERE b.dispatch_id = ANY(%(recent)s) AND b.status <> 'working'
           AND split_part(c.key, '|', 1) = 'in_doubt'
         UNION ALL
        SELECT d.cause, count(*) FROM messengers_batch b
          JOIN messengers_delivery d ON d.dispatch_id = b.dispatch_id AND d.batch_id = b.id
         WHERE b.status = 'working' AND d.dispatch_id = ANY(%(recent)s) AND d.status = 'in_doubt'
         GROUP BY 1) AS counted
     GROUP BY cause"""
BATCHES = """
    SELECT status, count(*) FROM messengers_batch WHERE dispatch_id = ANY(%(recent)s)
     GROUP BY status"""
OLDEST = """
    SELECT coalesce(extract(epoch FROM statement_timestamp() - min(due_at)), 0)
      FROM messengers_batch WHERE status = 'waiting' AND due_at <= statement_timestamp()"""
INBOX = """
    SELECT count(*), coalesce(extract(epoch FROM statement_timestamp() - min(received_at)), 0)
      FROM (SELECT received_at FROM messengers_inboundevent WHERE status = 'waiting'
             LIMIT %s) AS found"""
# What nobody waits for yet is tried again later: only what is due is a backlog.
RECEIPTS = """
    SELECT count(*), coalesce(extract(epoch FROM statement_timestamp() - min(next_at)), 0)
      FROM (SELECT next_at FROM messengers_parkedreceipt
             WHERE next_at <= statement_timestamp() ORDER BY next_at LIMIT %s) AS found"""
CHANNELS = """
    SELECT id, kind, status = 'active', coalesce(paused_until > statement_timestamp(), false),
           setbacks, rate_per_second, to_jsonb(c) ->> 'breaker' FROM messengers_channel c"""
REQUESTS = """
    SELECT kind, count(*), count(*) FILTER (WHERE due_at < statement_timestamp()),
           extract(epoch FROM min(due_at) - statement_timestamp())
      FROM privacy_request WHERE status IN ('received', 'working', 'review') GROUP BY kind"""
RETENTION = """
    SELECT i.data_class, coalesce(i.overdue, 0), i.status FROM privacy_retentionitem i
      JOIN privacy_retentionplan p ON p.id = i.plan_id
     WHERE p.id = (SELECT id FROM privacy_retentionplan ORDER BY day DESC LIMIT 1)"""
HEARD = """
    SELECT extract(epoch FROM statement_timestamp() - well_at) FROM privacy_watch
     WHERE name = %s AND well_at IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric: `samples` are (labels, value)."""

    name: str
    help: str
    samples: Sequence[tuple[Labels, float]] = ()


def all_measures() -> list[Measure]:
    """Everything, read now. Raises Django's database errors."""
    found = rows(RECENT)[0][0] or []
    recent = {"recent": found}
    measures = [*_sending(recent), *_coming_in(), *_lags(), *_channels(), *_duties(), *_house()]
    return [measure for measure in measures if measure.samples]


def _sending(recent: Mapping[str, object]) -> Iterable[Measure]:
    counted = {str(status): 0 for status in Delivery.Status} | dict(rows(DELIVERIES, recent))
    yield Measure(
        "jawort_deliveries",
        "Deliveries of what runs, is paused, or ended within a day, by state.",
        [({"state": state}, number) for state, number in counted.items()],
    )
    yield Measure(
        "jawort_doubts",
        "Deliveries of these that may or may not have arrived, by cause.",
        [({"cause": cause}, number) for cause, number in rows(DOUBTS, recent)],
    )
    yield Measure(
        "jawort_batches",
        "Batches of these, by status.",
        [({"status": status}, number) for status, number in rows(BATCHES, recent)],
    )
    yield _one("jawort_oldest_waiting_seconds", "Since when the oldest batch is due.", OLDEST)


def _coming_in() -> Iterable[Measure]:
    texts, since = rows(INBOX, [MANY])[0]
    yield _told("jawort_inbox_waiting", "Texts and signs that nobody has handled yet.", texts)
    yield _told("jawort_inbox_oldest_seconds", "Since when the oldest of them waits.", since)
    receipts, since = rows(RECEIPTS, [MANY])[0]
    yield _told("jawort_receipts_waiting", "Receipts that are due to be merged.", receipts)
    yield _told("jawort_receipts_oldest_seconds", "Since when the oldest of them is due.", since)


def _lags() -> Iterable[Measure]:
    yield _one("jawort_sweeper_lag_seconds", "Since the sweeper was heard of.", HEARD, ["sweeper"])
    now = timezone.now()
    lags = {log.name.lower(): sequencer.lag(log) for log in Log}
    yield Measure(
        "jawort_sequencer_lag_entries",
        "Entries of a log that have no place in it yet.",
        [({"log": log}, waiting) for log, (waiting, _) in lags.items()],
    )
    yield Measure(
        "jawort_sequencer_lag_seconds",
        "Since when the oldest of them waits.",
        [
            ({"log": log}, max(0.0, (now - since).total_seconds()) if since else 0)
            for log, (_, since) in lags.items()
        ],
    )


# Name, what it tells, and how it is read from a row of CHANNELS.
OF_CHANNELS: tuple[tuple[str, str, Callable[[Row], float]], ...] = (
    ("jawort_channel_active", "1 unless somebody has stopped the channel.", lambda row: row[2]),
    ("jawort_channel_paused", "1 while its provider makes it rest.", lambda row: row[3]),
    ("jawort_channel_setbacks", "Pauses in a row without an acceptance.", lambda row: row[4]),
    ("jawort_channel_rate", "Messages per second that it may send.", lambda row: row[5]),
    (
        "jawort_channel_breaker_open",
        "1 while its circuit breaker is open, 0.5 while it tries again.",
        lambda row: {"open": 1.0, "half_open": 0.5}.get(row[6] or "", 0.0),
    ),
)


def _channels() -> Iterable[Measure]:
    found = rows(CHANNELS)
    for name, told, value in OF_CHANNELS:
        samples = [
            ({"channel": str(row[0]), "kind": str(row[1])}, float(value(row))) for row in found
        ]
        yield Measure(name, told, samples)


def _duties() -> Iterable[Measure]:
    """What the law gives us time for: requests of people, and the end of what we keep."""
    found = rows(REQUESTS)
    yield Measure(
        "jawort_requests_open",
        "Requests of people that wait for an answer, by kind.",
        [({"kind": row[0]}, row[1]) for row in found],
    )
    yield _told("jawort_requests_overdue", "Those whose time is over.", sum(r[2] for r in found))
    if found:
        left = min(row[3] for row in found)
        yield _told("jawort_requests_next_due_seconds", "Until the next one's time is over.", left)
    kept = rows(RETENTION)
    yield _told(
        "jawort_retention_overdue",
        "Rows that the last night should have removed and did not.",
        sum(row[1] for row in kept),
    )
    yield _told(
        "jawort_retention_waiting",
        "Classes of data whose removal failed, or waits for a person.",
        sum(row[2] in ("waiting", "failed") for row in kept),
    )


def _house() -> Iterable[Measure]:
    yield _told(
        "jawort_partitions_missing",
        "Of this month and the next two, those without a partition of deliveries.",
        partitions.missing_ahead(),
    )
    sends = not instance.why_not()
    yield _told("jawort_may_send", "1 unless this is a copy that nobody has activated.", sends)
    yield Measure(
        "jawort_disk_free_bytes",
        "Room where Jawort writes.",
        [({"folder": name}, free) for name, free in _free().items()],
    )


def _free() -> dict[str, int]:
    """Free bytes by what is written there; a folder that is not made yet counts as its parent."""
    folders = {
        "var": settings.JAWORT_VAR,
        "media": settings.JAWORT_MEDIA_DIR,
        "exports": settings.JAWORT_EXPORT_DIR,
    }
    return {name: free_bytes(Path(folder)) for name, folder in folders.items()}


def free_bytes(folder: Path) -> int:
    """Room in the file system of a folder, or of the nearest one above that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(os.fspath(folder)).free


def _one(name: str, told: str, query: str, params: Iterable[object] = ()) -> Measure:
    """A metric of one number, if there is one."""
    found = rows(query, list(params))
    return Measure(name, told, [({}, float(row[0])) for row in found])


def _told(name: str, told: str, value: object) -> Measure:
    return Measure(name, told, [({}, float(value))])  # type: ignore[arg-type]
