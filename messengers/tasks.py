"""What the bells ring. Every task finds its work in the database, so none has an argument."""

import time
from datetime import datetime
from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down
from django.utils import timezone

from messengers import engine, expiry, instance
from messengers.doorbell import HANDLE_INBOX, ring
from messengers.engine.claim import due_channels
from messengers.inbox import handle_some
from messengers.models import InboundEvent
from messengers.outbox.behind import pause_newcomers
from messengers.receipts import give_up, merge_receipts
from messengers.stopping import stop
from messengers.tally import INBOX, SWEEPS
from privacy.audit.watches import well
from privacy.retention.registry import expires

WORK_SECONDS = 30.0
MERGE_SECONDS = 5.0  # so long receipts wait for texts, at most


@worker_shutting_down.connect
def stop_sending(**_details: Any) -> None:
    """A deploy: take nothing new, wait for the answers that are out, leave nothing in doubt."""
    stop()


@shared_task
def work() -> None:
    """Send what is due. May run any number of times at once: a lease belongs to one worker."""
    engine.run(WORK_SECONDS)


@shared_task
def handle_inbox() -> None:
    """Answer what people wrote and merge receipts.

    May run twice: an event is handled in the transaction that marks it, and ranks only rise.
    """
    began = time.monotonic()
    handled, merged, last = 0, merge_receipts(), 0
    while True:
        some, last = handle_some(last, MERGE_SECONDS)
        handled, merged = handled + some, merged + merge_receipts()
        if not last or time.monotonic() - began > WORK_SECONDS:
            break
    if last:
        ring(HANDLE_INBOX)
    if handled or merged:
        INBOX.add(began, handled=handled, merged=merged)


@shared_task
def sweep() -> None:
    """Put right what crashes and lost bells left behind, every few seconds.

    May run twice: everything it looks for is gone once it has been found. It says that it was here:
    /readyz and /metrics miss it soon.
    """
    began = time.monotonic()
    instance.advance()
    found = engine.sweep()
    found["paused"] = pause_newcomers()
    found["given_up"] = give_up()
    found["merged"] = merge_receipts()
    well("sweeper", timezone.now(), 0)
    if any(found.values()):
        SWEEPS.add(began, **found)
    if due_channels():
        ring()
    if InboundEvent.objects.filter(status=InboundEvent.Status.WAITING).exists():
        ring(HANDLE_INBOX)


@expires("inbox_body")
def forget_bodies(now: datetime) -> int:
    """Rows of days whose term is over; the keys of these days go beside it, with all copies."""
    return expiry.forget_events(now)


@expires("delivery_record")
def forget_old_deliveries(now: datetime) -> int:
    """Who was written to is forgotten; how many were stays with the batches."""
    return expiry.forget_deliveries(now)
