"""Consent that nobody uses: a warning, then nothing is sent, then only a new yes helps."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from messengers.models import Gate
from privacy.models import AuditEntry, RetentionRule
from privacy.retention import holds
from privacy.retention.plans import overdue
from subscriptions import expiry
from subscriptions.lapse import lapse_unused, to_warn_about
from subscriptions.models import ConsentRecord, Evidence, OptIn, Subscription

from .conftest import OTHER_PHONE

BERLIN = ZoneInfo("Europe/Berlin")
YES = datetime(2026, 5, 31, 12, tzinfo=BERLIN)
WARNED = datetime(2027, 6, 1, tzinfo=BERLIN)  # 12 months have ended with 31 May
OVER = datetime(2027, 12, 1, tzinfo=BERLIN)  # 18 months have ended with 30 November
MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.django_db


@pytest.fixture
def subscribed(say):
    with time_machine.travel(YES, tick=False):
        say("START")
        say("JA")
    return Subscription.objects.get()


def test_after_12_months_the_newsroom_is_warned_with_count_and_date(subscribed, newsletter):
    assert to_warn_about(WARNED - MINUTE) == []

    [row] = to_warn_about(WARNED)

    assert (row.newsletter, row.count) == (newsletter, 1)
    assert (row.last_use, row.first_ends_at) == (YES, OVER)
    subscribed.refresh_from_db()
    assert subscribed.status == "confirmed"


def test_after_18_months_it_lapses_with_gate_record_and_audit(subscribed):
    assert lapse_unused(OVER - MINUTE) == 0
    assert Gate.objects.get(pk=subscribed.pk).is_open
    assert overdue(OVER + timedelta(days=2))["consent_lapse"] == 1

    assert lapse_unused(OVER) == 1

    subscribed.refresh_from_db()
    gate = Gate.objects.get(pk=subscribed.pk)
    assert (subscribed.status, gate.is_open, gate.reason) == ("lapsed", False, "lapsed")
    assert ConsentRecord.objects.order_by("pk").last().state == "expired"
    assert AuditEntry.objects.filter(action="consent.expired", ref=subscribed.pk).exists()
    assert overdue(OVER + timedelta(days=2))["consent_lapse"] == 0
    assert lapse_unused(OVER) == 0
    assert to_warn_about(OVER) == []


def test_only_a_broadcast_is_use_and_no_word_reading_or_answer_is(subscribed, say):
    with time_machine.travel(YES + timedelta(days=300), tick=False):
        for text in ("HILFE", "THEMEN", "Danke!", "JA"):
            say(text)

    assert lapse_unused(OVER) == 1


def test_a_sent_broadcast_counts_from_its_day(subscribed):
    Subscription.objects.update(last_used_at=YES + timedelta(days=200))

    assert lapse_unused(OVER) == 0
    assert lapse_unused(OVER + timedelta(days=200)) == 1


def test_only_a_new_double_opt_in_reopens_and_then_its_own_18_months_begin(subscribed, say):
    Subscription.objects.update(last_used_at=YES)
    lapse_unused(OVER)
    with time_machine.travel(OVER, tick=False):
        say("Danke!")
        assert not Gate.objects.get(pk=subscribed.pk).is_open
        say("START")
        assert not Gate.objects.get(pk=subscribed.pk).is_open
        say("JA")
    subscribed.refresh_from_db()
    assert subscribed.status == "confirmed"
    assert Gate.objects.get(pk=subscribed.pk).is_open
    assert ConsentRecord.objects.order_by("pk").last().state == "renewed"

    # What was sent long before the renewal does not make it old.
    assert lapse_unused(OVER + timedelta(days=30)) == 0
    assert lapse_unused(OVER + timedelta(days=600)) == 1


def test_the_term_is_a_dated_rule(subscribed):
    RetentionRule.objects.create(
        data_class="consent_lapse",
        version=2,
        starts_with="x",
        months=13,
        warn_months=6,
        action="block",
        legal_basis="x",
        valid_from=datetime(2027, 7, 2).date(),
    )

    assert lapse_unused(datetime(2027, 7, 1, 23, 59, tzinfo=BERLIN)) == 0
    assert lapse_unused(datetime(2027, 7, 2, 0, 0, tzinfo=BERLIN)) == 1


def ended_evidence(say):
    """Two people: one said STOP in 2020, the other stays."""
    with time_machine.travel(LONG_AGO, tick=False):
        say("START")
        say("JA")
        say("START", sender=OTHER_PHONE)
        say("JA", sender=OTHER_PHONE)
        say("STOP")
    return Subscription.objects.get(status="withdrawn"), Subscription.objects.get(
        status="confirmed"
    )


# In the past: the database looks at its own clock before it lets an entry go.
LONG_AGO = datetime(2020, 5, 31, 12, tzinfo=BERLIN)
LAST_DAY = datetime(2023, 12, 31, 23, 59, tzinfo=BERLIN)
NEW_YEAR = datetime(2024, 1, 1, tzinfo=BERLIN)


def test_proof_goes_with_the_year_and_only_hashes_of_its_entries_stay(say):
    ended, living = ended_evidence(say)
    mine = ConsentRecord.objects.filter(subscription=ended.pk)
    ids, leaves = list(mine.values_list("pk", flat=True)), list(mine.values_list("leaf", flat=True))
    with time_machine.travel(LAST_DAY, tick=False):
        assert expiry.forget_records(LAST_DAY) == 0
    assert len(ids) == 2

    with time_machine.travel(NEW_YEAR, tick=False):
        assert overdue(NEW_YEAR + timedelta(days=1))["consent_evidence"] > 0
        gone = expiry.forget_ended(NEW_YEAR), expiry.forget_records(NEW_YEAR)

    assert gone[0] == 1
    pruned = ConsentRecord.objects.filter(pk__in=ids)
    assert [bytes(one.entry) for one in pruned] == [b"", b""]
    assert sorted(bytes(one.leaf) for one in pruned) == sorted(bytes(leaf) for leaf in leaves)
    assert Evidence.objects.count() == 1
    assert Subscription.objects.get() == living
    assert overdue(NEW_YEAR + timedelta(days=1))["consent_evidence"] == 0


def test_proof_that_is_held_stays_readable(say, officer):
    ended, _living = ended_evidence(say)
    hold = holds.place(
        subject=ended.subscriber_id,
        data_class="consent_evidence",
        reason="Klage",
        owner=officer,
        review_at=timezone.localdate() + timedelta(days=90),
    )

    with time_machine.travel(NEW_YEAR, tick=False):
        assert (expiry.forget_ended(NEW_YEAR), expiry.forget_records(NEW_YEAR)) == (0, 0)
        assert overdue(NEW_YEAR + timedelta(days=1))["consent_evidence"] == 0
        holds.end(hold, actor=officer)
        assert expiry.forget_ended(NEW_YEAR) == 1

    assert Evidence.objects.count() == 1


def test_the_desk_says_so_to_whoever_sees_the_newsletter(subscribed, publisher, client, settings):
    settings.JAWORT_DEMO = True
    with time_machine.travel(WARNED, tick=False):
        client.force_login(publisher, backend="allauth.account.auth_backends.AuthenticationBackend")
        page = client.get(reverse("subscribers"), headers={"accept-language": "en"})

    text = " ".join(page.content.decode().split())
    assert "Stadtanzeiger: 1 person has got nothing for a long time, since May 31, 2026" in text
    assert "From Dec. 1, 2027 on" in text


def test_a_shorter_rule_for_unconfirmed_requests_holds_for_the_next_one(say):
    RetentionRule.objects.filter(data_class="pending_opt_in_chat").update(
        period=timedelta(hours=24)
    )

    with time_machine.travel(YES, tick=False):
        say("START")

    question = OptIn.objects.get()
    assert question.erase_at == question.answer_until == YES + timedelta(hours=24)
