"""Writing, steering and testing a broadcast; the life of its status through the one door."""

from datetime import timedelta
from itertools import product

import pytest
from django.utils import timezone

from broadcasts import actions
from broadcasts.errors import (
    ContentRefused,
    EditedMeanwhile,
    IllegalTransition,
    LostRace,
    NotADraft,
    TestRefused,
)
from broadcasts.models import Broadcast, Content, Media, Schedule, TestAddress
from messengers import media as files
from messengers import outbox
from messengers.addresses import find_address, get_or_create_address
from messengers.gates import close_gates
from messengers.models import Delivery, Dispatch
from privacy.access import Actor, NotAllowed
from privacy.ids import uuid7
from privacy.models import AuditEntry
from subscriptions.errors import RuleError
from subscriptions.models import Segment, Subscription
from tests.broadcasts.house import make_draft, make_staff
from tests.broadcasts.pictures import picture

Status = Broadcast.Status


def audited(action):
    return AuditEntry.objects.filter(action=action).count()


@pytest.fixture
def running(draft, publisher):
    return actions.start(draft, actor=publisher, idempotency_key="k")


# Writing


def test_a_draft_holds_what_was_written(newsletter, publisher, user):
    broadcast = make_draft(
        newsletter, publisher, buttons=[{"label": "Lesen", "url": "https://example.org/a"}]
    )

    content = Content.objects.get(broadcast=broadcast)
    assert (broadcast.title, broadcast.created_by) == ("Brücke gesperrt", user)
    assert content.buttons == [{"label": "Lesen", "url": "https://example.org/a"}]
    assert audited("broadcast.created") == 1


def test_only_the_given_fields_change(draft, publisher):
    actions.edit_broadcast(broadcast=draft, actor=publisher, title="Neu")

    draft.refresh_from_db()
    assert draft.title == "Neu"
    assert "Brücke" in Content.objects.get(broadcast=draft).markdown


def test_nobody_overwrites_what_a_colleague_just_saved(draft, publisher):
    seen = draft.edited_at
    actions.edit_broadcast(broadcast=draft, actor=publisher, title="Erste", seen_at=seen)

    with pytest.raises(EditedMeanwhile):
        actions.edit_broadcast(broadcast=draft, actor=publisher, title="Zweite", seen_at=seen)

    draft.refresh_from_db()
    assert draft.title == "Erste"


def test_what_was_sent_is_neither_edited_nor_deleted(running, publisher):
    with pytest.raises(NotADraft):
        actions.edit_broadcast(broadcast=running, actor=publisher, title="Neu")
    with pytest.raises(NotADraft):
        actions.delete_draft(broadcast=running, actor=publisher)

    assert Broadcast.objects.get(pk=running.pk).title == "Brücke gesperrt"


def test_a_deleted_draft_is_gone(draft, publisher):
    actions.delete_draft(broadcast=draft, actor=publisher)

    assert not Broadcast.objects.exists()
    assert not Content.objects.exists()
    assert audited("broadcast.deleted") == 1


def test_a_duplicate_says_the_same_and_starts_anew(running, publisher):
    copy = actions.duplicate_broadcast(broadcast=running, actor=publisher)

    assert copy.pk != running.pk
    assert (copy.status, copy.dispatch, copy.start_key) == (Status.DRAFT, None, "")
    assert copy.content.markdown == running.content.markdown
    assert copy.title == running.title


@pytest.mark.parametrize(
    "rule", [{"topic": ["nowhere"]}, {"sql": "1=1"}, {"all": []}, [], {"language": "de"}]
)
def test_an_audience_that_is_no_rule_is_refused(newsletter, publisher, rule):
    with pytest.raises(RuleError):
        make_draft(newsletter, publisher, audience=rule)

    assert not Broadcast.objects.exists()


def test_four_buttons_are_too_many(newsletter, publisher):
    buttons = [{"label": str(n), "url": "https://example.org/"} for n in range(4)]

    with pytest.raises(ValueError, match="at most 3"):
        make_draft(newsletter, publisher, buttons=buttons)


def test_a_picture_is_stored_and_its_file_goes_when_nobody_uses_it(newsletter, publisher, draft):
    used, unused = (
        actions.add_picture(newsletter=newsletter, upload=picture(color=color), actor=publisher)
        for color in ("red", "blue")
    )
    actions.edit_broadcast(broadcast=draft, actor=publisher, image=used, image_alt="Rot")
    assert files.stored_keys() == {used.key, unused.key}
    now = timezone.now()

    assert actions.forget_unused_pictures(now) == 0
    assert actions.forget_unused_pictures(now + timedelta(days=2)) == 1

    assert list(Media.objects.values_list("key", flat=True)) == [used.key]
    assert files.stored_keys() == {used.key}


# The one door


def test_the_door_opens_only_where_the_table_leads(newsletter):
    needs_dispatch = (Status.RUNNING, Status.PAUSED, Status.FINISHED, Status.CANCELLED)
    for origin, to in product(Status, Status):
        broadcast = Broadcast.objects.create(
            newsletter=newsletter,
            status=origin,
            dispatch=uuid7() if origin in needs_dispatch else None,
        )
        changes = {"dispatch": uuid7() if to in needs_dispatch else None}

        if to in Broadcast.TRANSITIONS[origin]:
            broadcast.advance(to, **changes)
            assert broadcast.status == to
        else:
            with pytest.raises(IllegalTransition):
                broadcast.advance(to, **changes)
            assert Broadcast.objects.get(pk=broadcast.pk).status == origin


def test_of_two_who_advance_at_once_one_loses(draft):
    mine, theirs = Broadcast.objects.get(pk=draft.pk), Broadcast.objects.get(pk=draft.pk)
    mine.advance(Status.SCHEDULED)

    with pytest.raises(LostRace):
        theirs.advance(Status.SCHEDULED)


def test_the_database_knows_that_what_runs_has_a_dispatch(draft):
    from django.db import IntegrityError

    with pytest.raises(IntegrityError):
        Broadcast.objects.filter(pk=draft.pk).update(status=Status.RUNNING)


# Steering


def test_pause_and_resume_move_the_dispatch_too(running, publisher):
    paused = actions.pause(broadcast=running, actor=publisher)
    dispatch = Dispatch.objects.get(pk=running.dispatch)
    assert (paused.status, paused.status_why, dispatch.status) == ("paused", "staff", "paused")

    resumed = actions.resume(broadcast=running, actor=publisher)

    dispatch.refresh_from_db()
    assert (resumed.status, resumed.status_why, dispatch.status) == ("running", "", "running")
    assert (audited("broadcast.paused"), audited("broadcast.resumed")) == (1, 1)


def test_what_has_just_finished_is_not_called_cancelled(running, publisher):
    Dispatch.objects.filter(pk=running.dispatch).update(status=Dispatch.Status.FINISHED)

    with pytest.raises(LostRace):
        actions.cancel(broadcast=running, actor=publisher)

    running.refresh_from_db()
    assert running.status == Status.RUNNING


def test_a_new_audience_takes_the_place_of_a_segment(draft, publisher):
    everybody = Segment.objects.create(newsletter=draft.newsletter, name="Alle", rule={})
    actions.edit_broadcast(broadcast=draft, actor=publisher, segment=everybody)

    changed = actions.edit_broadcast(
        broadcast=draft, actor=publisher, audience={"topic": ["sport"]}
    )

    assert changed.rule == {"topic": ["sport"]}


def test_after_cancelling_nobody_waits(running, publisher):
    cancelled = actions.cancel(broadcast=running, actor=publisher)

    assert cancelled.status == Status.CANCELLED
    assert cancelled.finished_at
    assert outbox.counts(running.dispatch)["cancelled"] == 3
    with pytest.raises(IllegalTransition):
        actions.resume(broadcast=running, actor=publisher)


def test_expiring_ends_what_waits(running, publisher):
    expired = actions.expire(broadcast=running, actor=publisher)

    assert (expired.status, expired.status_why) == (Status.EXPIRED, "too_late")
    assert outbox.counts(running.dispatch)["expired"] == 3


def test_a_draft_is_not_steered(draft, publisher):
    for steer in (actions.pause, actions.resume, actions.cancel, actions.retry_failed):
        with pytest.raises(IllegalTransition):
            steer(broadcast=draft, actor=publisher)


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel", "retry_failed", "expire"])
def test_an_editor_does_not_steer(running, newsletter, verb):
    editor = Actor.staff(make_staff("editor", newsletter))

    with pytest.raises(NotAllowed):
        getattr(actions, verb)(broadcast=running, actor=editor)

    running.refresh_from_db()
    assert running.status == Status.RUNNING


def settle_all(broadcast, *statuses, cause=""):
    """Give the deliveries these states, as the engine would, and end the dispatch."""
    rows = list(Delivery.objects.filter(dispatch=broadcast.dispatch).order_by("id"))
    for row, status in zip(rows, statuses, strict=True):
        Delivery.objects.filter(pk=row.pk).update(status=status, cause=cause)
    dispatch = Dispatch.objects.get(pk=broadcast.dispatch)
    for batch in dispatch.batches.all():
        batch.status = "done"
        batch.save()
    from messengers.outbox.control import recount

    recount({batch.pk: dispatch.pk for batch in dispatch.batches.all()})
    Dispatch.objects.filter(pk=dispatch.pk).update(status="finished", finished_at=timezone.now())


def test_a_finished_dispatch_finishes_the_broadcast_and_renews_the_use(running, readers):
    settle_all(running, "accepted", "delivered", "failed")
    assert not Subscription.objects.exclude(last_used_at=None).exists()

    assert actions.follow_dispatches(timezone.now()) == 1
    assert actions.follow_dispatches(timezone.now()) == 0

    running.refresh_from_db()
    assert running.status == Status.FINISHED
    assert running.finished_at
    used = Subscription.objects.filter(last_used_at=running.finished_at)
    reached = Delivery.objects.exclude(status="failed").values_list("gate", flat=True)
    assert set(used.values_list("pk", flat=True)) == set(reached)
    assert audited("broadcast.finished") == 1


def test_a_dispatch_that_the_engine_pauses_says_why(running):
    outbox.pause(running.dispatch, "auth_config")

    actions.follow_dispatches(timezone.now())

    running.refresh_from_db()
    assert (running.status, running.status_why) == (Status.PAUSED, "auth_config")


def test_retrying_reopens_a_finished_broadcast(running, publisher):
    settle_all(running, "accepted", "failed", "in_doubt", cause="temporary")
    actions.follow_dispatches(timezone.now())

    assert actions.retry_failed(broadcast=running, actor=publisher) == 1

    running.refresh_from_db()
    assert (running.status, running.finished_at) == (Status.RUNNING, None)
    assert outbox.counts(running.dispatch)["queued"] == 1
    assert outbox.counts(running.dispatch)["in_doubt"] == 1


def test_nobody_to_retry_changes_nothing(running, publisher):
    settle_all(running, "accepted", "accepted", "in_doubt")
    actions.follow_dispatches(timezone.now())

    assert actions.retry_failed(broadcast=running, actor=publisher) == 0

    running.refresh_from_db()
    assert running.status == Status.FINISHED


def test_a_doubt_is_settled_by_a_person_and_written_down(running, publisher):
    settle_all(running, "accepted", "accepted", "in_doubt")
    doubt = Delivery.objects.get(status="in_doubt")

    actions.settle_doubt(broadcast=running, delivery=doubt.pk, decision="not_sent", actor=publisher)

    doubt.refresh_from_db()
    assert doubt.status == "failed"
    assert audited("delivery.settled") == 1


def test_a_doubt_of_another_broadcast_is_not_settled_here(running, newsletter, publisher):
    settle_all(running, "accepted", "accepted", "in_doubt")
    other = actions.start(
        make_draft(newsletter, publisher), actor=publisher, idempotency_key="other"
    )
    doubt = Delivery.objects.get(status="in_doubt")

    with pytest.raises(Delivery.DoesNotExist):
        actions.settle_doubt(broadcast=other, delivery=doubt.pk, decision="sent", actor=publisher)

    doubt.refresh_from_db()
    assert doubt.status == "in_doubt"


# A test to oneself

NUMBER = "+4917604069001"


def send_test(draft, channel, actor, to=NUMBER):
    actions.test_to_self(broadcast=draft, channel=channel, actor=actor, to=to)


def test_a_test_goes_to_ones_own_address_and_says_so(draft, channel, publisher):
    send_test(draft, channel, publisher)

    dispatch = Dispatch.objects.get(kind=Dispatch.Kind.TEST)
    assert dispatch.content["subject"] == "[Test] Brücke gesperrt"
    assert dispatch.content["markdown"].startswith("\\[Test] Guten Morgen")
    assert dispatch.content["purpose"] == "test"
    delivery = Delivery.objects.get(dispatch=dispatch)
    assert delivery.address == find_address(channel, NUMBER).pk
    assert delivery.gate is None
    assert Broadcast.objects.get(pk=draft.pk).status == Status.DRAFT


def test_the_address_of_a_test_stands_nowhere_in_clear(draft, channel, publisher, caplog):
    send_test(draft, channel, publisher)

    assert b"4069001" not in bytes(TestAddress.objects.get().sealed)
    assert b"4069001" not in bytes(find_address(channel, NUMBER).sealed)
    assert "4069001" not in caplog.text
    for entry in AuditEntry.objects.all():
        assert b"4069001" not in bytes(entry.entry)


def test_a_known_address_is_used_again(draft, channel, publisher):
    send_test(draft, channel, publisher, "0176 04069001")

    send_test(draft, channel, publisher, TestAddress.objects.get())

    assert Dispatch.objects.filter(kind=Dispatch.Kind.TEST).count() == 2
    assert TestAddress.objects.count() == 1


def test_whoever_said_stop_gets_no_test_and_nobody_is_told(draft, channel, publisher, readers):
    close_gates(gate_ids=[readers[0].pk], reason="withdrawn")

    send_test(draft, channel, publisher, "+4917600000000")

    assert not Dispatch.objects.filter(kind=Dispatch.Kind.TEST).exists()
    assert audited("broadcast.tested") == 1


def test_whoever_is_suppressed_gets_no_test(draft, channel, publisher):
    from privacy.suppression import fingerprint, suppress

    suppress(fingerprint("simulator", NUMBER), "simulator", reason="objected")

    send_test(draft, channel, publisher)

    assert not Dispatch.objects.filter(kind=Dispatch.Kind.TEST).exists()


def test_ten_tests_an_hour_are_enough(draft, channel, publisher):
    for _ in range(10):
        send_test(draft, channel, publisher)

    with pytest.raises(TestRefused) as refused:
        send_test(draft, channel, publisher)

    assert refused.value.code == "too_many"
    assert Dispatch.objects.filter(kind=Dispatch.Kind.TEST).count() == 10


def test_nobody_collects_addresses_by_testing(draft, channel, publisher):
    for number in range(5):
        send_test(draft, channel, publisher, f"+491760406900{number}")

    with pytest.raises(TestRefused) as refused:
        send_test(draft, channel, publisher, "+4917604069009")

    assert refused.value.code == "too_many_addresses"


def test_a_test_needs_an_address_and_fitting_content(draft, channel, publisher):
    with pytest.raises(TestRefused) as refused:
        send_test(draft, channel, publisher, "not a number")
    assert refused.value.code == "bad_address"

    actions.edit_broadcast(broadcast=draft, actor=publisher, markdown="{salary}")
    with pytest.raises(ContentRefused):
        send_test(draft, channel, publisher)
    assert not Dispatch.objects.exists()


def test_test_addresses_are_forgotten_after_a_month(draft, channel, publisher):
    send_test(draft, channel, publisher)
    now = timezone.now()

    assert actions.forget_test_addresses(now + timedelta(days=29)) == 0
    assert actions.forget_test_addresses(now + timedelta(days=31)) == 1

    assert not TestAddress.objects.exists()


def test_a_known_address_works_when_the_house_has_forgotten_the_stranger(draft, channel, publisher):
    """Whoever has no subscription is forgotten within minutes, editors too; the test is not."""
    from subscriptions.forget import forget_strangers

    send_test(draft, channel, publisher)
    Delivery.objects.update(status="accepted")
    forget_strangers(timezone.now() + timedelta(hours=1))
    assert find_address(channel, NUMBER) is None

    send_test(draft, channel, publisher, TestAddress.objects.get())

    newest = Dispatch.objects.latest("created_at")
    assert Delivery.objects.get(dispatch=newest).address == find_address(channel, NUMBER).pk


def test_a_test_does_not_make_a_reader(draft, channel, publisher, newsletter):
    get_or_create_address(channel, NUMBER)
    before = Subscription.objects.count()

    send_test(draft, channel, publisher)

    assert Subscription.objects.count() == before
    assert not Schedule.objects.exists()
