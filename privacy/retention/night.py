"""The night's work: batch by batch, each with its bookkeeping in one transaction.

Killed anywhere, the next tick goes on where the last commit was; paused, nothing more is removed.
One session-level lock keeps two workers from the same night; it falls with its connection.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_lazy

from privacy.access import Actor, require
from privacy.audit import canonical, record
from privacy.models import (
    RetentionItem,
    RetentionPause,
    RetentionPlan,
    RetentionRun,
    SecondApproval,
)
from privacy.requests import approvals
from privacy.retention import holds, stock
from privacy.retention.plans import OUTLIER, RETENTION, Status, open_plan
from privacy.retention.registry import Expiry, of_the_night
from privacy.retention.rules import rule_of, zone

log = structlog.get_logger("jawort.retention")
# Shorter than a task may last; the next tick goes on.
WORK_SECONDS = 40.0
LOCK = 0x6A61_776F_7274_0001  # "jawort", 1: nothing else in this database takes this number
OPEN = (Status.PLANNED, Status.APPROVED)


def execute(now: datetime, seconds: float = WORK_SECONDS) -> dict[str, int]:
    """Work on open plans for at most so long; rows removed by class. Harmless twice and at once."""
    removed: dict[str, int] = {}
    with _alone() as is_alone:
        if not is_alone or is_paused():
            return removed
        open_plan(now)
        ends = time.monotonic() + seconds
        for item in _open_items():
            if time.monotonic() >= ends or is_paused():
                break
            count = _work(item, ends)
            removed[item.data_class] = removed.get(item.data_class, 0) + count
        _close_plans(now)
    return removed


def is_paused() -> bool:
    return RetentionPause.objects.filter(ended_at=None).exists()


@transaction.atomic
def pause(actor: Actor) -> bool:
    """No further batch begins until `go_on`; whether it was going on."""
    require(actor, "retention.manage")
    if actor.ref is None or is_paused():
        return False
    made = RetentionPause.objects.create(since=timezone.now(), paused_by=actor.ref)
    record("retention.paused", actor=actor, obj="retention", ref=made.pk)
    return True


@transaction.atomic
def go_on(actor: Actor) -> bool:
    """End the pause; whether there was one."""
    require(actor, "retention.manage")
    pk = RetentionPause.objects.filter(ended_at=None).values_list("pk", flat=True).first()
    if pk is None:
        return False
    RetentionPause.objects.filter(pk=pk).update(ended_at=timezone.now())
    record("retention.resumed", actor=actor, obj="retention", ref=pk)
    return True


def approve_outlier(approval: SecondApproval, actor: Actor) -> None:
    """An officer looked at the count: the next tick removes what was due when it was counted."""
    _decide(approval, status=Status.APPROVED)


def refuse_outlier(approval: SecondApproval, actor: Actor) -> None:
    """Nothing of it is removed; the question comes again a week later."""
    _decide(approval, status=Status.REFUSED, finished_at=timezone.now())


def _decide(approval: SecondApproval, **changes: object) -> None:
    item = UUID(approval.ref)
    if RetentionItem.objects.filter(pk=item, status=Status.WAITING).update(**changes):
        plans = RetentionPlan.objects.filter(items=item)
        plans.update(status=RetentionPlan.Status.RUNNING, finished_at=None)


def _open_items() -> list[RetentionItem]:
    rows = RetentionItem.objects.filter(status__in=OPEN).select_related("plan")
    return list(rows.order_by("plan__day", "data_class"))


def _work(item: RetentionItem, ends: float) -> int:
    """One class until nothing is due, time is up, or somebody paused; how many rows went."""
    before = item.removed
    is_over = False
    try:
        if holds.is_class_held(item.data_class):
            is_over = True
        while not is_over and time.monotonic() < ends and not is_paused():
            is_over = _batch(item) == 0 or _is_done(item)
    except Exception:
        # One class that fails stops no other. The text of an error could name what it was about.
        log.exception("retention failed", reason=item.data_class)
        _finish(item, Status.FAILED)
    item.refresh_from_db()
    if is_over:
        _finish(item, Status.DONE)
    return item.removed - before


def _is_done(item: RetentionItem) -> bool:
    """Counted only when as much went as was planned: a count reads the whole class."""
    item.refresh_from_db(fields=["removed"])
    return item.removed >= item.due and not stock.due(item.data_class, item.plan.at)


@transaction.atomic
def _batch(item: RetentionItem) -> int:
    """One batch of every function of the class, and what it did, in one commit."""
    now = item.plan.at
    count = sum(remove(now) for remove in _functions(item.data_class))
    if count:
        RetentionItem.objects.filter(pk=item.pk).update(
            removed=F("removed") + count, batches=F("batches") + 1
        )
    return count


def _functions(data_class: str) -> list[Expiry]:
    return of_the_night().get(data_class, [])


@transaction.atomic
def _finish(item: RetentionItem, status: RetentionItem.Status) -> None:
    """Counted anew, by the other road: what is left although its time is over is a fault.

    Where the plan found nothing due, nothing can have become due for its moment since.
    """
    left = stock.due(item.data_class, item.plan.at) if item.due else 0
    if left:
        status = Status.FAILED
        log.error("retention left rows behind", reason=item.data_class, count=left)
    RetentionItem.objects.filter(pk=item.pk).update(
        status=status, overdue=left, finished_at=timezone.now()
    )
    item.refresh_from_db()
    write_down(item.data_class, item.removed, item.plan.at)


def write_down(data_class: str, count: int, now: datetime) -> None:
    """What a run removed of a class; the audit log hears of it when it was something."""
    RetentionRun.objects.create(at=now, data_class=data_class, removed=count)
    if count:
        record(
            "retention.removed",
            actor=RETENTION,
            obj="data_class",
            ref=data_class,
            facts={"rows": count},
        )


def _close_plans(now: datetime) -> None:
    running = RetentionPlan.objects.filter(status=RetentionPlan.Status.RUNNING)
    for plan in running.exclude(items__status__in=OPEN):
        if plan.items.filter(status=Status.WAITING).exists():
            RetentionPlan.objects.filter(pk=plan.pk).update(status=RetentionPlan.Status.WAITING)
        else:
            _close(plan)


@transaction.atomic
def _close(plan: RetentionPlan) -> None:
    """The summary's exact bytes; their hash stands in the audit log, under its signatures."""
    summary = canonical(_summary(plan))
    digest = sha256(summary).hexdigest()
    RetentionPlan.objects.filter(pk=plan.pk).update(
        status=RetentionPlan.Status.DONE,
        finished_at=timezone.now(),
        summary=summary,
        sha256=digest,
    )
    items = list(plan.items.all())
    record(
        "retention.finished",
        actor=RETENTION,
        obj="retention_plan",
        ref=plan.pk,
        facts={
            "classes": len(items),
            "removed": sum(item.removed for item in items),
            "overdue": sum(item.overdue or 0 for item in items),
            "sha256": digest,
        },
    )


def _summary(plan: RetentionPlan) -> dict[str, object]:
    day = plan.at.astimezone(zone()).date()
    return {
        "schema": "jawort-retention/1",
        "plan": plan.pk,
        "day": str(plan.day),
        "counted_at": plan.at,
        "classes": [
            {
                "class": item.data_class,
                "rule_version": rule_of(item.data_class, day).version,
                "total": item.total,
                "due": item.due,
                "held": item.held,
                "removed": item.removed,
                "overdue": item.overdue or 0,
                "status": item.status,
            }
            for item in plan.items.order_by("data_class")
        ],
    }


@contextmanager
def _alone() -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        is_alone = bool(cursor.fetchone()[0])
    try:
        yield is_alone
    finally:
        if is_alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


approvals.register(
    OUTLIER,
    gettext_lazy("Delete unusually much at once"),
    page="privacy:retention_item",
    on_approval=approve_outlier,
    on_refusal=refuse_outlier,
)
