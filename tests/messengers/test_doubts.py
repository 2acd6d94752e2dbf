"""Doubts are settled together, by a policy or by evidence, and never silently."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from messengers.attempts import seal_attempt
from messengers.contract import ReceiptEvent
from messengers.errors import NotInDoubt
from messengers.models import Batch, Channel, Delivery, Dispatch
from messengers.outbox import Decision, counts, doubts, resend_by_policy, settle_causes
from messengers.receipts import merge_receipts, park
from privacy.models import AuditEntry
from tests.messengers.house import SYSTEM, make_channel, make_dispatch, make_people, states

HOUR = timedelta(hours=1)


@pytest.fixture
def channel(db: None) -> Channel:
    return make_channel()


def in_doubt(channel: Channel, number: int = 4, first: int = 0) -> Dispatch:
    """A finished broadcast; every other delivery was lost by the messenger, the others by us."""
    dispatch = make_dispatch([gate for _, gate in make_people(channel, number, first=first)])
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE messengers_delivery
                  SET status = 'in_doubt', attempts = 1, changed_at = clock_timestamp(),
                      cause = CASE position %% 2 WHEN 0 THEN 'timeout' ELSE 'worker_lost' END
                WHERE dispatch_id = %s""",
            [dispatch.id],
        )
    Batch.objects.filter(dispatch=dispatch).update(status="done", counts={"in_doubt": number})
    Dispatch.objects.filter(id=dispatch.id).update(status="finished")
    return dispatch


def entries(action: str, dispatch: Dispatch) -> list[bytes]:
    rows = AuditEntry.objects.filter(action=action, ref=str(dispatch.id))
    return [bytes(row.entry) for row in rows]


def age(dispatch: Dispatch, by: timedelta = HOUR) -> None:
    Delivery.objects.filter(dispatch=dispatch).update(changed_at=timezone.now() - by)


def let_it_resend(channel: Channel, since: timedelta = 2 * HOUR) -> None:
    Channel.objects.filter(id=channel.id).update(
        on_doubt="resend", on_doubt_since=timezone.now() - since
    )


@pytest.mark.parametrize(
    ("decision", "state", "dispatch_state"),
    [
        (Decision.SENT, "accepted", "finished"),
        (Decision.NOT_SENT, "failed", "finished"),
        (Decision.RESEND, "queued", "running"),
    ],
)
def test_all_of_one_cause_are_settled_in_one_act(
    channel: Channel, decision: Decision, state: str, dispatch_state: str
) -> None:
    dispatch, other = in_doubt(channel, 600), in_doubt(channel, 4, first=600)
    assert {doubt.cause for doubt in doubts(dispatch.id, causes=["timeout"])} == {"timeout"}

    assert settle_causes(dispatch.id, ["timeout", "http_502"], decision, SYSTEM) == 300

    dispatch.refresh_from_db()
    assert states(dispatch) == {state: 300, "in_doubt": 300}
    found = counts(dispatch.id)
    assert (found[state], found["in_doubt"], sum(found.values())) == (300, 300, 600)
    assert dispatch.status == dispatch_state
    assert states(other) == {"in_doubt": 4}
    (entry,) = entries("delivery.settled_together", dispatch)
    assert b'"deliveries":300' in entry
    assert b"timeout" in entry
    with pytest.raises(NotInDoubt):
        settle_causes(dispatch.id, ["timeout"], decision, SYSTEM)


def test_what_was_ended_is_not_sent_again(channel: Channel) -> None:
    dispatch = in_doubt(channel)
    Dispatch.objects.update(status="expired")
    let_it_resend(channel)
    age(dispatch)

    with pytest.raises(NotInDoubt), transaction.atomic():
        settle_causes(dispatch.id, ["timeout"], Decision.RESEND, SYSTEM)

    assert resend_by_policy(dispatch.id, SYSTEM) == 0
    assert states(dispatch) == {"in_doubt": 4}


def test_a_policy_sends_again_and_says_so(channel: Channel) -> None:
    dispatch = in_doubt(channel)
    age(dispatch)
    assert resend_by_policy(dispatch.id, SYSTEM) == 0  # nobody has chosen it
    let_it_resend(channel)

    assert resend_by_policy(dispatch.id, SYSTEM) == 4
    assert resend_by_policy(dispatch.id, SYSTEM) == 0

    dispatch.refresh_from_db()
    assert states(dispatch) == {"queued": 4}
    assert counts(dispatch.id)["queued"] == 4
    assert dispatch.status == "running"
    assert len(entries("delivery.resent", dispatch)) == 1
    # A new attempt is counted, and has a number of its own.
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {1}


def test_a_policy_looks_into_batches_that_are_being_sent_as_well(channel: Channel) -> None:
    """These are counted when they are given back."""
    dispatch = in_doubt(channel)
    age(dispatch)
    let_it_resend(channel)
    lease = timezone.now() + HOUR
    Batch.objects.update(status="working", lease_until=lease, counts={"queued": 4})

    assert resend_by_policy(dispatch.id, SYSTEM) == 4
    assert states(dispatch) == {"queued": 4}


@pytest.mark.parametrize("reason", ["before_the_choice", "receipt_may_come", "tried", "breaker"])
def test_a_policy_holds_back(channel: Channel, reason: str) -> None:
    dispatch = in_doubt(channel)
    age(dispatch)
    let_it_resend(channel)
    if reason == "before_the_choice":
        let_it_resend(channel, since=HOUR / 2)
    elif reason == "receipt_may_come":
        age(dispatch, by=timedelta(seconds=100))
    elif reason == "tried":
        Delivery.objects.update(attempts=3)
    else:
        Channel.objects.update(breaker="open")

    assert resend_by_policy(dispatch.id, SYSTEM) == 0
    assert states(dispatch) == {"in_doubt": 4}


def test_a_receipt_that_names_our_attempt_settles_its_doubt(channel: Channel) -> None:
    """And the policy then leaves this one alone."""
    dispatch = in_doubt(channel)
    first = Delivery.objects.filter(dispatch=dispatch).order_by("position")[0]
    receipt = ReceiptEvent(
        ref="r1", at=timezone.now(), attempt=seal_attempt(first.id, 7), status="delivered"
    )

    park(channel.id, [receipt])
    merge_receipts()
    age(dispatch)
    let_it_resend(channel)
    resend_by_policy(dispatch.id, SYSTEM)

    assert states(dispatch) == {"delivered": 1, "queued": 3}
