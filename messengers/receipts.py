"""Receipts: reduced at the door, merged in groups, any order, any number of times.

A message brings up to three of them, so they and not the sending decide how large an installation
may be. The hook folds what one POST says about one message and appends one row; merging takes
thousands at a time, changes each delivery once and counts a batch anew at most once a while.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import structlog
from django.db import OperationalError, transaction
from psycopg.errors import LockNotAvailable

from messengers import partitions
from messengers.attempts import open_attempts
from messengers.contract import Reason, ReceiptEvent, ReceiptRow, receipt_row
from messengers.engine.ledger import provider_ref
from messengers.engine.outcomes import token
from messengers.gates import close_gates
from messengers.models import Gate
from messengers.outbox.control import recount
from messengers.sql import Row, hashes, ids, numbers, rows, run, words

log = structlog.get_logger("jawort.receipts")

# Rank only rises: a late "delivered" never takes back a "read", and wins over "undelivered".
RANK = {"in_doubt": 0, "accepted": 1, "undelivered": 2, "delivered": 3, "read": 4}
UNDELIVERED = RANK["undelivered"]
A_ROW = 2_000  # receipts of one POST in one row
GROUP = 10_000  # receipts merged in one transaction, and rows of them
ROWS = 2_000
# One that nobody waits for (yet) is tried again later and later, and given up after 7 days.
FIRST_WAIT = 5.0  # seconds
LONGEST_WAIT = 6 * 3600.0
EVERYWHERE = 8  # with the first try and every eighth, months long past are asked as well
PUT_OFF_SECONDS = 300.0  # until a process tries again to drop a day that somebody reads
RECOUNT_SECONDS = 5.0  # a batch is counted at once, and then no sooner than so long afterwards
RECOUNTS = 500  # batches in one transaction

ADD = """
    INSERT INTO messengers_receiptgroup
           (channel, at, next_at, tries, size, deliveries, refs, ranks, causes)
    VALUES (%s, clock_timestamp(), clock_timestamp(), 0, %s, %s::bigint[], %s::bytea[],
            %s::smallint[], %s::text[])"""
# One at a time, in the whole house: two would only wait for each other's rows.
ALONE = "SELECT pg_try_advisory_xact_lock(hashtext('messengers.receipts'))"
TAKE = """
    SELECT id, at, channel, tries, deliveries, refs, ranks, causes FROM (
        SELECT *, sum(size) OVER (ORDER BY next_at, id) - size AS before FROM (
            SELECT * FROM messengers_receiptgroup WHERE next_at <= clock_timestamp()
             ORDER BY next_at LIMIT %s) AS due) AS counted
     WHERE before < %s"""
FORGET = """
    DELETE FROM messengers_receiptgroup WHERE id = ANY(%s) AND at = ANY(%s::timestamptz[])"""
LATER = """
    INSERT INTO messengers_receiptgroup
           (channel, at, next_at, tries, size, deliveries, refs, ranks, causes)
    VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s), %s, %s,
            %s::bigint[], %s::bytea[], %s::smallint[], %s::text[])"""
STATES = "ARRAY['in_doubt', 'accepted', 'undelivered', 'delivered', 'read']"
# The rows are few beside their table, whatever its statistics say: each by its own index. The write
# names no months: the planner would read them once and compare all with all. Each row names its
# dispatch, so that one month is looked into for it.
BY_INDEX = """
    SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
           set_config('enable_mergejoin', 'off', true), set_config('enable_material', 'off', true),
           set_config('enable_bitmapscan', 'off', true)"""
# One receipt after the other, each by its own index (OFFSET 0 keeps the planner from joining all of
# them with all batches of their channel, which a table without statistics makes look cheap).
# The channel has to be the delivery's own: nobody else's provider may speak about it. A row that
# was changed meanwhile is looked at again by PostgreSQL, so its rank cannot fall.
MERGE = f"""
    WITH told AS (
        SELECT * FROM unnest(%(keys)s::{{type}}[], %(channels)s::uuid[], %(ranks)s::smallint[],
                             %(causes)s::text[]) WITH ORDINALITY
                      AS r (key, channel, rank, cause, n)
    ), found AS MATERIALIZED (
        SELECT t.n, t.rank, t.cause, d.id, d.dispatch_id, d.gate
          FROM told t CROSS JOIN LATERAL (
              SELECT id, dispatch_id, batch_id, gate, status FROM messengers_delivery
               WHERE {{column}} = t.key
                 AND dispatch_id >= %(from)s AND dispatch_id < %(until)s OFFSET 0) d
         WHERE d.status = ANY({STATES})
           AND (SELECT b.channel_id FROM messengers_batch b WHERE b.id = d.batch_id) = t.channel
    ), risen AS (
        UPDATE messengers_delivery d
           SET status = ({STATES})[f.rank + 1], cause = f.cause, changed_at = clock_timestamp()
          FROM found f
         WHERE d.id = f.id AND d.dispatch_id = f.dispatch_id
           AND f.rank + 1 > array_position({STATES}, d.status::text)
     RETURNING d.batch_id, d.dispatch_id
    ), stale AS (
        INSERT INTO messengers_recount (batch, dispatch)
        SELECT DISTINCT batch_id, dispatch_id FROM risen ORDER BY batch_id
            ON CONFLICT (batch) DO UPDATE SET is_stale = true
    )
    SELECT array_agg(n), array_agg(gate) FILTER (WHERE rank = {UNDELIVERED}
                                    AND cause = '{Reason.PERMANENT_RECIPIENT}' AND gate IS NOT NULL)
      FROM found"""
BY_DELIVERY = MERGE.format(type="bigint", column="id")
BY_REF = MERGE.format(type="bytea", column="provider_ref")
# A day is dropped under a lock that a backup does not grant for as long as it takes, and whoever
# waits for such a lock has all hooks wait behind it. The owner's function would wait for seconds:
# so the table is locked here, at once or not at all, and only when a day is over.
HAS_OLD_DAYS = """
    SELECT EXISTS (
        SELECT 1 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'messengers_receiptgroup'::regclass
           AND c.relname ~ '_[0-9]{4}_[0-9]{2}_[0-9]{2}$'
           AND c.relname < ('messengers_receiptgroup_' || to_char(
                   clock_timestamp() AT TIME ZONE 'UTC' - interval '7 days', 'YYYY_MM_DD')
                   ) COLLATE "C")"""
AT_ONCE = "SET LOCAL lock_timeout = '150ms'"
LOCK_DAYS = "LOCK TABLE messengers_receiptgroup IN ACCESS EXCLUSIVE MODE"
GIVE_UP = "SELECT messengers_give_up_receipts()"

TAKE_STALE = """
    SELECT batch, dispatch FROM messengers_recount
     WHERE is_stale AND due_at <= clock_timestamp()
     ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED"""
LOCK_BATCHES = """
    SELECT id FROM messengers_batch WHERE id = ANY(%s) ORDER BY id FOR UPDATE SKIP LOCKED"""
COUNTED = """
    UPDATE messengers_recount
       SET is_stale = false, due_at = clock_timestamp() + make_interval(secs => %s)
     WHERE batch = ANY(%s)"""
NOT_NOW = """
    UPDATE messengers_recount SET due_at = clock_timestamp() + interval '1 second'
     WHERE batch = ANY(%s)"""
NO_MORE = """
    DELETE FROM messengers_recount r WHERE batch = ANY(%s)
       AND NOT EXISTS (SELECT 1 FROM messengers_batch b WHERE b.id = r.batch)"""
TIDY = """
    DELETE FROM messengers_recount
     WHERE NOT is_stale AND due_at < clock_timestamp() - interval '1 minute'"""

NOTHING = (-1, "", "")
NIL, LAST = UUID(int=0), UUID(int=(1 << 128) - 1)
Key = int | bytes
Reduced = tuple[int | None, bytes | None, int, str]
Place = tuple[UUID, Key]  # channel, and the delivery's number or the hash of the provider's id


@dataclass(slots=True)
class Told:
    """What the receipts of some rows say at most about each message, and who said it."""

    best: dict[Place, tuple[int, str]] = field(default_factory=dict)
    sources: dict[Place, tuple[datetime, int]] = field(default_factory=dict)  # arrival, tries
    number: int = 0

    def add(self, group: Row) -> None:
        _id, at, channel, tries, deliveries, refs, ranks, causes = group
        self.number += len(ranks)
        for delivery, ref, rank, cause in zip(deliveries, refs, ranks, causes, strict=True):
            key: Key | None = ref if delivery is None else delivery
            if key is None:
                continue  # of a person who has been erased meanwhile
            place = (channel, key)
            known = self.best.get(place)
            if known is None or rank > known[0]:
                self.best[place] = (rank, cause)
                self.sources[place] = (at, tries)


# --- At the door ---


def reduced(channel_id: UUID, receipts: Iterable[ReceiptRow]) -> list[Reduced]:
    """What is kept of the receipts of one POST: (delivery, hash, rank, cause) once per message.

    Of what is said about one message the highest rank stands. What names nothing of ours is left
    out; an attempt that we did not make is nothing of ours.
    """
    attempts: dict[str, tuple[int, str, str]] = {}
    others: dict[str, tuple[int, str, str]] = {}
    for attempt, provider_id, status, cause in receipts:
        said, key = (attempts, attempt) if attempt else (others, provider_id)
        rank = RANK[status]
        known = said.get(key)
        if key and (known is None or rank > known[0]):
            said[key] = (rank, cause, provider_id)
    kept: list[Reduced] = []
    opened = open_attempts(attempts) if attempts else []
    for ours, (rank, cause, provider_id) in zip(opened, attempts.values(), strict=True):
        if ours is not None:
            kept.append((ours.delivery, None, rank, _word(rank, cause)))
        elif provider_id and rank > others.get(provider_id, NOTHING)[0]:
            others[provider_id] = (rank, cause, provider_id)
    for key, (rank, cause, _) in others.items():
        kept.append((None, provider_ref(channel_id, key), rank, _word(rank, cause)))
    return kept


def _word(rank: int, cause: str) -> str:
    return token(cause or "unknown") if rank == UNDELIVERED else ""


def park(channel_id: UUID, receipts: Collection[ReceiptEvent | ReceiptRow]) -> int:
    """Take receipts in, reduced to what is needed; how many. In the caller's transaction."""
    told = (receipt_row(r) if isinstance(r, ReceiptEvent) else r for r in receipts)
    return store(channel_id, reduced(channel_id, told))


def store(channel_id: UUID, kept: Sequence[Reduced]) -> int:
    """Append what `reduced` kept, one row for many; how many receipts."""
    for start in range(0, len(kept), A_ROW):
        some = kept[start : start + A_ROW]
        deliveries, refs, ranks, causes = zip(*some, strict=True)
        arrays = [numbers(deliveries), hashes(refs), numbers(ranks), words(causes)]
        run(ADD, [channel_id, len(some), *arrays])
    return len(kept)


# --- Merging ---


def merge_receipts() -> int:
    """Merge what is due, thousands at a time; how many messages were spoken of and found."""
    number = 0
    while True:
        taken, merged = _merge_some()
        number += merged
        if taken < GROUP:
            break
    recount_stale()
    return number


def give_up() -> int:
    """Drop the days of receipts that nobody waited for within 7 days; how many those were.

    While somebody reads the table for long, as a backup does, none is dropped, and this process
    asks again some minutes later.
    """
    if time.monotonic() < _put_off.until:
        return 0
    try:
        return _give_up()
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        _put_off.until = time.monotonic() + PUT_OFF_SECONDS
        log.warning("receipts_not_given_up", error=type(error.__cause__).__name__)
        return 0


def recount_stale() -> int:
    """Count the batches anew that receipts have changed and whose turn it is; how many."""
    number = 0
    while found := _recount_some():
        number += found
    run(TIDY)
    return number


@transaction.atomic
def _give_up() -> int:
    if rows(HAS_OLD_DAYS)[0][0]:
        run(AT_ONCE)
        run(LOCK_DAYS)
    return int(rows(GIVE_UP)[0][0])


@transaction.atomic
def _merge_some() -> tuple[int, int]:
    """One group: (receipts taken, messages among them whose delivery was there)."""
    if not rows(ALONE)[0][0]:
        return 0, 0
    groups = rows(TAKE, [ROWS, GROUP], binary=True)
    if not groups:
        return 0, 0
    told = Told()
    for group in groups:
        told.add(group)
    rows(BY_INDEX)
    lost = _merge(_merge(told.best, told, is_recent=True), told, is_recent=False)
    run(FORGET, [[group[0] for group in groups], [group[1] for group in groups]])
    _try_later(lost, told)
    return told.number, len(told.best) - len(lost)


def _merge(places: Collection[Place], told: Told, *, is_recent: bool) -> list[Place]:
    """Write what was told about these; whoever was not found in these months is returned.

    Almost all receipts are about this month or the one before, so the others are asked last, and
    seldom: a receipt that was tried before waits for an answer that is yet to be recorded.
    """
    asked = [p for p in places if is_recent or not told.sources[p][1] % EVERYWHERE]
    skipped = [] if is_recent else [p for p in places if told.sources[p][1] % EVERYWHERE]
    by_delivery = sorted((p for p in asked if isinstance(p[1], int)), key=lambda p: p[1])
    by_ref = [place for place in asked if not isinstance(place[1], int)]
    lost = [
        *_write(BY_DELIVERY, by_delivery, told, is_recent),
        *_write(BY_REF, by_ref, told, is_recent),
    ]
    return skipped + lost


def _write(statement: str, places: list[Place], told: Told, is_recent: bool) -> list[Place]:
    if not places:
        return []
    today = datetime.now(UTC).date()
    first = partitions.first_id(partitions.month_before(today))
    after = partitions.first_id(partitions.next_month(today.replace(day=1)))
    said = [told.best[place] for place in places]
    numbered = [key for _, key in places if isinstance(key, int)]
    hashed = [key for _, key in places if not isinstance(key, int)]
    known = {
        "keys": numbers(numbered) if statement is BY_DELIVERY else hashes(hashed),
        "channels": ids([place[0] for place in places]),
        "ranks": numbers([rank for rank, _ in said]),
        "causes": words([cause for _, cause in said]),
        "from": first if is_recent else NIL,
        "until": after if is_recent else LAST,
    }
    places_found, bounced = rows(statement, known, binary=True)[0]
    if bounced:
        close_gates(gate_ids=sorted(set(bounced)), reason=Gate.Reason.HARD_BOUNCE)
    found = set(places_found or ())
    return [place for n, place in enumerate(places, 1) if n not in found]


def _try_later(lost: Iterable[Place], told: Told) -> None:
    """Put back what found nothing: one row for those that came together."""
    together: dict[tuple[UUID, datetime, int], list[Place]] = {}
    for place in lost:
        together.setdefault((place[0], *told.sources[place]), []).append(place)
    for (channel, at, tries), places in together.items():
        said = [told.best[place] for place in places]
        run(
            LATER,
            [
                *(channel, at, min(LONGEST_WAIT, FIRST_WAIT * 2.0**tries), tries + 1, len(places)),
                numbers([key if isinstance(key, int) else None for _, key in places]),
                hashes([None if isinstance(key, int) else key for _, key in places]),
                numbers([rank for rank, _ in said]),
                words([cause for _, cause in said]),
            ],
        )


@transaction.atomic
def _recount_some() -> int:
    """Locked first, so that whoever changes a row afterwards marks its batch once more."""
    taken: dict[int, UUID] = {row[0]: row[1] for row in rows(TAKE_STALE, [RECOUNTS])}
    if not taken:
        return 0
    # One that a worker holds for a moment keeps its mark, and has its turn next time.
    ours = [row[0] for row in rows(LOCK_BATCHES, [list(taken)])]
    recount({batch: taken[batch] for batch in ours})
    run(COUNTED, [RECOUNT_SECONDS, ours])
    if busy := set(taken) - set(ours):
        run(NOT_NOW, [list(busy)])
        run(NO_MORE, [list(busy)])
    return len(taken)


class _PutOff:
    until = 0.0  # monotonic


_put_off = _PutOff()
