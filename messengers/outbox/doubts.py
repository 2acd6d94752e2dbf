"""What nobody could know: shown by cause, and settled by evidence, by a person or by a policy."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import transaction

from messengers.errors import NotInDoubt
from messengers.models import Delivery
from messengers.outbox.control import recount, reopen
from messengers.sql import rows, run
from privacy.access import Actor
from privacy.audit import record

# A policy waits for receipts first; and no message is sent more often than this by itself.
GRACE_SECONDS = 120.0
MOST_ATTEMPTS = 3
# What we are to blame for ourselves: a worker died between question and answer.
OUR_CRASH = "worker_lost"

DOUBTS = """
    SELECT id, address, cause, changed_at FROM messengers_delivery
     WHERE dispatch_id = %(dispatch)s AND status = 'in_doubt'
       AND (%(causes)s::text[] IS NULL OR cause = ANY(%(causes)s::text[]))
     ORDER BY id LIMIT %(limit)s"""
LOCK_BATCH = """
    SELECT b.id, b.dispatch_id FROM messengers_batch b
     WHERE b.id = (SELECT batch_id FROM messengers_delivery WHERE id = %s) FOR UPDATE"""
SETTLE = """
    UPDATE messengers_delivery
       SET status = %s, cause = %s, next_at = NULL, changed_at = clock_timestamp()
     WHERE dispatch_id = %s AND id = %s AND status = 'in_doubt'"""
LOCK_BATCHES = """
    SELECT id FROM messengers_batch
     WHERE dispatch_id = %(dispatch)s
       AND id IN (SELECT DISTINCT batch_id FROM messengers_delivery
                   WHERE dispatch_id = %(dispatch)s AND status = 'in_doubt'
                     AND cause = ANY(%(causes)s::text[]))
     ORDER BY id FOR UPDATE"""
SETTLE_CAUSES = """
    UPDATE messengers_delivery
       SET status = %(status)s, cause = %(cause)s, next_at = NULL, changed_at = clock_timestamp()
     WHERE dispatch_id = %(dispatch)s AND batch_id = ANY(%(batches)s) AND status = 'in_doubt'
       AND cause = ANY(%(causes)s::text[])"""
# Doubts of channels whose operator has chosen "send again", since that was chosen. Asked every few
# seconds for days: the counts of a batch at rest are exact and say whether to read its rows.
LOCK_TO_RESEND = """
    SELECT b.id FROM messengers_batch b JOIN messengers_channel c ON c.id = b.channel_id
     WHERE b.dispatch_id = %(dispatch)s AND c.on_doubt = 'resend' AND c.status = 'active'
       AND c.breaker = 'closed' AND (b.status = 'working' OR b.counts ? 'in_doubt')
       AND EXISTS (SELECT 1 FROM messengers_delivery d
                    WHERE d.dispatch_id = %(dispatch)s AND d.batch_id = b.id
                      AND d.status = 'in_doubt' AND d.attempts < %(most)s
                      AND d.changed_at >= c.on_doubt_since
                      AND d.changed_at < clock_timestamp() - make_interval(secs => %(grace)s))
     ORDER BY b.id FOR UPDATE OF b"""
RESEND = """
    UPDATE messengers_delivery d
       SET status = 'queued', cause = 'resent_by_policy', next_at = NULL,
           changed_at = clock_timestamp()
      FROM messengers_batch b JOIN messengers_channel c ON c.id = b.channel_id
     WHERE d.dispatch_id = %(dispatch)s AND d.batch_id = ANY(%(batches)s) AND b.id = d.batch_id
       AND d.status = 'in_doubt' AND d.attempts < %(most)s AND d.changed_at >= c.on_doubt_since
       AND d.changed_at < clock_timestamp() - make_interval(secs => %(grace)s)"""
ENDED = """
    SELECT 1 FROM messengers_dispatch
     WHERE id = %s AND status IN ('cancelled', 'expired') FOR UPDATE"""


class Decision(StrEnum):
    """What a person says about deliveries in doubt."""

    SENT = "sent"
    NOT_SENT = "not_sent"
    RESEND = "resend"


OUTCOMES = {
    Decision.SENT: (Delivery.Status.ACCEPTED, "settled"),
    Decision.NOT_SENT: (Delivery.Status.FAILED, "settled"),
    Decision.RESEND: (Delivery.Status.QUEUED, ""),
}


@dataclass(frozen=True, slots=True)
class Doubt:
    """One delivery in doubt. `messengers.addresses.masked` shows whose it is."""

    delivery_id: int
    address_id: UUID
    cause: str
    since: datetime


def doubts(
    dispatch_id: UUID, limit: int = 200, causes: Collection[str] | None = None
) -> list[Doubt]:
    """The first of them, or the first with one of these causes."""
    wanted = None if causes is None else list(causes)
    given = {"dispatch": dispatch_id, "limit": limit, "causes": wanted}
    return [Doubt(*row) for row in rows(DOUBTS, given)]


@transaction.atomic
def settle_doubt(delivery_id: int, decision: Decision | str, actor: Actor) -> None:
    """A person decides what became of a message. Audited; raises `NotInDoubt` and changes nothing.

    `resend` may write to somebody twice, so only a person may choose it, and not any more once the
    dispatch was cancelled or has expired.
    """
    chosen = Decision(decision)
    found = rows(LOCK_BATCH, [delivery_id])
    status, cause = OUTCOMES[chosen]
    batch_id, dispatch_id = found[0] if found else (0, None)
    if not run(SETTLE, [status, cause, dispatch_id, delivery_id]):
        raise NotInDoubt(f"delivery {delivery_id} is not in doubt: reload the page.")
    _follow(chosen, dispatch_id, [batch_id])
    facts: dict[str, int | str | bool] = {"decision": str(chosen), "delivery": delivery_id}
    record("delivery.settled", actor=actor, obj="dispatch", ref=dispatch_id, facts=facts)


@transaction.atomic
def settle_causes(
    dispatch_id: UUID, causes: Collection[str], decision: Decision | str, actor: Actor
) -> int:
    """A person decides for all that are in doubt for these causes; how many. Audited as one act.

    Raises `NotInDoubt`, and changes nothing, if there is none, or for `resend` after the end.
    """
    chosen = Decision(decision)
    given = {"dispatch": dispatch_id, "causes": list(causes)}
    batches = [row[0] for row in rows(LOCK_BATCHES, given)]
    status, cause = OUTCOMES[chosen]
    outcome = {"batches": batches, "status": status, "cause": cause}
    number = run(SETTLE_CAUSES, given | outcome) if batches else 0
    if not number:
        raise NotInDoubt(f"nothing of dispatch {dispatch_id} is in doubt for this cause.")
    _follow(chosen, dispatch_id, batches)
    facts: dict[str, int | str | bool] = {"decision": str(chosen), "deliveries": number}
    facts |= {f"cause_{nth}": cause for nth, cause in enumerate(sorted(causes), 1)}
    record("delivery.settled_together", actor=actor, obj="dispatch", ref=dispatch_id, facts=facts)
    return number


@transaction.atomic
def resend_by_policy(dispatch_id: UUID, actor: Actor) -> int:
    """Send again what is in doubt where an administrator has chosen so; how many. Audited.

    Only what became doubtful after that choice, when a receipt had its time to come, and at most
    `MOST_ATTEMPTS` times. Not while the channel's breaker is open. May run twice.
    """
    given = {"dispatch": dispatch_id, "most": MOST_ATTEMPTS, "grace": GRACE_SECONDS}
    batches = [row[0] for row in rows(LOCK_TO_RESEND, given)]
    if not batches or rows(ENDED, [dispatch_id]):
        return 0
    number = run(RESEND, given | {"batches": batches})
    if number:
        _follow(Decision.RESEND, dispatch_id, batches)
        facts: dict[str, int | str | bool] = {"decision": "resend", "deliveries": number}
        record("delivery.resent", actor=actor, obj="dispatch", ref=dispatch_id, facts=facts)
    return number


def _follow(chosen: Decision, dispatch_id: UUID, batches: Sequence[int]) -> None:
    """What the batches and the dispatch have to know of it; the batches are locked."""
    if chosen is Decision.RESEND:
        if rows(ENDED, [dispatch_id]):
            raise NotInDoubt(f"dispatch {dispatch_id} was ended: nothing is sent any more.")
        reopen(dispatch_id, list(batches))
    recount(dict.fromkeys(batches, dispatch_id))
