"""One commit: the answers that came and the intents that refill the window, in one transaction.

The order of its statements is what the promises rest on:

1. Lock our batches, in the order of their ids, by token. Who has lost the lease writes nothing.
2. Read dispatches, channels and the epoch in a statement of their own. Joined to the first, they
   would be as old as its snapshot after a wait for the lock, and a pause in between not seen.
3. Take the gates of the next positions `FOR SHARE SKIP LOCKED`: one that is being closed just now
   is left for later, and one that was closed is never passed.
4. Write answers, positions on the wire and the new end of the lease.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from messengers.engine.open_batches import Intent, OpenBatch, Recipient, Result
from messengers.engine.outcomes import ACCEPTED, FOOTER_MISSING, Verdict
from messengers.outbox.control import COUNTED, places, recount
from messengers.sql import ask as ask_rows
from messengers.sql import hashes, ids, keys, numbers, rows, run, words
from privacy.vault import keyed_hash

Told = tuple[OpenBatch, Sequence[Result]]

LOCK = """
    SELECT b.id, b.token FROM messengers_batch b
      JOIN unnest(%s::bigint[], %s::bigint[]) AS ours (id, token)
        ON ours.id = b.id AND ours.token = b.token
     WHERE b.status = 'working' ORDER BY b.id FOR UPDATE OF b"""
READ = """
    SELECT (SELECT array_agg(id) FROM messengers_dispatch
             WHERE id = ANY(%(dispatches)s::uuid[]) AND status = 'running'
               AND (expires_at IS NULL OR expires_at > clock_timestamp())),
           (SELECT array_agg(id) FROM messengers_dispatch
             WHERE id = ANY(%(dispatches)s::uuid[]) AND expires_at <= clock_timestamp()),
           (SELECT array_agg(id) FROM messengers_channel
             WHERE id = ANY(%(channels)s::uuid[]) AND status = 'active'
               AND (paused_until IS NULL OR paused_until <= clock_timestamp())),
           EXISTS (SELECT 1 FROM messengers_instance WHERE epoch = %(epoch)s)"""
OPEN_GATES = """
    SELECT uuid_send(id), needs_footer FROM messengers_gate
     WHERE id = ANY(%s::uuid[]) AND is_open ORDER BY id FOR SHARE SKIP LOCKED"""
OTHER_GATES = """
    SELECT uuid_send(id), is_open, reason FROM messengers_gate WHERE id = ANY(%s::uuid[])"""
# The dispatches are named twice: in the join for the index, and as a range (they are ordered by
# time), with which a plan that was made once opens their months and no others.
RESULTS = """
    unnest(%(dispatches)s::uuid[], %(batches)s::bigint[], %(positions)s::smallint[],
           %(statuses)s::text[], %(causes)s::text[], %(attempts)s::smallint[], %(waits)s::float8[],
           %(refs)s::bytea[])
    AS r (dispatch, batch, position, status, cause, attempts, wait, ref)"""
THEIRS = """
    d.dispatch_id BETWEEN %(first)s AND %(last)s
    AND d.dispatch_id = r.dispatch AND d.batch_id = r.batch AND d.position = r.position"""
RECORD = f"""
    UPDATE messengers_delivery d
       SET status = r.status, cause = r.cause, attempts = r.attempts,
           next_at = clock_timestamp() + make_interval(secs => r.wait),
           provider_ref = coalesce(r.ref, d.provider_ref), changed_at = clock_timestamp(),
           values_sealed = CASE WHEN r.status IN ('queued', 'failed') THEN d.values_sealed END
      FROM {RESULTS}
     WHERE {THEIRS} AND d.status = 'queued'"""
# The same for those of whom there is nothing to say but that they were accepted: nearly all.
ACCEPT = f"""
    UPDATE messengers_delivery d
       SET status = 'accepted', cause = '', attempts = d.attempts + 1, next_at = NULL,
           changed_at = clock_timestamp(), values_sealed = NULL
      FROM unnest(%(dispatches)s::uuid[], %(batches)s::bigint[], %(positions)s::smallint[])
           AS r (dispatch, batch, position)
     WHERE {THEIRS} AND d.status = 'queued'"""
EVIDENCE = f"""
    UPDATE messengers_delivery d
       SET status = r.status, cause = r.cause, attempts = r.attempts,
           provider_ref = coalesce(r.ref, d.provider_ref), changed_at = clock_timestamp(),
           values_sealed = NULL
      FROM {RESULTS}
     WHERE {THEIRS} AND d.status = 'in_doubt' AND d.cause = 'worker_lost'"""
RENEW = """
    UPDATE messengers_batch b
       SET on_wire = w.on_wire::smallint[], losses = 0,
           lease_until = clock_timestamp() + make_interval(secs => w.lease)
      FROM unnest(%s::bigint[], %s::text[], %s::float8[]) AS w (id, on_wire, lease)
     WHERE b.id = w.id"""
# What an ended dispatch leaves behind takes its word for it: cancelled or expired.
END_LEFTOVERS = """
    UPDATE messengers_delivery d SET status = s.status, changed_at = clock_timestamp()
      FROM messengers_batch b JOIN messengers_dispatch s ON s.id = b.dispatch_id
     WHERE b.id = ANY(%(batches)s::bigint[]) AND s.status IN ('cancelled', 'expired')
       AND d.dispatch_id BETWEEN %(first)s AND %(last)s
       AND d.dispatch_id = b.dispatch_id AND d.batch_id = b.id AND d.status = 'queued'"""
# It is counted in the same reading.
CLOSE = f"""
    UPDATE messengers_batch b
       SET status = CASE WHEN found.next_at IS NULL THEN 'done'
                         WHEN s.status = 'paused' THEN 'held'
                         ELSE 'waiting' END,
           lease_until = NULL, on_wire = '{{}}',
           due_at = greatest(found.next_at,
                             clock_timestamp() + make_interval(secs => %(wait)s::float8)),
           losses = CASE WHEN %(is_lost)s THEN b.losses + 1 ELSE 0 END,
           counts = coalesce(found.counts, b.counts),
           causes = coalesce(found.causes, b.causes),
           minutes = coalesce(found.minutes, b.minutes)
      FROM messengers_batch o JOIN messengers_dispatch s ON s.id = o.dispatch_id
      LEFT JOIN ({COUNTED}) AS found ON found.batch_id = o.id
     WHERE o.id = ANY(%(batches)s::bigint[]) AND b.id = o.id
 RETURNING b.id, b.dispatch_id, b.status"""


@dataclass(slots=True)
class Facts:
    """What the database says about our batches, read under their locks."""

    ours: set[int] = field(default_factory=set)  # their ids …
    tokens: set[int] = field(default_factory=set)  # … and the leases that we still hold
    running: set[UUID] = field(default_factory=set)
    expired: set[UUID] = field(default_factory=set)
    channels: set[UUID] = field(default_factory=set)
    is_our_epoch: bool = False

    def holds(self, batch: OpenBatch) -> bool:
        """Whether this very lease is ours. A worker that slept may hold a batch twice: by a lease
        that it has lost, and by the one that it took anew.
        """
        return batch.token in self.tokens

    def allow(self, batch: OpenBatch) -> bool:
        """Whether an intent for this batch may be written now."""
        return (
            self.holds(batch)
            and self.is_our_epoch
            and batch.dispatch in self.running
            and batch.channel in self.channels
        )


def lock(batches: Sequence[OpenBatch], epoch: UUID) -> Facts:
    """Steps 1 and 2. To be called first in the transaction."""
    return _ask_facts(batches, epoch)()


def _ask_facts(batches: Sequence[OpenBatch], epoch: UUID) -> Callable[[], Facts]:
    pairs = [numbers(batch.id for batch in batches), numbers(batch.token for batch in batches)]
    locked = ask_rows(LOCK, pairs, prepare=True)
    asked = {
        "dispatches": ids({batch.dispatch for batch in batches}),
        "channels": ids({batch.channel for batch in batches}),
        "epoch": epoch,
    }
    read = ask_rows(READ, asked, prepare=True)

    def facts() -> Facts:
        held = locked()
        running, expired, channels, is_our_epoch = read()[0]
        return Facts(
            {row[0] for row in held},
            {row[1] for row in held},
            set(running or ()),
            set(expired or ()),
            set(channels or ()),
            is_our_epoch,
        )

    return facts


@dataclass(slots=True)
class Gates:
    """The gates' answers: open and share-locked, closed with a reason, or neither just now."""

    open: dict[bytes, bool] = field(default_factory=dict)  # -> whether it needs the footer
    closed: dict[bytes, str] = field(default_factory=dict)

    def let(self, recipient: Recipient, *, is_bare: bool = False) -> bool:
        """Whether this person may be written to now; `is_bare`: by a message without the footer."""
        gate = recipient.gate
        if gate is None:
            return True
        needs_footer = self.open.get(gate)
        return needs_footer is False or (needs_footer is True and not is_bare)

    def verdict(self, recipient: Recipient, *, is_bare: bool = False) -> Verdict | None:
        """Why this person must not be written to, or not without the footer; or None."""
        gate = recipient.gate
        if gate is None:
            return None
        if gate in self.closed:
            return Verdict("suppressed", self.closed[gate], is_attempt=False)
        return FOOTER_MISSING if is_bare and self.open.get(gate) else None


def ask_gates(intents: Iterable[Intent]) -> Gates:
    """Step 3. A gate that no longer exists went with its person."""
    return _ask_gates(intents)()


def _ask_gates(intents: Iterable[Intent]) -> Callable[[], Gates]:
    asked = [gate for intent in intents if (gate := intent.recipient.gate) is not None]
    if not asked:
        return Gates
    opened = ask_rows(OPEN_GATES, [keys(asked)], prepare=True, binary=True)

    def gates() -> Gates:
        found = Gates(dict(opened()))
        if rest := [gate for gate in asked if gate not in found.open]:
            found.closed = _reasons(rest)
        return found

    return gates


def _reasons(gates: Sequence[bytes]) -> dict[bytes, str]:
    """Why these are closed; a gate that is open, and just being changed, is not among them."""
    seen = {row[0]: row for row in rows(OTHER_GATES, [keys(gates)], prepare=True, binary=True)}
    gone = {gate: "erased" for gate in gates if gate not in seen}
    return gone | {gate: reason for gate, (_, is_open, reason) in seen.items() if not is_open}


def ask(
    batches: Sequence[OpenBatch], epoch: UUID, intents: Iterable[Intent]
) -> tuple[Facts, Gates]:
    """Steps 1 to 3 in their order, without waiting for one answer before the next question."""
    facts, gates = _ask_facts(batches, epoch), _ask_gates(intents)
    return facts(), gates()


def record(batches: Iterable[OpenBatch]) -> None:
    """Write the results of batches we hold; rows that have moved on are left alone."""
    accepted: list[Told] = []
    others: list[Told] = []
    for batch in batches:
        theirs: tuple[list[Result], list[Result]] = ([], [])
        for result in batch.results:
            theirs[result.verdict is ACCEPTED].append(result)
        others.append((batch, theirs[False]))
        accepted.append((batch, theirs[True]))
    _write(RECORD, others)
    _accept(accepted)


def _accept(told: Sequence[Told]) -> None:
    if found := [pair for pair in told if pair[1]]:
        run(ACCEPT, _places(found), prepare=True)


def testify(batches: Iterable[OpenBatch]) -> int:
    """Late answers of a worker that lost its lease: evidence for what was put in doubt."""
    found = [batch for batch in batches if batch.results]
    ids = sorted(batch.id for batch in found)
    rows("SELECT id FROM messengers_batch WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [ids])
    told = [
        (batch, [r for r in batch.results if r.verdict.status in ("accepted", "failed")])
        for batch in found
    ]
    number = _write(EVIDENCE, told)
    recount({batch.id: batch.dispatch for batch in found})
    return number


def renew(batches: Sequence[OpenBatch], lease_seconds: Sequence[float]) -> None:
    """Step 4: what is on the wire from this commit on, and how long the lease lasts."""
    if batches:
        wires = [numbers(sorted(batch.wire)) for batch in batches]
        leases = [numbers(batch.id for batch in batches), words(wires), numbers(lease_seconds)]
        run(RENEW, leases, prepare=True)


def close(
    batches: Mapping[int, UUID],
    *,
    is_lost: bool = False,
    are_running: bool = False,
    wait_seconds: float = 0.0,
) -> list[tuple[int, UUID, str]]:
    """Give batches back, or mark them done; they are locked. Returns (id, dispatch, status).

    `batches`: their ids with their dispatches. `are_running`: none of these was ended, as was read
    under the locks.
    """
    named = places(batches)
    if not named:
        return []
    if not are_running:
        run(END_LEFTOVERS, named, prepare=True)
    how = {"wait": wait_seconds, "is_lost": is_lost}
    return [(row[0], row[1], row[2]) for row in rows(CLOSE, named | how, prepare=True)]


def _write(statement: str, told: Sequence[Told]) -> int:
    found = [pair for pair in told if pair[1]]
    if not found:
        return 0
    results = [result for _, theirs in found for result in theirs]
    verdicts = [result.verdict for result in results]
    columns = {
        "statuses": words([verdict.status for verdict in verdicts]),
        "causes": words([verdict.cause for verdict in verdicts]),
        "attempts": numbers([r.recipient.attempts + r.verdict.is_attempt for r in results]),
        "waits": numbers([verdict.wait for verdict in verdicts]),
        "refs": hashes([_ref(batch, result) for batch, theirs in found for result in theirs]),
    }
    return run(statement, _places(found) | columns, prepare=True)


def _places(found: Sequence[Told]) -> dict[str, Any]:
    """Where the rows of these results stand: columns of one length, and the range of months."""
    dispatches = [batch.dispatch for batch, _ in found]
    return {
        "dispatches": _repeated((batch.dispatch.hex, theirs) for batch, theirs in found),
        "batches": _repeated((str(batch.id), theirs) for batch, theirs in found),
        "positions": numbers([r.recipient.position for _, theirs in found for r in theirs]),
        "first": min(dispatches),
        "last": max(dispatches),
    }


def _repeated(words: Iterable[tuple[str, Sequence[Result]]]) -> str:
    """An array with each word as often as there are results beside it."""
    return "{" + ",".join([",".join([word] * len(results)) for word, results in words]) + "}"


def _ref(batch: OpenBatch, result: Result) -> bytes | None:
    """What is kept to match receipts by; nothing where they name our own attempt."""
    provider_id = result.verdict.provider_id
    return provider_ref(batch.channel, provider_id) if provider_id else None


def provider_ref(channel: UUID, provider_id: str) -> bytes:
    """What is kept of a provider's id, which may hold a phone number: enough to match receipts."""
    return keyed_hash("provider_id", f"{channel}|{provider_id}")
