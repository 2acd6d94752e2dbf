"""AUSKUNFT and LÖSCHEN from strangers and people who have not said yes: "no data", told there."""

import pytest

from messengers.models import Delivery, Dispatch
from privacy.models import AuditEntry, Request
from subscriptions.actions import request_opt_in
from subscriptions.models import OptIn, Subscription

from .conftest import MAIL, OTHER_PHONE, PHONE

pytestmark = pytest.mark.django_db


def request():
    return Request.objects.latest("received_at")


@pytest.mark.parametrize("word", ["AUSKUNFT", "LÖSCHEN"])
def test_a_stranger_is_told_where_they_asked_that_there_is_nothing(say, word):
    (told,) = say(word, sender=OTHER_PHONE)

    assert (request().status, request().outcome) == ("closed", "no_data")
    assert request().subject is None
    assert request().number in told.text
    assert "nichts gespeichert" in told.text
    assert told.dispatch.kind == Dispatch.Kind.REPLY
    assert Delivery.objects.get(dispatch=told.dispatch).status == "queued"


def test_who_was_only_asked_is_told_of_that_question_and_when_it_goes(say, newsletter):
    say("START")

    (told,) = say("AUSKUNFT")

    assert request().outcome == "no_data"
    assert request().number in told.text
    assert f"nach *{newsletter.name}* gefragt" in told.text
    assert "gelöscht" in told.text
    assert OptIn.objects.exists()  # the question stays open: they may still say yes
    say("JA")
    assert Subscription.objects.get().status == "confirmed"


def test_who_was_only_asked_is_erased_at_once(say):
    say("START")

    (told,) = say("LÖSCHEN")

    assert not OptIn.objects.exists()
    assert request().outcome == "no_data"
    assert "nichts gespeichert" in told.text


def test_a_forged_mail_erases_no_open_question(say, mail, newsletter):
    from django.utils import timezone

    from messengers.addresses import get_or_create_address

    request_opt_in(
        address=get_or_create_address(mail, MAIL), newsletter=newsletter, language="de",
        method="web_form", event_at=timezone.now(), evidence={},
    )  # fmt: skip

    say("LÖSCHEN", sender=MAIL, channel=mail, is_proved=False)

    assert OptIn.objects.exists()


def test_a_confirmation_is_sent_once_and_never_reminded_of(say):
    from datetime import timedelta

    from django.utils import timezone

    from subscriptions.tasks import tick

    say("START")
    tick()
    asked = Dispatch.objects.filter(kind=Dispatch.Kind.CONFIRMATION)
    assert asked.count() == 1
    term = OptIn.objects.get().erase_at - timezone.now()
    assert timedelta(hours=71) < term <= timedelta(hours=72)
    assert not AuditEntry.objects.filter(action__startswith="reminder").exists()
    assert PHONE not in str(asked.values())
