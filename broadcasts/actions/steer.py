"""Steering what has been started: pause, go on, cancel, try again, and follow its dispatch."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from broadcasts.actions.people import locked
from broadcasts.actions.rules import hash_of
from broadcasts.actions.start import asleep_until, require_waking_hours
from broadcasts.actions.trial import keep_aside
from broadcasts.errors import IllegalTransition, LostRace
from broadcasts.models import Broadcast
from messengers import breaker, outbox
from messengers.models import Channel, Delivery, Dispatch
from privacy import audit
from privacy.access import Actor, require
from subscriptions.models import Subscription

Status, Canary = Broadcast.Status, Broadcast.Canary
HOUSE = Actor.system("broadcasts")
BY_STAFF = "staff"
QUIET = "quiet_pause"
RESENT_WITHIN = timedelta(days=2)  # of the start; what is older is no news any more
# What the dispatch says -> what it means for the broadcast.
FOLLOWED = {
    Dispatch.Status.RUNNING: Status.RUNNING,
    Dispatch.Status.PAUSED: Status.PAUSED,
    Dispatch.Status.FINISHED: Status.FINISHED,
    Dispatch.Status.CANCELLED: Status.CANCELLED,
    Dispatch.Status.EXPIRED: Status.EXPIRED,
}


@transaction.atomic
def pause(*, broadcast: Broadcast, actor: Actor) -> Broadcast:
    """Nothing more leaves after the commit, but for what is on the wire already."""
    row = _for_steering(broadcast, actor)
    row.advance(Status.PAUSED, status_why=BY_STAFF)
    outbox.pause(_dispatch_of(row), BY_STAFF)
    return _noted(row, actor, "broadcast.paused")


@transaction.atomic
def resume(*, broadcast: Broadcast, actor: Actor, urgent_why: str = "") -> Broadcast:
    """Go on with whoever is still waiting. Raises `QuietHours` while the readers are asleep.

    `urgent_why` makes it urgent from now on: then it does not wait for the morning. Behind an open
    circuit breaker a few messages try the channel first. Whoever goes on after a trial batch that
    has stopped it overrules that.
    """
    row = _for_steering(broadcast, actor)
    if row.status != Status.PAUSED:
        raise IllegalTransition(f"broadcast {row.pk} is {row.status}: only a paused one goes on.")
    if reason := urgent_why.strip():
        _make_urgent(row, reason, actor)
    require_waking_hours(row, row.newsletter, timezone.now())
    overruled = {"canary": Canary.OVERRULED} if row.canary == Canary.STOPPED else {}
    _go_on(row, **overruled)
    return _noted(row, actor, "broadcast.resumed")


@transaction.atomic
def end_trial(*, broadcast: Broadcast, actor: Actor) -> Broadcast:
    """Send on to everybody without waiting for the trial batch, for instance when one of its
    channels was stopped. Raises `IllegalTransition` where no trial is awaited.
    """
    row = _for_steering(broadcast, actor)
    if row.canary != Canary.WAITING or row.status != Status.RUNNING:
        raise IllegalTransition(f"broadcast {row.pk} awaits no trial.")
    outbox.release_rest(_dispatch_of(row))
    Broadcast.objects.filter(pk=row.pk).update(canary=Canary.OVERRULED)
    row.refresh_from_db()
    return _noted(row, actor, "broadcast.canary_overruled")


def _make_urgent(row: Broadcast, reason: str, actor: Actor) -> None:
    """Audited with the hash of its reason; the words stand with the broadcast."""
    row.is_urgent, row.urgent_why = True, reason[:200]
    row.save(update_fields=["is_urgent", "urgent_why"])
    facts: dict[str, int | str | bool] = {"reason": hash_of(row.urgent_why)}
    audit.record("broadcast.made_urgent", actor=actor, obj="broadcast", ref=row.pk, facts=facts)


def _go_on(row: Broadcast, **changes: object) -> None:
    """Let a paused broadcast run; the rest of a trial batch still waits for its outcome."""
    row.advance(Status.RUNNING, **changes)
    outbox.resume(_dispatch_of(row))
    keep_aside(row)


@transaction.atomic
def cancel(*, broadcast: Broadcast, actor: Actor) -> Broadcast:
    """Stop for good: whoever still waits gets nothing."""
    row = _for_steering(broadcast, actor)
    row.advance(Status.CANCELLED, status_why=BY_STAFF, finished_at=timezone.now())
    if not outbox.cancel(_dispatch_of(row)):
        raise LostRace(f"broadcast {row.pk}: its last message left a moment before.")
    _mark_used(row)
    return _noted(row, actor, "broadcast.cancelled")


@transaction.atomic
def expire(*, broadcast: Broadcast, actor: Actor, why: str = "too_late") -> Broadcast:
    """Its time is over: whoever still waits, or all of them if it never began, gets nothing."""
    row = _for_steering(broadcast, actor)
    row.advance(Status.EXPIRED, status_why=why, finished_at=timezone.now())
    if row.dispatch:
        outbox.expire(row.dispatch)
        _mark_used(row)
    return _noted(row, actor, "broadcast.expired")


@transaction.atomic
def retry_failed(*, broadcast: Broadcast, actor: Actor) -> int:
    """Try those again whom the messenger refused; nobody in doubt. Returns how many.

    Raises `QuietHours` while the readers are asleep.
    """
    row = _for_steering(broadcast, actor)
    require_waking_hours(row, row.newsletter, timezone.now())
    count = outbox.retry_failed(_dispatch_of(row))
    if not count:
        return 0
    if row.status == Status.FINISHED:
        row.advance(Status.RUNNING, finished_at=None)
    audit.record(
        "broadcast.retried", actor=actor, obj="broadcast", ref=row.pk, facts={"recipients": count}
    )
    return count


@transaction.atomic
def settle_doubt(*, broadcast: Broadcast, delivery: int, decision: str, actor: Actor) -> None:
    """A person decides about one delivery in doubt; the outbox writes who decided what.

    Raises `Delivery.DoesNotExist` for one of another broadcast, `NotInDoubt` for a settled one,
    `QuietHours` for one that would be sent again while the readers are asleep.
    """
    row = _for_deciding(broadcast, decision, actor)
    found = Delivery.objects.filter(dispatch_id=_dispatch_of(row)).get(pk=delivery)
    outbox.settle_doubt(found.pk, decision, actor)
    _reopen(row, decision)


@transaction.atomic
def settle_doubts(
    *, broadcast: Broadcast, causes: Collection[str], decision: str, actor: Actor
) -> int:
    """A person decides for all that are in doubt for these causes; how many. Raises the same."""
    row = _for_deciding(broadcast, decision, actor)
    number = outbox.settle_causes(_dispatch_of(row), causes, decision, actor)
    _reopen(row, decision)
    return number


def _for_deciding(broadcast: Broadcast, decision: str, actor: Actor) -> Broadcast:
    row = _for_steering(broadcast, actor)
    if decision == outbox.Decision.RESEND:
        require_waking_hours(row, row.newsletter, timezone.now())
    return row


def _reopen(row: Broadcast, decision: str) -> None:
    if decision == outbox.Decision.RESEND and row.status == Status.FINISHED:
        row.advance(Status.RUNNING, finished_at=None)


def resend_doubts(now: datetime) -> int:
    """Send again what is in doubt where an administrator has chosen so; how many messages.

    Only of broadcasts of the last days, and not while their readers are asleep. May run twice.
    """
    channels = Channel.objects.filter(on_doubt=Channel.OnDoubt.RESEND)
    rows = Broadcast.objects.filter(
        newsletter__channels__in=channels,
        status__in=[Status.RUNNING, Status.FINISHED],
        started_at__gte=now - RESENT_WITHIN,
    )
    return sum(_resend(pk, now) for pk in rows.values_list("pk", flat=True).distinct())


@transaction.atomic
def _resend(pk: UUID, now: datetime) -> int:
    row = Broadcast.objects.select_for_update(no_key=True).get(pk=pk)
    if row.status not in (Status.RUNNING, Status.FINISHED) or asleep_until(
        row, row.newsletter, now
    ):
        return 0
    number = outbox.resend_by_policy(_dispatch_of(row), HOUSE)
    if number:
        _reopen(row, outbox.Decision.RESEND)
    return number


def go_on_after_breakers(now: datetime) -> int:
    """Try channels again whose breaker has been open for long enough; how many broadcasts go on.

    The oldest broadcast tries first; the others follow when its breaker has closed. May run twice.
    """
    rows = Broadcast.objects.filter(status=Status.PAUSED, status_why=breaker.WHY)
    return sum(
        _try_again(pk, now) for pk in rows.order_by("started_at").values_list("pk", flat=True)
    )


@transaction.atomic
def _try_again(pk: UUID, now: datetime) -> bool:
    row = Broadcast.objects.select_for_update(no_key=True).get(pk=pk)
    if row.status != Status.PAUSED or row.status_why != breaker.WHY:
        return False
    if asleep_until(row, row.newsletter, now) or not breaker.may_go_on(_dispatch_of(row)):
        return False
    _go_on(row)
    _noted(row, HOUSE, "broadcast.resumed")
    return True


def keep_quiet_hours(now: datetime) -> int:
    """Pause what reaches into the quiet hours; go on when they are over. Returns how many moved.

    A broadcast that was slow (a small rate, a messenger that was down) must not wake its readers at
    night. May run twice and in parallel: each broadcast is held while it moves.
    """
    rows = Broadcast.objects.sending().filter(is_urgent=False, newsletter__quiet_from__isnull=False)
    waking = rows.filter(Q(status=Status.RUNNING) | Q(status_why=QUIET))
    return sum(_keep_quiet(pk, now) for pk in waking.values_list("pk", flat=True))


@transaction.atomic
def _keep_quiet(pk: UUID, now: datetime) -> bool:
    row = Broadcast.objects.select_for_update(no_key=True).get(pk=pk)
    is_night = asleep_until(row, row.newsletter, now) is not None
    if is_night and row.status == Status.RUNNING and outbox.pause(_dispatch_of(row), QUIET):
        row.advance(Status.PAUSED, status_why=QUIET)
        _noted(row, HOUSE, "broadcast.paused")
        return True
    if not is_night and row.status == Status.PAUSED and row.status_why == QUIET:
        _go_on(row)
        _noted(row, HOUSE, "broadcast.resumed")
        return True
    return False


def follow_dispatches(now: datetime) -> int:
    """Bring each broadcast that is being sent up to date with its dispatch. Returns how many moved.

    May run twice and in parallel: a broadcast is held while it moves, and moves only if its
    dispatch says something new.
    """
    waiting = Broadcast.objects.sending().values_list("pk", "dispatch", "status")
    said = dict(
        Dispatch.objects.filter(pk__in=[dispatch for _pk, dispatch, _status in waiting])
        .values_list("pk", "status")
    )  # fmt: skip
    moved = 0
    for pk, dispatch, status in waiting:
        if dispatch in said and FOLLOWED[Dispatch.Status(said[dispatch])] != status:
            moved += _follow(pk, now)
    return moved


@transaction.atomic
def _follow(pk: UUID, now: datetime) -> bool:
    row = Broadcast.objects.select_for_update(no_key=True).get(pk=pk)
    dispatch = Dispatch.objects.get(pk=_dispatch_of(row))
    to = FOLLOWED[Dispatch.Status(dispatch.status)]
    if to not in Broadcast.TRANSITIONS[row.status]:
        return False
    is_over = to not in (Status.RUNNING, Status.PAUSED)
    ended_at = dispatch.finished_at or now
    row.advance(to, status_why=dispatch.status_why, finished_at=ended_at if is_over else None)
    if is_over:
        _mark_used(row)
    _noted(row, HOUSE, f"broadcast.{to}")
    return True


def _mark_used(broadcast: Broadcast) -> None:
    """A consent that was used does not lapse: one UPDATE for all whom the broadcast reached."""
    reached = Delivery.objects.filter(
        dispatch_id=_dispatch_of(broadcast),
        status__in=[
            Delivery.Status.ACCEPTED,
            Delivery.Status.DELIVERED,
            Delivery.Status.READ,
        ],
    )
    Subscription.objects.filter(pk__in=reached.values("gate")).update(
        last_used_at=broadcast.finished_at
    )


def _for_steering(broadcast: Broadcast, actor: Actor) -> Broadcast:
    require(actor, "broadcast.send", broadcast.newsletter_id)
    return locked(broadcast)


def _dispatch_of(broadcast: Broadcast) -> UUID:
    if broadcast.dispatch is None:
        raise IllegalTransition(f"broadcast {broadcast.pk} has not been started.")
    return broadcast.dispatch


def _noted(broadcast: Broadcast, actor: Actor, action: str) -> Broadcast:
    audit.record(action, actor=actor, obj="broadcast", ref=broadcast.pk)
    return broadcast
