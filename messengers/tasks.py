"""What the bells ring. Every task finds its work in the database, so none has an argument."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import structlog
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

log = structlog.get_logger(__name__)

Found = dict[str, int]  # what a step of the sweep found, and how many of it
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

    May run twice: everything it looks for is gone once it has been found. It says that it was here,
    if it could do what people wait for: /readyz and /metrics miss it soon.
    """
    began = time.monotonic()
    found: Found = {}
    broken = _take(NEEDED, found)
    broken += _take(OTHERS if broken else (_say_well, *OTHERS), found)
    if any(found.values()):
        SWEEPS.add(began, **found)
    if broken:
        raise broken[0]


def _take(steps: Iterable[Callable[[], Found]], found: Found) -> list[Exception]:
    """Take these steps; what broke. One that does keeps no other from its work."""
    broken: list[Exception] = []
    for step in steps:
        try:
            found |= step()
        except Exception as error:
            log.error("step of the sweep failed", task=step.__name__, error=type(error).__name__)
            broken.append(error)
    return broken


def _advance() -> Found:
    instance.advance()
    return {}


def _put_right() -> Found:
    return engine.sweep()


def _pause_newcomers() -> Found:
    return {"paused": pause_newcomers()}


def _merge() -> Found:
    return {"merged": merge_receipts()}


def _say_well() -> Found:
    well("sweeper", timezone.now(), 0)
    return {}


def _give_up() -> Found:
    return {"given_up": give_up()}


def _ring_for_work() -> Found:
    if due_channels():
        ring()
    return {}


def _ring_for_inbox() -> Found:
    if InboundEvent.objects.filter(status=InboundEvent.Status.WAITING).exists():
        ring(HANDLE_INBOX)
    return {}


# What a sweep does, in this order. When one of the first breaks, the sweeper is missed.
NEEDED = (_advance, _put_right, _pause_newcomers, _merge)
OTHERS = (_ring_for_work, _ring_for_inbox, _give_up)


@expires("inbox_body")
def forget_bodies(now: datetime) -> int:
    """Rows of days whose term is over; the keys of these days go beside it, with all copies."""
    return expiry.forget_events(now)


@expires("delivery_record")
def forget_old_deliveries(now: datetime) -> int:
    """Who was written to is forgotten; how many were stays with the batches."""
    return expiry.forget_deliveries(now)
