"""The start: all or nothing, once, to whom it was meant for, and to nobody too often."""

from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine

from broadcasts.actions import create_broadcast, edit_broadcast, start
from broadcasts.errors import (
    AlreadyStarted,
    BadAudience,
    ContentRefused,
    EditedMeanwhile,
    NoAudience,
    QuietHours,
)
from broadcasts.models import Broadcast
from messengers.gates import close_gates
from messengers.models import Batch, Delivery, Dispatch
from messengers.outbox import content_hash
from privacy.access import Actor, NotAllowed
from privacy.models import AuditEntry
from subscriptions.models import Segment
from tests.broadcasts.house import make_channel, make_draft, make_staff, subscribe

SPORT = {"all": [{"topic": ["sport"]}]}
NIGHT = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)  # 23:30 in Berlin
NOON = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)


def gates_of(broadcast):
    return set(Delivery.objects.filter(dispatch=broadcast.dispatch).values_list("gate", flat=True))


def test_a_start_writes_a_delivery_for_each_reader_and_freezes_the_content(
    draft, publisher, readers, user
):
    started = start(draft, actor=publisher, idempotency_key="k")

    assert started.status == Broadcast.Status.RUNNING
    assert started.started_by == user
    assert gates_of(started) == {reader.pk for reader in readers}
    dispatch = Dispatch.objects.get(pk=started.dispatch)
    assert dispatch.size == 3
    assert dispatch.kind == Dispatch.Kind.BROADCAST
    assert dispatch.content["markdown"] == draft.content.markdown
    assert dispatch.content["subject"] == "Brücke gesperrt"
    assert dispatch.values == {"newsletter": "Stadtanzeiger"}
    assert [batch.size for batch in Batch.objects.filter(dispatch=dispatch)] == [3]
    entry = AuditEntry.objects.get(action="broadcast.started")
    assert entry.ref == str(draft.pk)
    assert dispatch.content_sha256.encode() in bytes(entry.entry)


def test_the_frozen_hash_is_that_of_what_leaves(draft, publisher):
    from messengers.contract import Content

    started = start(draft, actor=publisher, idempotency_key="k")

    dispatch = Dispatch.objects.get(pk=started.dispatch)
    assert dispatch.content_sha256 == content_hash(Content.from_json(dispatch.content))


def test_the_same_click_again_gives_the_same_broadcast(draft, publisher):
    first = start(draft, actor=publisher, idempotency_key="k")

    second = start(draft, actor=publisher, idempotency_key="k")

    assert second.dispatch == first.dispatch
    assert Dispatch.objects.count() == 1
    assert AuditEntry.objects.filter(action="broadcast.started").count() == 1


@pytest.mark.parametrize("key", ["another", ""])
def test_another_click_is_told_that_it_was_started(draft, publisher, key):
    start(draft, actor=publisher, idempotency_key=key and "k")

    with pytest.raises(AlreadyStarted):
        start(draft, actor=publisher, idempotency_key=key)

    assert Dispatch.objects.count() == 1


def test_only_the_audience_gets_it(draft, publisher, readers):
    edit_broadcast(broadcast=draft, actor=publisher, audience=SPORT)

    started = start(draft, actor=publisher, idempotency_key="k")

    assert gates_of(started) == {readers[1].pk, readers[2].pk}


def test_a_saved_segment_means_what_it_says_at_the_start(newsletter, publisher, readers):
    segment = Segment.objects.create(newsletter=newsletter, name="Sport", rule=SPORT)
    broadcast = make_draft(newsletter, publisher, segment=segment)
    assert broadcast.audience == SPORT
    segment.rule = {"topic": ["lokales"]}
    segment.save()

    started = start(broadcast, actor=publisher, idempotency_key="k")

    assert gates_of(started) == {readers[0].pk}
    assert started.audience == {"topic": ["lokales"]}


def test_a_deleted_segment_never_means_everybody(newsletter, publisher, readers):
    segment = Segment.objects.create(newsletter=newsletter, name="Sport", rule=SPORT)
    broadcast = make_draft(newsletter, publisher, segment=segment)
    segment.delete()
    broadcast.refresh_from_db()

    started = start(broadcast, actor=publisher, idempotency_key="k")

    assert gates_of(started) == {readers[1].pk, readers[2].pk}


def test_whoever_left_gets_nothing(draft, publisher, readers):
    close_gates(gate_ids=[readers[0].pk], reason="withdrawn")

    started = start(draft, actor=publisher, idempotency_key="k")

    assert gates_of(started) == {readers[1].pk, readers[2].pk}


def assert_nothing_happened(draft):
    draft.refresh_from_db()
    assert draft.status == Broadcast.Status.DRAFT
    assert not Dispatch.objects.exists()
    assert not Delivery.objects.exists()
    assert not Batch.objects.exists()
    assert not AuditEntry.objects.filter(action="broadcast.started").exists()


def test_without_audience_nothing_is_sent(draft, publisher, readers):
    close_gates(gate_ids=[reader.pk for reader in readers], reason="withdrawn")

    with pytest.raises(NoAudience):
        start(draft, actor=publisher, idempotency_key="k")

    assert_nothing_happened(draft)


def test_an_audience_of_a_topic_that_is_gone_is_refused(draft, publisher, newsletter):
    edit_broadcast(broadcast=draft, actor=publisher, audience=SPORT)
    newsletter.topics.filter(slug="sport").delete()

    with pytest.raises(BadAudience):
        start(draft, actor=publisher, idempotency_key="k")

    assert_nothing_happened(draft)


@pytest.mark.parametrize("markdown", ["", "{first_name", "{salary|much}", "x" * 4097])
def test_content_that_does_not_fit_is_refused(draft, publisher, markdown):
    edit_broadcast(broadcast=draft, actor=publisher, markdown=markdown)

    with pytest.raises(ContentRefused) as refused:
        start(draft, actor=publisher, idempotency_key="k")

    assert refused.value.problems
    assert_nothing_happened(draft)


def test_a_channel_without_readers_does_not_limit_the_content(draft, publisher, newsletter):
    """A mail needs a subject; nobody gets this one by mail."""
    newsletter.channels.add(make_channel("email"))
    Broadcast.objects.filter(pk=draft.pk).update(title="")

    assert start(draft, actor=publisher, idempotency_key="k").status == "running"


def test_a_stopped_channel_sends_nothing(draft, publisher, channel, newsletter):
    other = make_channel(name="Stopped")
    newsletter.channels.add(other)
    subscribe(newsletter, other, 50)
    channel.status = "stopped"
    channel.save()

    started = start(draft, actor=publisher, idempotency_key="k")

    assert {batch.channel_id for batch in Batch.objects.filter(dispatch=started.dispatch)} == {
        other.pk
    }


@pytest.mark.parametrize("role", ["editor", "dpo", "administrator"])
def test_only_publishers_send(draft, newsletter, role):
    actor = Actor.staff(make_staff(role))

    with pytest.raises(NotAllowed):
        start(draft, actor=actor, idempotency_key="k")

    assert_nothing_happened(draft)


def test_a_publisher_of_another_newsletter_does_not_send(draft):
    from tests.broadcasts.house import make_newsletter

    other = make_newsletter("other")
    actor = Actor.staff(make_staff(newsletter=other, email="other@example.org"))

    with pytest.raises(NotAllowed):
        start(draft, actor=actor, idempotency_key="k")


def test_what_a_colleague_changed_meanwhile_is_not_sent(draft, publisher):
    seen = draft.edited_at
    edit_broadcast(broadcast=draft, actor=publisher, markdown="Etwas anderes")

    with pytest.raises(EditedMeanwhile):
        start(draft, actor=publisher, idempotency_key="k", seen_at=seen)

    assert_nothing_happened(draft)


@pytest.fixture
def quiet(newsletter):
    newsletter.quiet_from, newsletter.quiet_until = time(22), time(7)
    newsletter.save()


def test_in_the_quiet_hours_nothing_starts(draft, publisher, quiet):
    with time_machine.travel(NIGHT, tick=False), pytest.raises(QuietHours) as refused:
        start(draft, actor=publisher, idempotency_key="k")

    assert refused.value.until == datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
    assert_nothing_happened(draft)


def test_urgent_news_start_in_the_quiet_hours_with_a_reason(draft, publisher, quiet):
    edit_broadcast(broadcast=draft, actor=publisher, is_urgent=True, urgent_why="Hochwasser")

    with time_machine.travel(NIGHT, tick=False):
        started = start(draft, actor=publisher, idempotency_key="k")

    assert started.status == Broadcast.Status.RUNNING
    assert Dispatch.objects.get(pk=started.dispatch).priority == 5


def test_urgent_without_a_reason_is_not_stored(draft, publisher):
    from django.db import IntegrityError

    with pytest.raises(IntegrityError):
        edit_broadcast(broadcast=draft, actor=publisher, is_urgent=True, urgent_why="")


def test_the_dispatch_expires_when_the_broadcast_is_too_late(draft, publisher):
    edit_broadcast(broadcast=draft, actor=publisher, expires_after=timedelta(hours=2))

    started = start(draft, actor=publisher, idempotency_key="k")

    dispatch = Dispatch.objects.get(pk=started.dispatch)
    assert dispatch.expires_at == started.started_at + timedelta(hours=2)


# The cap of the day


def started_today(newsletter, publisher, times, **fields):
    for number in range(times):
        draft = make_draft(newsletter, publisher, title=f"Nr. {number}", **fields)
        started = start(draft, actor=publisher, idempotency_key=f"k{number}")
    return started


def test_nobody_gets_more_than_the_cap_on_one_day(newsletter, publisher, readers):
    newsletter.daily_cap = 2
    newsletter.save()
    with time_machine.travel(NOON, tick=False):
        started_today(newsletter, publisher, 2, audience=SPORT)

        third = start(make_draft(newsletter, publisher), actor=publisher, idempotency_key="x")

    assert gates_of(third) == {readers[0].pk}
    assert third.left_out == 2


def test_when_everybody_had_enough_nothing_starts(newsletter, publisher, readers):
    newsletter.daily_cap = 2
    newsletter.save()
    with time_machine.travel(NOON, tick=False):
        started_today(newsletter, publisher, 2)
        draft = make_draft(newsletter, publisher)

        with pytest.raises(NoAudience):
            start(draft, actor=publisher, idempotency_key="x")


def test_a_new_day_in_the_newsletters_zone_begins_a_new_count(newsletter, publisher, readers):
    newsletter.daily_cap = 1
    newsletter.save()
    late = datetime(2026, 11, 21, 22, 59, tzinfo=UTC)  # 23:59 in Berlin
    with time_machine.travel(late, tick=False) as clock:
        started_today(newsletter, publisher, 1)
        Dispatch.objects.update(created_at=late)
        clock.shift(120)

        second = start(make_draft(newsletter, publisher), actor=publisher, idempotency_key="x")

    assert len(gates_of(second)) == 3


def test_what_never_arrived_does_not_count(newsletter, publisher, readers):
    newsletter.daily_cap = 1
    newsletter.save()
    first = started_today(newsletter, publisher, 1)
    Delivery.objects.filter(dispatch=first.dispatch, gate=readers[0].pk).update(status="cancelled")

    second = start(make_draft(newsletter, publisher), actor=publisher, idempotency_key="x")

    assert gates_of(second) == {readers[0].pk}


def test_a_broadcast_of_another_newsletter_does_not_count(newsletter, publisher, readers, channel):
    from tests.broadcasts.house import make_newsletter

    other = make_newsletter("other", channels=[channel], daily_cap=1)
    Dispatch.objects.create(
        kind="broadcast", content={}, content_sha256="", newsletter=other.pk, size=0
    )
    newsletter.daily_cap = 1
    newsletter.save()

    assert start(make_draft(newsletter, publisher), actor=publisher, idempotency_key="x")


def test_the_cap_is_per_person_not_per_address(newsletter, publisher, readers, channel):
    """One person on two channels: one broadcast counts once, two count for both addresses."""
    mail = make_channel("email")
    newsletter.channels.add(mail)
    newsletter.daily_cap = 1
    newsletter.save()
    twin = subscribe(newsletter, mail, 7, subject=readers[0].address.subject)
    only_chat = {"channel": [str(channel.pk)]}
    started_today(newsletter, publisher, 1, audience=only_chat)

    by_mail = make_draft(newsletter, publisher, audience={"channel": [str(mail.pk)]})
    with pytest.raises(NoAudience):
        start(by_mail, actor=publisher, idempotency_key="x")

    assert twin.address_id != readers[0].address_id


def test_no_cap_means_no_limit(newsletter, publisher, readers):
    newsletter.daily_cap = 0
    newsletter.save()

    last = started_today(newsletter, publisher, 4)

    assert len(gates_of(last)) == 3


def test_create_needs_the_right_to_write(newsletter):
    with pytest.raises(NotAllowed):
        create_broadcast(newsletter=newsletter, actor=Actor.staff(make_staff("dpo")), title="x")
