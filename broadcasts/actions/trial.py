"""The trial batch: a few go first, and what comes of it decides about the others."""

from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction

from broadcasts.models import Broadcast, SendingRules
from messengers import outbox
from privacy import audit
from privacy.access import Actor
from subscriptions.models import Newsletter, Subscription

log = structlog.get_logger(__name__)
HOUSE = Actor.system("broadcasts")
Status, Canary = Broadcast.Status, Broadcast.Canary
# One person more or less is chance, whatever share of a small trial that is.
FEWEST = 2


def set_aside(broadcast: Broadcast, newsletter: Newsletter, dispatch: UUID) -> None:
    """Let the trial batch go first, in the transaction of the start. Urgent news have none."""
    size = broadcast.canary_size
    if size is None:
        size = SendingRules.of(newsletter).canary_size
    if broadcast.is_urgent or not size:
        return
    broadcast.canary_batches = outbox.set_aside(dispatch, size)
    if broadcast.canary_batches:
        broadcast.canary = Canary.WAITING


def keep_aside(broadcast: Broadcast) -> None:
    """After a pause in the middle of the trial, the rest still waits for its outcome."""
    if broadcast.canary == Canary.WAITING and broadcast.dispatch:
        outbox.hold_rest(broadcast.dispatch, broadcast.canary_batches)


def judge_trials(now: datetime) -> int:
    """Send on to everybody, or stop and say why, where a trial has told enough; how many.

    May run twice and in parallel: each broadcast is held while it is judged.
    """
    waiting = Broadcast.objects.filter(canary=Canary.WAITING, status=Status.RUNNING)
    return sum(_judge(pk, now) for pk in waiting.values_list("pk", flat=True))


@transaction.atomic
def _judge(pk: UUID, now: datetime) -> bool:
    row = Broadcast.objects.select_for_update(no_key=True).get(pk=pk)
    if row.canary != Canary.WAITING or row.status != Status.RUNNING or row.dispatch is None:
        return False
    rules = SendingRules.of(row.newsletter)
    found = outbox.trial(row.dispatch, row.canary_batches)
    opt_outs = _opt_outs(row)
    told = asdict(found) | {"opt_outs": opt_outs}
    if why := verdict(rules, found, opt_outs):
        return _stop(row, why, told)
    if found.open:
        return False
    if row.canary_done_at is None:
        Broadcast.objects.filter(pk=pk).update(canary_done_at=now)
        row.canary_done_at = now
    if now < row.canary_done_at + timedelta(minutes=rules.canary_minutes):
        return False
    return _send_on(row, told)


def verdict(rules: SendingRules, found: outbox.Trial, opt_outs: int) -> str:
    """Why the broadcast must not go on; "" if nothing speaks against it so far."""
    counted = (
        ("canary_failures", found.failures, rules.failures_percent),
        ("canary_doubts", found.doubts, rules.doubts_percent),
        ("canary_opt_outs", opt_outs, rules.opt_outs_percent),
    )
    for why, number, percent in counted:
        if number >= FEWEST and number * 100 > percent * found.people:
            return why
    return ""


def _stop(row: Broadcast, why: str, told: dict[str, int]) -> bool:
    if not row.dispatch or not outbox.pause(row.dispatch, why):
        return False  # somebody paused or ended it just now
    row.advance(Status.PAUSED, status_why=why, canary=Canary.STOPPED, canary_found=told)
    _record(row, "broadcast.canary_stopped", told | {"why": why})
    log.warning("canary_stopped", broadcast=str(row.pk), why=why)
    return True


def _send_on(row: Broadcast, told: dict[str, int]) -> bool:
    assert row.dispatch
    outbox.release_rest(row.dispatch)
    Broadcast.objects.filter(pk=row.pk).update(canary=Canary.PASSED, canary_found=told)
    _record(row, "broadcast.canary_passed", told)
    return True


def _record(row: Broadcast, action: str, facts: dict[str, int] | dict[str, int | str]) -> None:
    audit.record(action, actor=HOUSE, obj="broadcast", ref=row.pk, facts=dict(facts))


def _opt_outs(row: Broadcast) -> int:
    """How many of those who went first have said no since."""
    if row.dispatch is None or row.started_at is None:
        return 0
    return Subscription.objects.filter(
        pk__in=outbox.trial_gates(row.dispatch, row.canary_batches),
        status__in=[Subscription.Status.WITHDRAWN, Subscription.Status.OBJECTED],
        ended_at__gte=row.started_at,
    ).count()
