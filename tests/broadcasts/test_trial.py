"""The trial batch: a few go first, and what comes of it decides about the others."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from broadcasts import actions
from broadcasts.actions.trial import judge_trials, verdict
from broadcasts.errors import IllegalTransition
from broadcasts.models import Broadcast, SendingRules
from messengers import outbox
from messengers.models import Batch, Delivery, Dispatch, Gate
from privacy.models import AuditEntry
from subscriptions.models import Subscription
from tests.broadcasts.house import SYSTEM, make_channel, make_draft, make_newsletter
from tests.messengers.house import make_people

LATER = timedelta(minutes=6)


def crowd(channel, number, newsletter, first=0):
    """Readers by the hundred: subscriptions whose gates they are."""
    people = make_people(channel, number, first=first)
    from subscriptions.models import Subscriber

    Subscriber.objects.bulk_create(Subscriber(id=address.subject) for address, _ in people)
    Subscription.objects.bulk_create(
        Subscription(
            id=gate,
            subscriber_id=address.subject,
            newsletter=newsletter,
            channel=channel,
            address=address,
            language="de",
            status=Subscription.Status.CONFIRMED,
            source="chat",
            confirmed_at=timezone.now() - timedelta(days=10),
        )
        for address, gate in people
    )


@pytest.fixture
def house(db):
    """Two channels: 700 readers and 30."""
    big, small = make_channel(name="Big"), make_channel(name="Small")
    newsletter = make_newsletter(channels=[big, small])
    crowd(big, 700, newsletter)
    crowd(small, 30, newsletter, first=700)
    SendingRules.objects.create(newsletter=newsletter, canary_size=50)
    return newsletter


def started(newsletter, **fields) -> Broadcast:
    draft = make_draft(newsletter, **fields)
    return actions.start(draft, actor=SYSTEM, idempotency_key="k")


def batches(row: Broadcast) -> list[tuple[int, int, str]]:
    rows = Batch.objects.filter(dispatch=row.dispatch).order_by("number")
    return [(batch.number, batch.size, batch.status) for batch in rows]


def settle(row: Broadcast, **states: int) -> None:
    """The trial's answers: so many of each, the others accepted."""
    first = Batch.objects.filter(dispatch=row.dispatch, number__lte=row.canary_batches)
    ids = list(
        Delivery.objects.filter(dispatch=row.dispatch, batch__in=first).values_list("id", flat=True)
    )
    told = [state for state, number in states.items() for _ in range(number)]
    told += ["accepted"] * (len(ids) - len(told))
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE messengers_delivery d SET status = r.status, changed_at = clock_timestamp()
                 FROM unnest(%s::bigint[], %s::text[]) AS r (id, status)
                WHERE d.dispatch_id = %s AND d.id = r.id""",
            [ids, told, row.dispatch],
        )
    for batch in first:
        batch.status = "done"
        batch.save(update_fields=["status"])
    outbox.control.recount({batch.id: batch.dispatch_id for batch in first})


def judge(row: Broadcast, after: timedelta = timedelta()) -> Broadcast:
    judge_trials(timezone.now() + after)
    row.refresh_from_db()
    return row


def test_a_few_of_each_channel_go_first_and_nobody_is_lost(house):
    row = started(house)

    sizes = batches(row)
    assert sizes[:2] in (
        [(1, 48, "waiting"), (2, 2, "waiting")],
        [(1, 2, "waiting"), (2, 48, "waiting")],
    )
    assert {status for _, _, status in sizes[2:]} == {"held"}
    assert sum(size for _, size, _ in sizes) == 730
    assert (row.canary, row.canary_batches) == ("waiting", 2)
    # Every delivery has a place of its own, and the counts say so.
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT b.id FROM messengers_batch b JOIN messengers_delivery d ON d.batch_id = b.id
                WHERE d.dispatch_id = %s GROUP BY b.id
               HAVING count(*) <> b.size OR min(d.position) <> 0 OR max(d.position) <> b.size - 1
                   OR (b.counts->>'queued')::int <> b.size""",
            [row.dispatch],
        )
        assert cursor.fetchall() == []
    assert outbox.counts(row.dispatch)["queued"] == 730


def test_when_it_went_well_everybody_else_follows(house):
    row = started(house)
    settle(row, failed=4, undelivered=1, in_doubt=1)

    assert judge(row).canary == "waiting"  # what people say of it is awaited
    assert judge(row, timedelta(minutes=4)).canary == "waiting"
    assert judge(row, LATER).canary == "passed"

    assert row.status == "running"
    assert row.canary_found == {"people": 50, "open": 0, "failures": 5, "doubts": 1, "opt_outs": 0}
    assert {status for _, _, status in batches(row)[2:]} == {"waiting"}
    assert AuditEntry.objects.filter(action="broadcast.canary_passed").count() == 1
    assert judge_trials(timezone.now() + LATER) == 0


@pytest.mark.parametrize(
    ("states", "why"),
    [({"failed": 3, "undelivered": 3}, "canary_failures"), ({"in_doubt": 3}, "canary_doubts")],
)
def test_when_it_went_badly_it_stops_and_says_why(house, states, why):
    row = started(house)
    settle(row, **states)

    judge(row)

    assert (row.status, row.status_why, row.canary) == ("paused", why, "stopped")
    dispatch = Dispatch.objects.get(id=row.dispatch)
    assert (dispatch.status, dispatch.status_why) == ("paused", why)
    assert {status for _, _, status in batches(row)[2:]} == {"held"}
    assert AuditEntry.objects.filter(action="broadcast.canary_stopped").count() == 1


def test_readers_who_leave_stop_it(house):
    row = started(house)
    settle(row)
    first = outbox.trial_gates(row.dispatch, row.canary_batches)
    others = Subscription.objects.exclude(id__in=first)[:40]
    leave(others)
    assert judge(row).canary == "waiting"  # they left for other reasons

    leave(Subscription.objects.filter(id__in=list(first)[:2]))
    judge(row)

    assert (row.status, row.status_why) == ("paused", "canary_opt_outs")
    assert row.canary_found["opt_outs"] == 2


def leave(rows) -> None:
    ids = list(rows.values_list("id", flat=True))
    Subscription.objects.filter(id__in=ids).update(status="withdrawn", ended_at=timezone.now())
    Gate.objects.filter(id__in=ids).update(is_open=False, reason="withdrawn")


def test_a_person_may_overrule_it_and_that_is_kept(house):
    row = started(house)
    settle(row, failed=20)
    judge(row)

    row = actions.resume(broadcast=row, actor=SYSTEM)

    assert (row.status, row.canary) == ("running", "overrule")
    assert {status for _, _, status in batches(row)[2:]} == {"waiting"}
    assert judge_trials(timezone.now() + LATER) == 0


def test_a_person_need_not_wait_for_the_trial(house):
    row = started(house)

    row = actions.end_trial(broadcast=row, actor=SYSTEM)

    assert (row.status, row.canary) == ("running", "overrule")
    assert {status for _, _, status in batches(row)} == {"waiting"}
    assert AuditEntry.objects.filter(action="broadcast.canary_overruled").count() == 1
    with pytest.raises(IllegalTransition):
        actions.end_trial(broadcast=row, actor=SYSTEM)


def test_a_pause_in_between_lets_nobody_slip_by(house):
    row = started(house)
    actions.pause(broadcast=row, actor=SYSTEM)
    assert judge_trials(timezone.now()) == 0

    row = actions.resume(broadcast=row, actor=SYSTEM)

    assert {status for _, _, status in batches(row)[:2]} == {"waiting"}
    assert {status for _, _, status in batches(row)[2:]} == {"held"}
    settle(row)
    judge(row)
    assert judge(row, LATER).canary == "passed"


def test_a_held_rest_keeps_it_from_being_finished(house):
    row = started(house)
    settle(row)

    assert outbox.finish([row.dispatch]) == 0


@pytest.mark.parametrize(
    ("fields", "size", "expected"),
    [
        ({"is_urgent": True, "urgent_why": "Flood"}, 50, 0),  # cannot wait
        ({"canary_size": 0}, 50, 0),  # this one has none, whatever the rules say
        ({"canary_size": 10}, 0, 2),  # this one has one, whatever the rules say
        ({}, 730, 0),  # there would be no rest
        ({}, 0, 0),
    ],
)
def test_who_has_a_trial(house, fields, size, expected):
    SendingRules.objects.update(canary_size=size)

    row = started(house, **fields)

    assert row.canary_batches == expected
    assert (row.canary == "waiting") == bool(expected)
    assert all(status == "waiting" for _, _, status in batches(row)) == (not expected)


def test_one_person_is_chance():
    rules = SendingRules(failures_percent=1, doubts_percent=0, opt_outs_percent=0)

    assert verdict(rules, outbox.Trial(people=5, open=4, failures=1, doubts=1), 1) == ""
    assert verdict(rules, outbox.Trial(people=5, open=0, failures=0, doubts=2), 0)
    assert verdict(rules, outbox.Trial(people=200, open=0, failures=2, doubts=0), 0) == ""
