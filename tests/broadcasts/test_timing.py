"""Scheduled starts: once, in time, and when not, with the reason where the editor looks."""

from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone

from broadcasts import actions
from broadcasts.errors import IllegalTransition, QuietHours, ScheduleRefused
from broadcasts.models import Broadcast, Content, Schedule, ScheduleFire, TestAddress
from broadcasts.schedule import Clock
from messengers.gates import close_gates
from messengers.models import Dispatch
from privacy.access import Actor, NotAllowed
from privacy.models import Grant
from tests.broadcasts.house import make_draft, make_staff

NOON = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)  # 12:00 in Berlin
AT_ONE = "2026-11-21T13:00"
FIRE = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def at_noon():
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def scheduled(at_noon, draft, publisher):
    actions.schedule(broadcast=draft, local_time=AT_ONE, actor=publisher)
    draft.refresh_from_db()
    return draft


def test_a_schedule_means_the_newsletters_own_clock(scheduled, user):
    schedule = Schedule.objects.get()
    assert scheduled.status == Broadcast.Status.SCHEDULED
    assert schedule.fire_at == FIRE
    assert (schedule.local_time, schedule.time_zone) == (AT_ONE, "Europe/Berlin")
    assert schedule.scheduled_by == user


def test_nothing_starts_before_its_time(scheduled):
    assert actions.fire_due(FIRE - timedelta(seconds=1)) == 0
    assert Broadcast.objects.get().status == Broadcast.Status.SCHEDULED


def test_it_starts_once_when_its_time_comes(scheduled, at_noon, user):
    at_noon.move_to(FIRE)

    assert [actions.fire_due(timezone.now()) for _ in range(3)] == [1, 0, 0]

    scheduled.refresh_from_db()
    assert scheduled.status == Broadcast.Status.RUNNING
    assert scheduled.started_by == user
    assert Dispatch.objects.count() == 1
    assert ScheduleFire.objects.count() == 1


def test_what_has_fired_never_fires_again(scheduled, at_noon):
    """The unique row alone keeps a second tick out, whatever else it sees."""
    ScheduleFire.objects.create(schedule=scheduled.schedule.pk, fire_at=FIRE)
    at_noon.move_to(FIRE)

    assert actions.fire_due(timezone.now()) == 0

    assert not Dispatch.objects.exists()


def test_it_starts_late_when_the_house_was_down_for_a_while(scheduled, at_noon):
    at_noon.move_to(FIRE + timedelta(minutes=59))

    actions.fire_due(timezone.now())

    scheduled.refresh_from_db()
    assert scheduled.status == Broadcast.Status.RUNNING


def test_after_an_hour_it_is_expired_and_says_why(scheduled, at_noon):
    at_noon.move_to(FIRE + timedelta(minutes=61))

    actions.fire_due(timezone.now())

    scheduled.refresh_from_db()
    assert (scheduled.status, scheduled.status_why) == (Broadcast.Status.EXPIRED, "missed")
    assert not Dispatch.objects.exists()


def test_another_time_replaces_the_first(scheduled, publisher, at_noon):
    actions.schedule(broadcast=scheduled, local_time="2026-11-21T15:00", actor=publisher)
    at_noon.move_to(FIRE + timedelta(minutes=30))

    assert actions.fire_due(timezone.now()) == 0
    at_noon.move_to(FIRE + timedelta(hours=2))
    assert actions.fire_due(timezone.now()) == 1


def test_unscheduled_it_never_starts(scheduled, publisher, at_noon):
    actions.unschedule(broadcast=scheduled, actor=publisher)
    at_noon.move_to(FIRE)

    assert actions.fire_due(timezone.now()) == 0

    scheduled.refresh_from_db()
    assert scheduled.status == Broadcast.Status.DRAFT
    assert not Schedule.objects.exists()


def test_the_same_time_can_be_chosen_again_after_unscheduling(scheduled, publisher, at_noon):
    actions.unschedule(broadcast=scheduled, actor=publisher)
    actions.schedule(broadcast=scheduled, local_time=AT_ONE, actor=publisher)
    at_noon.move_to(FIRE)

    assert actions.fire_due(timezone.now()) == 1


@pytest.mark.parametrize(
    ("local", "code"),
    [
        ("2026-11-21T12:00", "past"),
        ("2026-11-21T11:59", "past"),
        ("2028-01-01T12:00", "too_far"),
        ("tomorrow", "bad_time"),
        ("", "bad_time"),
    ],
)
def test_an_impossible_time_is_refused(at_noon, draft, publisher, local, code):
    with pytest.raises(ScheduleRefused) as refused:
        actions.schedule(broadcast=draft, local_time=local, actor=publisher)

    assert refused.value.code == code
    assert not Schedule.objects.exists()
    assert Broadcast.objects.get().status == Broadcast.Status.DRAFT


def test_a_time_in_the_quiet_hours_is_refused_unless_urgent(at_noon, draft, publisher, newsletter):
    newsletter.quiet_from, newsletter.quiet_until = time(22), time(7)
    newsletter.save()
    night = "2026-11-21T23:00"
    draft.refresh_from_db()

    with pytest.raises(ScheduleRefused) as refused:
        actions.schedule(broadcast=draft, local_time=night, actor=publisher)
    assert refused.value.code == "quiet_hours"
    assert refused.value.until == datetime(2026, 11, 22, 6, 0, tzinfo=UTC)

    urgent = actions.edit_broadcast(
        broadcast=draft, actor=publisher, is_urgent=True, urgent_why="Hochwasser"
    )
    actions.schedule(broadcast=urgent, local_time=night, actor=publisher)
    assert Schedule.objects.get().local_time == night


@pytest.mark.parametrize(
    ("local", "clock", "fire_at"),
    [
        ("2026-03-29T02:30", Clock.NEVER, datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("2026-10-25T02:30", Clock.TWICE, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_in_the_nights_of_the_clocks_it_starts_exactly_once(
    draft, publisher, local, clock, fire_at
):
    """A tick every ten minutes through six hours of that night, five at a time."""
    with time_machine.travel(fire_at - timedelta(hours=3), tick=False) as travelled:
        meant = actions.schedule(broadcast=draft, local_time=local, actor=publisher)
        assert meant.clock == clock
        fired = []
        for _ in range(36):
            travelled.shift(600)
            fired += [timezone.now() for _ in range(5) if actions.fire_due(timezone.now())]

    assert fired == [fire_at]
    assert Dispatch.objects.count() == 1


def refused_because(broadcast):
    broadcast.refresh_from_db()
    assert broadcast.status == Broadcast.Status.DRAFT
    assert not Schedule.objects.exists()
    assert not Dispatch.objects.exists()
    return broadcast.status_why


def test_without_audience_it_is_a_draft_again_and_says_why(scheduled, readers, at_noon):
    close_gates(gate_ids=[reader.pk for reader in readers], reason="withdrawn")
    at_noon.move_to(FIRE)

    assert actions.fire_due(timezone.now()) == 1

    assert refused_because(scheduled) == "no_audience"


def test_who_may_no_longer_send_sends_nothing(scheduled, user, at_noon):
    Grant.objects.filter(user=user).update(role=Grant.Role.EDITOR)
    at_noon.move_to(FIRE)

    actions.fire_due(timezone.now())

    assert refused_because(scheduled) == "not_allowed"


def test_whoever_left_the_house_sends_nothing(scheduled, user, at_noon):
    user.is_active = False
    user.save()
    at_noon.move_to(FIRE)

    actions.fire_due(timezone.now())

    assert refused_because(scheduled) == "not_allowed"


def test_quiet_hours_that_came_later_hold(scheduled, newsletter, at_noon):
    newsletter.quiet_from, newsletter.quiet_until = time(12, 30), time(14)
    newsletter.save()
    at_noon.move_to(FIRE)

    actions.fire_due(timezone.now())

    assert refused_because(scheduled) == "quiet_hours"


# Quiet hours while it is being sent


@pytest.fixture
def slow(at_noon, draft, publisher, newsletter):
    """Started at noon; at one the quiet hours begin, and it is not through yet."""
    newsletter.quiet_from, newsletter.quiet_until = time(13), time(15)
    newsletter.save()
    return actions.start(draft, actor=publisher, idempotency_key="k")


def test_what_reaches_into_the_quiet_hours_waits_and_goes_on_by_itself(slow, at_noon):
    assert actions.keep_quiet_hours(timezone.now()) == 0

    at_noon.move_to(FIRE)
    assert [actions.keep_quiet_hours(timezone.now()) for _ in range(2)] == [1, 0]
    slow.refresh_from_db()
    dispatch = Dispatch.objects.get()
    assert (slow.status, slow.status_why, dispatch.status) == ("paused", "quiet_pause", "paused")
    actions.follow_dispatches(timezone.now())

    at_noon.move_to(FIRE + timedelta(hours=2))
    assert [actions.keep_quiet_hours(timezone.now()) for _ in range(2)] == [1, 0]
    slow.refresh_from_db()
    dispatch.refresh_from_db()
    assert (slow.status, slow.status_why, dispatch.status) == ("running", "", "running")


def test_urgent_news_go_on_in_the_quiet_hours(slow, at_noon):
    Broadcast.objects.update(is_urgent=True, urgent_why="Hochwasser")
    at_noon.move_to(FIRE)

    assert actions.keep_quiet_hours(timezone.now()) == 0


def test_what_a_person_paused_stays_paused(slow, publisher, at_noon):
    actions.pause(broadcast=slow, actor=publisher)
    at_noon.move_to(FIRE)
    actions.keep_quiet_hours(timezone.now())
    at_noon.move_to(FIRE + timedelta(hours=2))

    assert actions.keep_quiet_hours(timezone.now()) == 0
    assert Broadcast.objects.get().status == Broadcast.Status.PAUSED


@pytest.mark.parametrize("verb", [actions.resume, actions.retry_failed])
def test_nobody_is_woken_by_going_on(slow, publisher, at_noon, verb):
    actions.pause(broadcast=slow, actor=publisher)
    at_noon.move_to(FIRE)

    with pytest.raises(QuietHours) as refused:
        verb(broadcast=slow, actor=publisher)

    assert refused.value.until == FIRE + timedelta(hours=2)
    assert Dispatch.objects.get().status == "paused"


def test_an_editor_unschedules_but_does_not_schedule(scheduled, newsletter, at_noon):
    editor = Actor.staff(make_staff("editor", newsletter))

    actions.unschedule(broadcast=scheduled, actor=editor)
    with pytest.raises(NotAllowed):
        actions.schedule(broadcast=scheduled, local_time=AT_ONE, actor=editor)


def test_what_runs_is_not_scheduled(draft, publisher, at_noon):
    started = actions.start(draft, actor=publisher, idempotency_key="k")

    with pytest.raises(IllegalTransition):
        actions.schedule(broadcast=started, local_time=AT_ONE, actor=publisher)


def test_one_start_that_breaks_keeps_no_other_from_its_time(
    scheduled, newsletter, publisher, at_noon, monkeypatch
):
    """The first has content that no program of ours could have stored; the second goes out."""
    second = make_draft(newsletter, publisher, title="Zweite")
    actions.schedule(broadcast=second, local_time="2026-11-21T13:01", actor=publisher)
    Content.objects.filter(broadcast=scheduled).update(buttons=[{"nonsense": 1}])
    at_noon.move_to(FIRE + timedelta(minutes=2))

    with pytest.raises(KeyError):
        actions.fire_due(timezone.now())

    second.refresh_from_db()
    scheduled.refresh_from_db()
    assert second.status == Broadcast.Status.RUNNING
    assert scheduled.status == Broadcast.Status.SCHEDULED


def test_the_task_does_all_of_it(scheduled, at_noon):
    from broadcasts.tasks import tick

    at_noon.move_to(FIRE)

    tick()

    assert Broadcast.objects.get().status == Broadcast.Status.RUNNING


def test_once_an_hour_the_task_forgets_what_is_old(at_noon, draft, channel, publisher):
    from broadcasts.tasks import TIDIED, tick

    cache.delete(TIDIED)
    tick()
    actions.test_to_self(broadcast=draft, channel=channel, actor=publisher, to="0176 04069001")
    TestAddress.objects.update(used_at=NOON - timedelta(days=31))
    tick()
    assert TestAddress.objects.exists()

    cache.delete(TIDIED)  # an hour later
    tick()

    assert not TestAddress.objects.exists()
