"""Breakers, doubts, quiet hours and caps as a broadcast meets them."""

from datetime import UTC, datetime, time, timedelta

import pytest
from django.utils import timezone

from broadcasts import actions
from broadcasts.actions.rules import hash_of
from broadcasts.actions.steer import (
    follow_dispatches,
    go_on_after_breakers,
    keep_quiet_hours,
    resend_doubts,
)
from broadcasts.audience import reach
from broadcasts.errors import NoAudience, QuietHours, ReasonMissing
from broadcasts.models import Broadcast, DoubtPolicy, SendingRules
from messengers import breaker
from messengers.models import Batch, Channel, Delivery, Dispatch
from messengers.outbox.behind import pause_newcomers
from privacy.access import Actor, NotAllowed
from privacy.models import AuditEntry
from tests.broadcasts.house import make_draft, make_staff


@pytest.fixture
def running(draft, publisher) -> Broadcast:
    return actions.start(draft, actor=publisher, idempotency_key="k")


@pytest.fixture
def night(newsletter):
    """Quiet all day but for one minute that is over: whatever the time, they are asleep."""
    begin = (timezone.localtime() + timedelta(hours=-1)).time().replace(second=0, microsecond=0)
    end = (timezone.localtime() + timedelta(hours=1)).time().replace(second=0, microsecond=0)
    newsletter.quiet_from, newsletter.quiet_until = begin, end
    newsletter.time_zone = timezone.get_current_timezone_name()
    newsletter.save()
    return newsletter


def doubtful(row: Broadcast, *, finished: bool = True) -> None:
    Delivery.objects.filter(dispatch=row.dispatch).update(
        status="in_doubt",
        cause="timeout",
        attempts=1,
        changed_at=timezone.now() - timedelta(hours=1),
    )
    size = Delivery.objects.filter(dispatch=row.dispatch).count()
    Batch.objects.filter(dispatch=row.dispatch).update(status="done", counts={"in_doubt": size})
    if finished:
        Dispatch.objects.filter(pk=row.dispatch).update(status="finished")
        Broadcast.objects.filter(pk=row.pk).update(status="finished", finished_at=timezone.now())
        row.refresh_from_db()


def entry_of(action: str) -> bytes:
    return bytes(AuditEntry.objects.get(action=action).entry)


# --- Circuit breaker ---


@pytest.fixture
def broken(running, channel) -> Broadcast:
    breaker.note(channel.pk, doubts=20, in_a_row=20, answered=0)
    pause_newcomers()
    follow_dispatches(timezone.now())
    running.refresh_from_db()
    return running


def test_behind_an_open_breaker_a_broadcast_waits_and_says_why(broken):
    assert (broken.status, broken.status_why) == ("paused", "too_many_doubts")
    assert go_on_after_breakers(timezone.now()) == 0


def test_it_tries_again_by_itself_when_the_time_has_come(broken, channel, newsletter, publisher):
    younger = actions.start(make_draft(newsletter), actor=publisher, idempotency_key="k2")
    pause_newcomers()
    follow_dispatches(timezone.now())
    Channel.objects.update(breaker_until=timezone.now())

    assert go_on_after_breakers(timezone.now()) == 1

    broken.refresh_from_db(), younger.refresh_from_db(), channel.refresh_from_db()
    assert (broken.status, younger.status, channel.breaker) == ("running", "paused", "half_open")
    assert go_on_after_breakers(timezone.now()) == 0
    breaker.note(channel.pk, doubts=0, in_a_row=0, answered=5)
    assert go_on_after_breakers(timezone.now()) == 1
    younger.refresh_from_db()
    assert younger.status == "running"


def test_nobody_is_woken_by_a_breaker_that_closes(broken, night):
    Channel.objects.update(breaker_until=timezone.now())

    assert go_on_after_breakers(timezone.now()) == 0
    broken.refresh_from_db()
    assert broken.status == "paused"


def test_a_person_may_try_at_once(broken, channel, publisher):
    actions.resume(broadcast=broken, actor=publisher)

    channel.refresh_from_db()
    assert channel.breaker == "half_open"


def test_what_a_colleague_paused_does_not_go_on_with_the_breaker(broken, publisher):
    Broadcast.objects.update(status_why="staff")
    Channel.objects.update(breaker_until=timezone.now())

    assert go_on_after_breakers(timezone.now()) == 0


# --- Doubts ---


def test_a_person_decides_for_a_whole_cause(running, publisher):
    doubtful(running)

    assert (
        actions.settle_doubts(
            broadcast=running, causes=["timeout"], decision="resend", actor=publisher
        )
        == 3
    )

    running.refresh_from_db()
    assert (running.status, running.finished_at) == ("running", None)
    assert AuditEntry.objects.filter(action="delivery.settled_together").count() == 1


def test_an_editor_decides_nothing(running, newsletter):
    doubtful(running)
    editor = Actor.staff(make_staff("editor", newsletter))

    with pytest.raises(NotAllowed):
        actions.settle_doubts(broadcast=running, causes=["timeout"], decision="sent", actor=editor)


@pytest.mark.parametrize("together", [True, False])
def test_nobody_is_woken_by_a_doubt_that_is_sent_again(running, publisher, night, together):
    doubtful(running)
    delivery = Delivery.objects.filter(dispatch=running.dispatch)[0].pk
    one = {"broadcast": running, "delivery": delivery, "actor": publisher}
    act, given = actions.settle_doubt, one
    if together:
        act = actions.settle_doubts
        given = {"broadcast": running, "causes": ["timeout"], "actor": publisher}

    with pytest.raises(QuietHours):
        act(decision="resend", **given)

    actions.settle_doubt(decision="sent", **one)


def test_a_policy_is_chosen_with_a_reason_by_an_administrator(channel, publisher, newsletter):
    admin = Actor.staff(make_staff("administrator"))
    with pytest.raises(NotAllowed):
        actions.choose_on_doubt(channel=channel, policy="resend", reason="Alarm", actor=publisher)
    with pytest.raises(ReasonMissing):
        actions.choose_on_doubt(channel=channel, policy="resend", reason="  ", actor=admin)
    channel.refresh_from_db()
    assert (channel.on_doubt, DoubtPolicy.objects.count()) == ("hold", 0)

    actions.choose_on_doubt(channel=channel, policy="resend", reason="Flood alarm", actor=admin)

    channel.refresh_from_db()
    assert channel.on_doubt == "resend"
    assert channel.on_doubt_since is not None
    assert hash_of("Flood alarm").encode() in entry_of("channel.doubt_policy")
    assert b"Flood" not in entry_of("channel.doubt_policy")


def test_by_policy_doubts_are_sent_again_and_the_broadcast_runs_again(running, channel):
    doubtful(running)
    assert resend_doubts(timezone.now()) == 0
    Channel.objects.update(on_doubt="resend", on_doubt_since=timezone.now() - timedelta(hours=2))
    assert resend_doubts(timezone.now() + timedelta(days=3)) == 0  # no news any more

    assert resend_doubts(timezone.now()) == 3

    running.refresh_from_db()
    assert running.status == "running"
    assert AuditEntry.objects.filter(action="delivery.resent").count() == 1


def test_a_policy_wakes_nobody(running, channel, night):
    doubtful(running)
    Channel.objects.update(on_doubt="resend", on_doubt_since=timezone.now() - timedelta(hours=2))

    assert resend_doubts(timezone.now()) == 0


# --- Quiet hours ---


@pytest.mark.parametrize(
    ("day", "evening", "morning"),
    [
        # The clocks go forward at 02:00, and back at 03:00: the night has seven or nine hours.
        (
            "2026-03-28",
            datetime(2026, 3, 28, 21, 30, tzinfo=UTC),
            datetime(2026, 3, 29, 4, 0, tzinfo=UTC),
        ),
        (
            "2026-10-24",
            datetime(2026, 10, 24, 20, 30, tzinfo=UTC),
            datetime(2026, 10, 25, 5, 0, tzinfo=UTC),
        ),
    ],
)
def test_in_the_nights_of_the_clocks_the_rest_waits_until_six_on_the_wall(
    running, newsletter, day, evening, morning
):
    newsletter.quiet_from, newsletter.quiet_until = time(22), time(6)
    newsletter.time_zone = "Europe/Berlin"
    newsletter.save()
    assert keep_quiet_hours(evening - timedelta(hours=1)) == 0

    assert keep_quiet_hours(evening) == 1
    minutes = (morning - evening) // timedelta(minutes=1)
    for minute in range(0, minutes, 15):
        assert keep_quiet_hours(evening + timedelta(minutes=minute)) == 0
    assert keep_quiet_hours(morning - timedelta(seconds=1)) == 0
    running.refresh_from_db()
    assert (running.status, running.status_why) == ("paused", "quiet_pause")

    assert keep_quiet_hours(morning) == 1
    running.refresh_from_db()
    assert running.status == "running"


def test_what_cannot_wait_goes_on_at_night_with_a_reason_that_is_kept(running, publisher, night):
    keep_quiet_hours(timezone.now())
    running.refresh_from_db()
    with pytest.raises(QuietHours):
        actions.resume(broadcast=running, actor=publisher)

    row = actions.resume(broadcast=running, actor=publisher, urgent_why="Evacuation")

    assert (row.status, row.is_urgent, row.urgent_why) == ("running", True, "Evacuation")
    assert hash_of("Evacuation").encode() in entry_of("broadcast.made_urgent")
    assert keep_quiet_hours(timezone.now()) == 0


def test_an_urgent_start_is_audited_with_its_reason(newsletter, publisher, readers, night):
    draft = make_draft(newsletter, publisher, is_urgent=True, urgent_why="Flood")

    actions.start(draft, actor=publisher, idempotency_key="k")

    entry = entry_of("broadcast.started")
    assert hash_of("Flood").encode() in entry
    assert b"Flood" not in entry


# --- The cap of the day ---


def test_urgent_news_keep_the_cap_unless_the_rules_say_otherwise(
    running, newsletter, publisher, channel
):
    newsletter.daily_cap = 1
    newsletter.save()
    draft = make_draft(newsletter, publisher, is_urgent=True, urgent_why="Flood")
    with pytest.raises(NoAudience):
        actions.start(draft, actor=publisher, idempotency_key="k2")
    admin = Actor.staff(make_staff("administrator"))

    actions.change_rules(newsletter=newsletter, actor=admin, urgent_passes_cap=True)
    row = actions.start(draft, actor=publisher, idempotency_key="k2")

    assert Dispatch.objects.get(pk=row.dispatch).size == 3
    assert reach(newsletter, {}, [channel], timezone.now()).left_out == 3
    assert AuditEntry.objects.filter(action="newsletter.rules_changed").count() == 1


def test_rules_are_an_administrators(newsletter, publisher):
    with pytest.raises(NotAllowed):
        actions.change_rules(newsletter=newsletter, actor=publisher, canary_size=1)

    assert not SendingRules.objects.exists()
