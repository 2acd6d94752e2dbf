"""The state of subscriptions against the ledger: each kind of difference is planted, then named."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command

from messengers.addresses import get_or_create_address
from messengers.models import Gate
from privacy.ids import uuid7
from privacy.models import AuditEntry
from subscriptions.consent import State, change_of, prepare
from subscriptions.models import ConsentRecord, Subscriber, Subscription
from subscriptions.proof.replay import replay, replay_nightly

from .conftest import OTHER_PHONE, PHONE, make_newsletter

pytestmark = pytest.mark.django_db
THIRD_PHONE = "+4917604069003"
NIGHT = datetime(2026, 11, 22, 3, 5, tzinfo=UTC)  # five past four in Berlin


def test_what_the_house_did_by_itself_is_what_the_ledger_says(say):
    """The first stays, the second leaves and comes back, the third leaves."""
    for sender in (PHONE, OTHER_PHONE, THIRD_PHONE):
        say("START", sender=sender)
        say("JA", sender=sender)
    for sender, words in ((OTHER_PHONE, ("STOP", "START", "JA")), (THIRD_PHONE, ("STOP",))):
        for word in words:
            say(word, sender=sender)

    found = replay()

    assert (found.subscriptions, found.records, found.named) == (3, 6, [])
    assert sorted(Subscription.objects.values_list("status", flat=True)) == [
        "confirmed", "confirmed", "withdrawn",
    ]  # fmt: skip


def make(newsletter, channel, number, status, *states):
    """A subscription and its records, without the conversation that leads to them."""
    address = get_or_create_address(channel, number)
    Subscriber.objects.get_or_create(id=address.subject)
    dates = {"confirmed_at": NIGHT} if status == "confirmed" else {"ended_at": NIGHT}
    one = Subscription.objects.create(
        subscriber_id=address.subject, newsletter=newsletter, channel=channel, address=address,
        status=status, source="chat", **dates,
    )  # fmt: skip
    is_open = status == "confirmed"
    Gate.objects.create(
        id=one.pk, address=address.pk, subject=address.subject, is_open=is_open,
        reason="" if is_open else "withdrawn", changed_at=NIGHT,
    )  # fmt: skip
    for state in states:
        change = change_of(
            address, subscription=one.pk, newsletter=newsletter.pk, state=State(state),
            method="reply", at=NIGHT, evidence={},
        )  # fmt: skip
        prepare(change)[0].save(force_insert=True)
    return one


@pytest.fixture
def people(chat, newsletter):
    return [
        make(newsletter, chat, PHONE, "confirmed", "given"),
        make(newsletter, chat, OTHER_PHONE, "confirmed", "given", "withdrawn", "renewed"),
        make(newsletter, chat, THIRD_PHONE, "withdrawn", "given", "withdrawn"),
    ]


def test_somebody_made_a_reader_again_without_asking_is_named(people):
    left = people[2]
    Gate.objects.filter(pk=left.pk).update(is_open=True, reason="")
    assert replay().named == [
        f"{left.pk}: its gate is open, though the ledger says withdrawn"
    ]  # fmt: skip

    Subscription.objects.filter(pk=left.pk).update(
        status="confirmed", ended_at=None, confirmed_at=NIGHT
    )

    found = replay()
    assert found.by_kind == {"status": 1}
    assert found.named == [f"{left.pk}: the ledger says withdrawn, its status is confirmed"]


def test_a_withdrawal_hidden_in_the_columns_is_found_in_the_bytes(people):
    left = people[2]
    last = ConsentRecord.objects.filter(subscription=left.pk).latest("id")
    ConsentRecord.objects.create(
        id=uuid7(), subject=last.subject, subscription=left.pk, newsletter=last.newsletter,
        state="given", wording="", at=NIGHT, entry=last.entry, leaf=last.leaf,
    )  # fmt: skip
    Subscription.objects.filter(pk=left.pk).update(
        status="confirmed", ended_at=None, confirmed_at=NIGHT
    )

    found = replay()

    assert found.by_kind == {"status": 1, "column": 1}


def test_a_subscription_without_a_record_and_a_yes_without_a_subscription_are_named(people, chat):
    stays, came_back, _ = people
    silent = Subscription.objects.create(
        subscriber=stays.subscriber, newsletter=make_newsletter("Abendblatt", chat), channel=chat,
        address=stays.address, status="confirmed", confirmed_at=NIGHT, source="chat",
    )  # fmt: skip
    Subscription.objects.filter(pk=came_back.pk).delete()

    found = replay()

    assert sorted(found.named) == sorted(
        [
            f"{silent.pk}: no record in the ledger speaks of it",
            f"{came_back.pk}: the ledger says yes, but there is no such subscription",
        ]
    )


def test_broken_bytes_are_named_and_stop_nothing(people):
    stays = people[0]
    ConsentRecord.objects.create(
        id=uuid7(), subject=stays.subscriber_id, subscription=stays.pk,
        newsletter=stays.newsletter_id, state="given", wording="", at=NIGHT,
        entry=b"\xff\x00 no entry", leaf=bytes(32),
    )  # fmt: skip

    assert replay().by_kind == {"status": 1, "column": 1}


def test_once_a_night_with_the_result_in_the_log(people):
    results = []
    for hours in (0, 1, 22, 24):  # 4, 5, 2 and 4 o'clock
        with time_machine.travel(NIGHT + timedelta(hours=hours)):
            results.append(replay_nightly(NIGHT + timedelta(hours=hours)))

    assert [one is not None and one.is_sound for one in results] == [True, False, False, True]
    told = json.loads(bytes(AuditEntry.objects.filter(action="consent.verified")[0].entry))
    assert told["facts"] == {"differences": 0, "subscriptions": 3}


def test_the_command_ends_with_an_error_when_something_differs(people):
    call_command("consent_verify", stdout=StringIO())
    Gate.objects.filter(pk=people[2].pk).update(is_open=True, reason="")
    out = StringIO()

    with pytest.raises(CommandError, match="not what the ledger says"):
        call_command("consent_verify", "--json", stdout=out)

    assert json.loads(out.getvalue())["by_kind"] == {"open_gate": 1}
