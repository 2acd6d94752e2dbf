"""What nobody could know: shown, counted, and settled by evidence or by a person."""

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

DOUBTS = """
    SELECT id, address, cause, changed_at FROM messengers_delivery
     WHERE dispatch_id = %s AND status = 'in_doubt' ORDER BY id LIMIT %s"""
LOCK_BATCH = """
    SELECT b.id, b.dispatch_id FROM messengers_batch b
     WHERE b.id = (SELECT batch_id FROM messengers_delivery WHERE id = %s) FOR UPDATE"""
SETTLE = """
    UPDATE messengers_delivery
       SET status = %s, cause = %s, next_at = NULL, changed_at = clock_timestamp()
     WHERE dispatch_id = %s AND id = %s AND status = 'in_doubt'"""

ENDED = """
    SELECT 1 FROM messengers_dispatch
     WHERE id = %s AND status IN ('cancelled', 'expired') FOR UPDATE"""


class Decision(StrEnum):
    """What a person says about a delivery in doubt."""

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


def doubts(dispatch_id: UUID, limit: int = 200) -> list[Doubt]:
    return [Doubt(*row) for row in rows(DOUBTS, [dispatch_id, limit])]


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
    if chosen is Decision.RESEND:
        if rows(ENDED, [dispatch_id]):
            raise NotInDoubt(f"delivery {delivery_id} belongs to a dispatch that was ended.")
        reopen(dispatch_id, [batch_id])
    recount([batch_id], [dispatch_id])
    facts: dict[str, int | str | bool] = {"decision": str(chosen), "delivery": delivery_id}
    record("delivery.settled", actor=actor, obj="dispatch", ref=dispatch_id, facts=facts)
