"""A newsletter for children: the age first, and nothing else is kept of it (Art. 8 GDPR)."""

from datetime import date, timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from messengers.addresses import find_address
from privacy.access import Actor
from subscriptions import children
from subscriptions.actions import confirm_opt_in, declare_age
from subscriptions.consent import opened_evidence
from subscriptions.errors import ImportRefused, OptInGone, TooYoung
from subscriptions.imports import check_import
from subscriptions.models import ConsentRecord, OptIn, Subscriber, Subscription
from subscriptions.proof import dpv, paper
from subscriptions.proof.facts import facts_of

from .conftest import MAIL, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def for_children(newsletter):
    newsletter.for_children = True
    newsletter.save()
    return newsletter


def test_the_age_comes_before_the_question_and_the_proof_keeps_the_answer(for_children, say):
    (asked,) = say("START")
    assert "mindestens 16" in asked.text
    assert "kein Geburtsdatum" in asked.text
    assert OptIn.objects.get().age_declared == ""

    (question,) = say(payload=asked.press("JA"))
    assert "Antworten Sie mit JA" in question.text
    assert say(payload=asked.press("JA")) == []  # a second tap on the first button is no consent
    assert not Subscription.objects.exists()

    say("JA")

    given = ConsentRecord.objects.get(state="given")
    (evidence,) = opened_evidence(given.subject).values()
    declared = evidence["age_declared"]
    facts = facts_of(given)
    assert "Said to be 16 years old or older." in paper.readme(facts, "en")
    assert dpv.record_of(facts)["jawort:ageReached"] == 16
    assert (declared["limit"], declared["answer"]) == (16, "reached")
    assert set(declared) == {"limit", "answer", "at", "method"}


@pytest.mark.parametrize("how", ["NEIN", "button"])
def test_under_the_age_nothing_is_kept_and_the_parents_are_named(for_children, say, chat, how):
    (asked,) = say("START")

    (refusal,) = say("NEIN") if how == "NEIN" else say(payload=asked.press("NEIN"))

    assert "Ihre Eltern" in refusal.text
    assert f"/n/{for_children.slug}/" in refusal.text
    assert not OptIn.objects.exists()
    assert not Subscriber.objects.exists()
    assert not ConsentRecord.objects.exists()
    say("JA")
    assert not Subscription.objects.exists()


def test_nobody_confirms_around_the_declaration(for_children, say, chat):
    say("START")
    how = {"method": "reply", "event_at": timezone.now(), "evidence": {}}
    with pytest.raises(TooYoung):
        confirm_opt_in(opt_in=OptIn.objects.get(), **how)

    declare_age(opt_in=OptIn.objects.get(), method="reply", event_at=timezone.now())
    with pytest.raises(OptInGone):  # once
        declare_age(opt_in=OptIn.objects.get(), method="reply", event_at=timezone.now())
    assert confirm_opt_in(opt_in=OptIn.objects.get(), **how).status == "confirmed"


def test_a_question_from_before_the_switch_is_asked_again(newsletter, say):
    say("START")
    newsletter.for_children = True
    newsletter.save()

    (told,) = say("JA")

    assert not Subscription.objects.exists()
    assert "START" in told.text


def test_by_mail_the_page_asks_first(for_children, mail, client):
    page = client.get(f"/n/{for_children.slug}/").content.decode()
    assert "16" in page
    fields = {"channel": str(mail.pk), f"{mail.pk}-address": MAIL, f"{mail.pk}-language": "de"}

    without = client.post(f"/n/{for_children.slug}/", fields)
    young = client.post(f"/n/{for_children.slug}/", fields | {f"{mail.pk}-age": "younger"})
    assert (without.status_code, young.status_code) == (200, 200)
    assert "Eltern" in young.content.decode()
    assert find_address(mail, MAIL) is None

    client.post(f"/n/{for_children.slug}/", fields | {f"{mail.pk}-age": "reached"})
    assert OptIn.objects.get().age_declared == "reached"


def test_no_list_brings_children(for_children, chat):
    with pytest.raises(ImportRefused, match="children"):
        check_import(
            newsletter=for_children, channel=chat, content=b"x",
            actor=Actor.staff(make_staff("publisher")),
        )  # fmt: skip


def test_a_newsletter_for_everybody_asks_nobody(newsletter, chat, say):
    (asked,) = say("START")

    assert "mindestens" not in asked.text
    assert OptIn.objects.get().age_limit is None


def test_the_limit_is_a_dated_rule(settings):
    settings.JAWORT_AGE_LIMITS = "2018-05-25:16, 2027-01-01:15"

    days = [date(2017, 1, 1), date(2026, 12, 31), date(2027, 1, 1)]
    assert [children.age_limit(day) for day in days] == [16, 16, 15]
    settings.JAWORT_AGE_LIMITS = "2018-05-25:12"
    with pytest.raises(ImproperlyConfigured):
        children.age_limit(days[0])


def test_the_declaration_ends_with_the_request(for_children, say):
    from subscriptions.forget import expire_opt_ins

    say("START")
    expire_opt_ins(timezone.now() + timedelta(hours=73))

    assert not OptIn.objects.exists()
