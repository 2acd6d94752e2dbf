"""Starting later: what an editor means by a local time, and the tick that keeps the word."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.utils import timezone

from broadcasts.actions.people import locked, user_of
from broadcasts.actions.start import start
from broadcasts.errors import BroadcastError, ScheduleRefused
from broadcasts.models import Broadcast, Schedule, ScheduleFire
from broadcasts.schedule import BadLocalTime, Moment, moment, quiet_until, read_local
from privacy import audit
from privacy.access import Actor, NotAllowed, require

log = structlog.get_logger(__name__)
Status = Broadcast.Status
HOUSE = Actor.system("schedule")
# A broadcast that could not start because the house was down still starts within this time.
LATE_AT_MOST = timedelta(hours=1)
AHEAD_AT_MOST = timedelta(days=366)


@transaction.atomic
def schedule(*, broadcast: Broadcast, local_time: str, actor: Actor) -> Moment:
    """Start at this time of the newsletter's zone, like 2026-12-01T07:30.

    A second call sets another time. Returns the instant that was understood: see
    `broadcasts.schedule` for local times that do not exist or exist twice. Raises `NotAllowed`,
    `ScheduleRefused`, `IllegalTransition`.
    """
    require(actor, "broadcast.send", broadcast.newsletter_id)
    row = locked(broadcast)
    meant = understood(row, local_time, timezone.now())
    if row.status == Status.SCHEDULED:
        Schedule.objects.filter(broadcast=row).delete()
    else:
        row.advance(Status.SCHEDULED)
    Schedule.objects.create(
        broadcast=row,
        local_time=local_time,
        time_zone=row.newsletter.time_zone,
        fire_at=meant.at,
        scheduled_by=user_of(actor),
    )
    audit.record("broadcast.scheduled", actor=actor, obj="broadcast", ref=row.pk)
    return meant


def understood(broadcast: Broadcast, local_time: str, now: datetime) -> Moment:
    """The instant that `local_time` means for this broadcast. Raises `ScheduleRefused`."""
    newsletter = broadcast.newsletter
    try:
        meant = moment(read_local(local_time), newsletter.time_zone)
    except BadLocalTime:
        raise ScheduleRefused("bad_time") from None
    if meant.at <= now:
        raise ScheduleRefused("past")
    if meant.at > now + AHEAD_AT_MOST:
        raise ScheduleRefused("too_far")
    until = quiet_until(
        meant.at, newsletter.time_zone, newsletter.quiet_from, newsletter.quiet_until
    )
    if until and not broadcast.is_urgent:
        raise ScheduleRefused("quiet_hours", until)
    return meant


@transaction.atomic
def unschedule(*, broadcast: Broadcast, actor: Actor) -> Broadcast:
    """Back to a draft, which nobody starts."""
    require(actor, "broadcast.write", broadcast.newsletter_id)
    row = locked(broadcast)
    row.advance(Status.DRAFT)
    Schedule.objects.filter(broadcast=row).delete()
    audit.record("broadcast.unscheduled", actor=actor, obj="broadcast", ref=row.pk)
    return row


def fire_due(now: datetime) -> int:
    """Start whatever is due. Returns how many schedules this call has fired.

    May run twice and in parallel: the unique row of a fire lets one through, the others wait for
    its commit and then find the row. A crash before the commit leaves neither row nor start.
    """
    due = Schedule.objects.filter(fire_at__lte=now, broadcast__status=Status.SCHEDULED)
    fired, broken = 0, None
    for row in due.order_by("fire_at"):
        try:
            fired += _fire(row, now)
        except (
            Exception
        ) as error:  # one that breaks keeps no other from its time; it is tried again
            name = type(error).__name__
            log.error("scheduled start failed", broadcast=str(row.broadcast_id), error=name)
            broken = error
    if broken:
        raise broken
    return fired


@transaction.atomic
def _fire(due: Schedule, now: datetime) -> bool:
    if not _is_first(due):
        return False
    broadcast = locked(due.broadcast)
    is_current = Schedule.objects.filter(pk=due.pk, fire_at=due.fire_at).exists()
    if broadcast.status != Status.SCHEDULED or not is_current:
        return False  # unscheduled, or set to another time, while we waited
    if now - due.fire_at > LATE_AT_MOST:
        _put_away(broadcast, Status.EXPIRED, "missed", finished_at=now)
        return True
    try:
        with transaction.atomic():
            start(broadcast, actor=_scheduler(due), idempotency_key=f"schedule:{due.pk}")
    except NotAllowed:
        _put_away(broadcast, Status.DRAFT, "not_allowed")
    except BroadcastError as refused:
        _put_away(broadcast, Status.DRAFT, refused.code)
    return True


def _scheduler(due: Schedule) -> Actor:
    """Who scheduled it, with the rights of now: somebody who left or lost them sends nothing."""
    if due.scheduled_by is None:
        raise NotAllowed("whoever scheduled this is gone.")
    return Actor.staff(due.scheduled_by)


def _is_first(due: Schedule) -> bool:
    """Whether nobody fired this before; holds others back until our commit."""
    table = ScheduleFire._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (schedule, fire_at, fired_at) VALUES (%s, %s, now())"
            " ON CONFLICT DO NOTHING",
            [due.pk, due.fire_at],
        )
        return bool(cursor.rowcount == 1)


def _put_away(broadcast: Broadcast, to: str, why: str, **changes: Any) -> None:
    """Its time has come and it did not start: say why, where the editor looks."""
    broadcast.advance(to, status_why=why, **changes)
    if to == Status.DRAFT:
        Schedule.objects.filter(broadcast=broadcast).delete()
    audit.record(
        "broadcast.not_started",
        actor=HOUSE,
        obj="broadcast",
        ref=broadcast.pk,
        result="refused",
        facts={"why": why},
    )
    log.warning("scheduled broadcast did not start", broadcast=str(broadcast.pk), reason=why)
