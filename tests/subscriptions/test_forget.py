"""What goes by itself: planted, seen, ticked, gone."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from messengers.models import Address, AddressIndex, Delivery, Gate
from privacy.models import AuditEntry, DataSubject, RetentionRun
from privacy.requests.actions import open_request
from privacy.vault import KeyRing
from subscriptions.models import (
    ConsentRecord,
    ContactCap,
    Evidence,
    OptIn,
    Reply,
    Subscription,
)
from subscriptions.tasks import tick

from .conftest import MAIL, PHONE, SYSTEM

pytestmark = pytest.mark.django_db(transaction=True)


def settle():
    """As if everything queued had been sent: nothing is under way to anybody."""
    Delivery.objects.update(status=Delivery.Status.ACCEPTED)


def traces(subject):
    return {
        "question": OptIn.objects.filter(address__subject=subject).exists(),
        "address": Address.objects.filter(subject=subject).exists(),
        "index": AddressIndex.objects.filter(address__subject=subject).exists(),
        "person": DataSubject.objects.filter(pk=subject).exists(),
        "key": KeyRing.load([subject]).has(subject),
        "evidence key": KeyRing.load([subject], "evidence").has(subject),
    }


def after(**term):
    return time_machine.travel(timezone.now() + timedelta(**term))


@pytest.mark.parametrize(("where", "term"), [("chat", {"hours": 72}), ("mail", {"days": 7})])
def test_a_request_nobody_confirmed_goes_with_the_person_and_both_keys(
    say, chat, mail, where, term
):
    channel, sender = {"chat": (chat, PHONE), "mail": (mail, MAIL)}[where]
    say("START", sender=sender, channel=channel)
    settle()
    subject = Address.objects.get().subject
    assert set(traces(subject).values()) == {True}
    with after(**{name: value * 0.99 for name, value in term.items()}):
        tick()
    assert set(traces(subject).values()) == {True}

    with after(**term):
        tick()

    assert set(traces(subject).values()) == {False}
    assert AuditEntry.objects.filter(action="opt_in.expired").count() == 1
    assert ContactCap.objects.count() > 0  # so that nobody is bombed by asking again


def test_only_the_request_goes_where_the_person_subscribed_to_something_else(say, chat):
    from .conftest import make_newsletter

    make_newsletter("Küstenpost", chat)
    say("START Stadtanzeiger")
    say("JA")
    say("START Küstenpost")
    settle()
    subject = Address.objects.get().subject

    with after(hours=73):
        tick()

    left = traces(subject)
    assert left.pop("question") is False
    assert set(left.values()) == {True}
    assert Subscription.objects.get().status == "confirmed"


def test_who_declined_or_only_asked_for_help_is_forgotten(say):
    say("START")
    say("NEIN")
    say("HILFE", sender="+4917604069002")
    settle()
    assert Address.objects.count() == 2

    with after(minutes=11):
        tick()

    assert Address.objects.count() == 0
    assert DataSubject.objects.count() == 0


def test_nobody_is_forgotten_while_an_answer_is_on_its_way(say):
    say("HILFE")

    with after(minutes=11):
        tick()
        assert Address.objects.count() == 1
        settle()
        tick()

    assert Address.objects.count() == 0


def test_whoever_has_a_request_open_is_not_forgotten(say):
    say("START")
    open_request(
        subject=Address.objects.get().subject, kind="access", origin="staff", verified=False,
        received_at=timezone.now(), actor=SYSTEM,
    )  # fmt: skip
    say("NEIN")
    settle()

    with after(days=8):
        tick()

    assert Address.objects.count() == 1


def test_texts_to_the_editors_go_after_30_days_and_their_writers_with_them(say):
    say("Wann fährt der Bus?")
    settle()
    with after(days=29):
        tick()
    assert Reply.objects.count() == 1

    with after(days=30, minutes=1):
        tick()

    assert Reply.objects.count() == 0
    assert Address.objects.count() == 0


def test_counters_forget_after_30_days(say):
    say("START")
    assert ContactCap.objects.count() > 0

    with after(days=30, minutes=1):
        tick()

    assert ContactCap.objects.count() == 0


def test_a_consent_that_was_not_used_for_18_months_lapses(say):
    say("START")
    say("JA")
    subscription = Subscription.objects.get()
    with after(days=547):
        tick()
    subscription.refresh_from_db()
    assert subscription.status == "confirmed"
    Subscription.objects.update(last_used_at=timezone.now() + timedelta(days=100))
    with after(days=600):
        tick()
    subscription.refresh_from_db()
    assert subscription.status == "confirmed"

    with after(days=652):
        tick()

    subscription.refresh_from_db()
    assert subscription.status == "lapsed"
    assert not Gate.objects.get().is_open


def test_the_proof_goes_with_the_third_year_end_after_the_withdrawal(say, chat):
    from zoneinfo import ZoneInfo

    berlin = ZoneInfo("Europe/Berlin")
    with time_machine.travel(datetime(2026, 3, 1, 12, tzinfo=berlin)):
        say("START")
        say("JA")
        say("STOP")
        settle()
        subject = Address.objects.get().subject
    assert Evidence.objects.count() == 2

    with time_machine.travel(datetime(2029, 12, 31, 23, 0, tzinfo=berlin)):
        tick()
    assert Evidence.objects.count() == 2
    assert Subscription.objects.get().status == "withdrawn"

    with time_machine.travel(datetime(2030, 1, 1, 0, 30, tzinfo=berlin)):
        tick()

    left = traces(subject)
    assert left.pop("person") is True  # a bare number, to erase again after a restore
    assert set(left.values()) == {False}
    assert DataSubject.objects.get().status == "erased"
    assert Evidence.objects.count() == 0
    assert Subscription.objects.count() == 0
    assert ConsentRecord.objects.count() == 2


def test_the_retention_engine_writes_down_what_went(say):
    say("START")
    settle()

    with after(hours=73):
        tick()

    assert RetentionRun.objects.get(data_class="pending_opt_in_chat").removed >= 1


def test_a_second_tick_finds_nothing_more_to_do(say):
    say("START")
    settle()
    with after(hours=73):
        tick()
        entries = AuditEntry.objects.count()
        tick()

    assert AuditEntry.objects.count() == entries
