"""How far a dispatch is, in one short statement: for a page that asks every few seconds.

A million recipients are four thousand batches, and those are summed up in the database: what comes
back is a dozen rows, however many people there are.
"""

from dataclasses import dataclass
from uuid import UUID

from messengers.models import Batch
from messengers.outbox.counts import BY_BATCH, BatchView
from messengers.sql import rows

PULSE = f"""
    SELECT 'state', status, sum(n)::bigint FROM ({BY_BATCH}) AS by_batch GROUP BY status
     UNION ALL
    SELECT 'batch', status, count(*) FROM messengers_batch
     WHERE dispatch_id = %(dispatch)s GROUP BY status
     UNION ALL
    SELECT 'channel', channel_id::text, sum(size) FROM messengers_batch
     WHERE dispatch_id = %(dispatch)s GROUP BY channel_id"""
# Those that are not done come first; each is told in the order of its number.
SHOWN = """
    SELECT id, number, channel_id, size, status FROM (
        SELECT id, number, channel_id, size, status FROM messengers_batch
         WHERE dispatch_id = %(dispatch)s
         ORDER BY status = 'done', number LIMIT %(most)s) AS chosen
     ORDER BY number"""
THEIR_COUNTS = f"SELECT id, status, n FROM ({BY_BATCH}) AS by_batch WHERE id = ANY(%(batches)s)"


@dataclass(frozen=True, slots=True)
class Pulse:
    """Sums over all batches; `states` sum to the dispatch's size at every moment."""

    states: dict[str, int]
    batches: dict[str, int]
    channels: dict[UUID, int]  # recipients of each

    @property
    def size(self) -> int:
        return sum(self.states.values())

    @property
    def batch_total(self) -> int:
        return sum(self.batches.values())

    @property
    def batches_done(self) -> int:
        return self.batches.get(Batch.Status.DONE, 0)


def pulse(dispatch_id: UUID) -> Pulse:
    """One statement: all of it is seen at the same moment."""
    told: dict[str, dict[str, int]] = {"state": {}, "batch": {}, "channel": {}}
    for what, name, number in rows(PULSE, {"dispatch": dispatch_id}):
        told[what][name] = int(number)
    channels = {UUID(name): number for name, number in told["channel"].items()}
    return Pulse(told["state"], told["batch"], channels)


def shown_batches(dispatch_id: UUID, most: int) -> list[BatchView]:
    """At most so many batches, the unfinished ones first, in the order of their numbers."""
    heads = rows(SHOWN, {"dispatch": dispatch_id, "most": most})
    wanted = {"dispatch": dispatch_id, "batches": [row[0] for row in heads]}
    counts: dict[int, dict[str, int]] = {}
    for batch, status, number in rows(THEIR_COUNTS, wanted):
        counts.setdefault(batch, {})[status] = number
    return [
        BatchView(number, channel, size, status, counts.get(batch, {}))
        for batch, number, channel, size, status in heads
    ]
