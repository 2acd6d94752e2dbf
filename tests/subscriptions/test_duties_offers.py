"""Coupled offers, START links for one use, and consent for one channel at a time."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from messengers.addresses import get_or_create_address
from privacy.access import Actor, NotAllowed
from privacy.vault import sign_link, token_hash
from subscriptions.actions import (
    close_form,
    create_form,
    decide_form,
    issue_start_token,
    redeem_start_token,
)
from subscriptions.consent import opened_evidence
from subscriptions.errors import FormUndecided
from subscriptions.models import ConsentRecord, OptIn, SourceForm, StartToken, Subscription
from subscriptions.proof import dpv, paper
from subscriptions.proof.facts import facts_of

from .conftest import MAIL, SYSTEM, make_staff

OFFER = {"offer_de": "Ein Gewinnspiel. Teilnehmen kann auch, wer eine Postkarte schickt."}
OFFER["offer_en"] = "A raffle. Who sends a postcard may take part, too."


@pytest.fixture
def raffle(newsletter):
    return create_form(
        newsletter=newsletter, code="raffle", name="Raffle", coupled_offer=True,
        actor=SYSTEM, **OFFER,
    )  # fmt: skip


@pytest.mark.django_db
def test_a_coupled_offer_is_published_by_the_officers_decision_alone(raffle, client, newsletter):
    path = f"/n/{newsletter.slug}/from/raffle/"
    assert client.get(path).status_code == 404
    with pytest.raises(NotAllowed):
        decide_form(
            form=raffle, publish=True, reasons="x", actor=Actor.staff(make_staff("administrator"))
        )
    officer = Actor.staff(make_staff("dpo"))
    with pytest.raises(FormUndecided):
        decide_form(form=raffle, publish=True, reasons=" ", actor=officer)
    with pytest.raises(IntegrityError), transaction.atomic():  # nor by any other way
        SourceForm.objects.update(status="published")

    decide_form(form=raffle, publish=True, reasons="Es geht auch ohne.", actor=officer)

    page = client.get(path).content.decode()
    assert "Postkarte" in page
    close_form(form=raffle, actor=SYSTEM)
    assert client.get(path).status_code == 404


@pytest.mark.django_db
def test_what_was_promised_stands_in_the_proof(raffle, newsletter, say, client):
    officer = Actor.staff(make_staff("dpo"))
    form = decide_form(form=raffle, publish=True, reasons="Geht auch ohne.", actor=officer)
    token = issue_start_token(newsletter=newsletter, language="de", source_form=form)

    say(f"START-{token}")
    say("JA")

    given = ConsentRecord.objects.get(state="given")
    (evidence,) = opened_evidence(given.subject).values()
    assert evidence["coupled_offer"]["text"] == OFFER["offer_de"]
    assert evidence["coupled_offer"]["decided_at"]
    assert evidence["request"]["source_form"] == "raffle"
    facts = facts_of(given)
    assert f"Given for the consent: {OFFER['offer_de']}" in paper.readme(facts, "en")
    assert OFFER["offer_de"] in "".join(paper._document(facts)["lead"])
    assert dpv.record_of(facts)["jawort:coupledOffer"] == OFFER["offer_de"]
    link = sign_link("receipt", given.pk, timezone.now() + timedelta(days=1))
    assert "Postkarte" in client.get(f"/r/{link}/").content.decode()


@pytest.mark.django_db
def test_a_form_by_mail_carries_its_offer_too(raffle, newsletter, mail, client):
    decide_form(
        form=raffle, publish=True, reasons="Geht auch ohne.", actor=Actor.staff(make_staff("dpo"))
    )
    fields = {"channel": str(mail.pk), f"{mail.pk}-address": MAIL, f"{mail.pk}-language": "de"}

    client.post(f"/n/{newsletter.slug}/from/raffle/", fields)

    assert OptIn.objects.get().source_form == raffle


@pytest.mark.django_db
def test_a_start_link_carries_choices_once_and_is_stored_as_a_hash(newsletter, say):
    sport = newsletter.topics.filter(slug="sport")
    token = issue_start_token(newsletter=newsletter, language="en", topics=sport)
    stored = StartToken.objects.get()
    assert bytes(stored.token_hash) == token_hash("start", token)
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM subscriptions_starttoken t")
        assert token not in cursor.fetchone()[0]

    (asked,) = say(f"START-{token}")
    assert "Answer YES" in asked.text
    assert list(OptIn.objects.get().topics.values_list("slug", flat=True)) == ["sport"]
    assert not StartToken.objects.exists()

    (again,) = say(f"/start {token}", sender="+4917604069002")  # the same link, sent on
    assert "Antworten Sie mit JA" in again.text  # as good as the plain word, without the choices
    assert OptIn.objects.order_by("id").last().topics.count() == 0


@pytest.mark.django_db
def test_a_start_link_ends_after_two_days(newsletter):
    token = issue_start_token(newsletter=newsletter, language="de")
    StartToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert redeem_start_token(token) is None
    assert redeem_start_token("nonsense") is None


@pytest.mark.django_db
def test_the_page_makes_a_start_link_by_a_post_and_not_by_a_look(newsletter, chat, client):
    path = f"/n/{newsletter.slug}/"
    client.get(path)
    assert not StartToken.objects.exists()
    sport = newsletter.topics.get(slug="sport")

    page = client.post(path, {"channel": str(chat.pk), "start": "1", "topics": [str(sport.pk)],
                              "language": "de"}).content.decode()  # fmt: skip

    assert StartToken.objects.count() == 1
    assert "START-" in page
    assert "<svg" in page


@pytest.mark.django_db(transaction=True)
def test_two_at_once_get_one_use(newsletter):
    token = issue_start_token(newsletter=newsletter, language="de")
    won, barrier = [], threading.Barrier(2)

    def use():
        barrier.wait()
        won.append(redeem_start_token(token) is not None)
        connection.close()

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == [False, True]


@pytest.mark.django_db
def test_a_channel_more_carries_no_consent_over(newsletter, say, mail):
    say("START")
    say("JA")
    confirmed = Subscription.objects.get()
    # The same person, known by a second address: nothing is agreed to there.
    get_or_create_address(mail, MAIL, "", confirmed.subscriber_id)

    say("START", sender=MAIL, channel=mail, is_proved=True)

    assert list(Subscription.objects.all()) == [confirmed]
    asked = OptIn.objects.get()
    assert asked.address.subject == confirmed.subscriber_id
    assert asked.address.channel == mail
