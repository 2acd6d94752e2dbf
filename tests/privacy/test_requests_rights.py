"""Correction, restriction and objection: carried out, enforced by the database, and told."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import threading
import time

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.test import Client
from django.utils import timezone

from messengers.addresses import Profile, set_profile
from messengers.gates import open_gate
from messengers.models import Address, Delivery, Dispatch, Gate
from privacy import suppression
from privacy.access import Actor
from privacy.models import AuditEntry, DataSubject, RecipientNotice, Request, Suppression, User
from privacy.requests import actions, errors
from privacy.requests.rights import Ground, history_of
from privacy.requests.work import resume
from privacy.vault import new_subject
from subscriptions import audience
from subscriptions.models import ConsentRecord, OptIn, Subscriber, Subscription
from tests.subscriptions.conftest import (
    PHONE,
    chat,
    cheap_fingerprints,
    mail,
    make_staff,
    newsletter,
    outgoing,
    say,
)

pytestmark = pytest.mark.django_db
MAIL = "kaethe@example.org"
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def officer(staff):
    return Actor.staff(staff("dpo"))


@pytest.fixture
def person(say):
    say("START")
    say("JA")
    set_profile(Address.objects.get(), Profile("Käthe", "Weiß"))
    return Subscriber.objects.get().pk


def asked(person, kind):
    return actions.open_request(
        subject=person, kind=kind, origin="chat", verified=True, received_at=timezone.now(),
        actor=Actor.subscriber(person), address_id=Address.objects.get(subject=person).pk,
    )  # fmt: skip


def texts():
    return [" ".join(sent.text.split()) for sent in outgoing()]


def test_a_restricted_person_gets_nothing_and_goes_on_when_it_is_lifted(
    person, newsletter, officer
):
    assert audience.count(newsletter.pk, {})["total"] == 1
    request = asked(person, "restriction")

    assert audience.count(newsletter.pk, {})["total"] == 0
    assert Gate.objects.get().reason == "restricted"
    assert Subscription.objects.get().status == "confirmed"  # no consent was taken back
    actions.complete(request=request, actor=officer)
    assert RecipientNotice.objects.filter(request=request).count() == 1
    request.refresh_from_db()
    assert request.outcome == "fulfilled"

    actions.lift_restriction(person, actor=officer, reason="Die Daten stimmen")
    assert Gate.objects.get().is_open
    assert DataSubject.objects.get(pk=person).status == "active"
    assert audience.count(newsletter.pk, {})["total"] == 1
    assert any("Die Daten stimmen" in text for text in texts())
    with pytest.raises(errors.NotRestricted):
        actions.lift_restriction(person, actor=officer, reason="Noch einmal")


def test_what_ended_while_it_was_restricted_stays_ended(person, officer, say):
    actions.complete(request=asked(person, "restriction"), actor=officer)
    say("STOP")

    actions.lift_restriction(person, actor=officer, reason="x")

    assert not Gate.objects.get().is_open
    assert Subscription.objects.get().status == "withdrawn"


def test_nothing_is_lifted_while_another_request_needs_it(person, officer):
    actions.complete(request=asked(person, "restriction"), actor=officer)
    other = asked(person, "erasure")
    with pytest.raises(errors.StillNeeded):
        actions.lift_restriction(person, actor=officer, reason="x")

    actions.close_request(request=other, outcome="withdrawn", actor=officer)
    assert DataSubject.objects.get(pk=person).status == "restricted"


@pytest.mark.parametrize("status", ["restricted", "erased"])
def test_the_database_opens_no_gate_of_somebody_restricted(person, status):
    gate = Gate.objects.get()
    Gate.objects.update(is_open=False, reason="staff")
    DataSubject.objects.filter(pk=person).update(status=status)

    for attempt in (
        lambda: open_gate(gate.pk, subject=person, address_id=gate.address),
        lambda: Gate.objects.update(is_open=True, reason=""),
        lambda: Gate.objects.create(
            id=new_subject(), subject=person, address=gate.address, is_open=True,
            changed_at=timezone.now(),
        ),
    ):  # fmt: skip
        with pytest.raises(IntegrityError), transaction.atomic():
            attempt()
    assert not Gate.objects.filter(is_open=True).exists()


def test_nobody_becomes_restricted_with_an_open_gate(person):
    def restrict_and_commit():
        DataSubject.objects.filter(pk=person).update(status="restricted")
        connection.check_constraints()  # as a commit does

    with pytest.raises(IntegrityError), transaction.atomic():
        restrict_and_commit()


@pytest.mark.django_db(transaction=True)
def test_a_gate_that_opens_at_the_very_moment_is_closed(chat):
    """Two connections: the one that opens holds the person, so the other waits and closes it."""
    person, gate = new_subject(), new_subject()
    opened, _done = threading.Event(), []

    def opens():
        try:
            with transaction.atomic():
                open_gate(gate, subject=person, address_id=gate)
                opened.set()
                time.sleep(0.4)
        finally:
            connections.close_all()

    thread = threading.Thread(target=opens)
    thread.start()
    assert opened.wait(10)
    began = time.monotonic()
    actions.restrict(person, actor=Actor.system("test"), reason=Ground.ACCURACY)
    thread.join()

    assert time.monotonic() - began > 0.2
    assert not Gate.objects.get().is_open


def test_an_objection_ends_every_channel_and_nobody_has_to_decide(person, newsletter, chat):
    kept = suppression.fingerprint(chat.kind, PHONE)
    request = asked(person, "objection")
    assert Subscription.objects.get().status == "objected"
    assert ConsentRecord.objects.latest("id").state == "objected"
    assert not suppression.is_suppressed(kept, newsletter.pk)

    resume()

    request.refresh_from_db()
    assert (request.status, request.outcome) == ("closed", "fulfilled")
    assert suppression.is_suppressed(kept, None)
    assert Suppression.objects.get().reason == "objected"
    assert AuditEntry.objects.filter(action="person.objected").count() == 1
    assert any(request.number in text for text in texts())


def test_only_the_persons_own_new_yes_undoes_an_objection(person, newsletter, chat, say):
    request = asked(person, "objection")
    actions.complete_objection(request=request, actor=Actor.system("requests"))

    say("START")
    say("JA")

    assert Subscription.objects.get().status == "confirmed"
    assert not Suppression.objects.exists()


def test_names_and_language_are_corrected_with_their_history(person, officer):
    request = asked(person, "rectification")

    changed = actions.rectify(
        request=request, changes={"last_name": "Schwarz", "language": "en"}, actor=officer
    )

    assert changed == ["language", "last_name"]
    assert Subscription.objects.get().language == "en"
    rows = {(row["field"], row["before"], row["after"]) for row in history_of(request)}
    assert rows == {("last_name", "Weiß", "Schwarz"), ("language", "de", "en")}
    assert b"Schwarz" not in bytes(request.steps.get().sealed)
    assert actions.rectify(request=request, changes={"language": "en"}, actor=officer) == []
    actions.complete(request=request, actor=officer)
    request.refresh_from_db()
    assert request.outcome == "fulfilled"
    assert request.notices.count() == 1


def test_a_new_address_is_asked_and_the_old_one_gets_nothing(mail, newsletter, officer):
    from subscriptions.actions import ask_by_form, confirm_opt_in

    ask_by_form(newsletter=newsletter, channel=mail, identifier=MAIL, language="de")
    confirm_opt_in(opt_in=OptIn.objects.get(), method="link", event_at=timezone.now(), evidence={})
    person = Subscriber.objects.get().pk
    request = asked(person, "rectification")

    changed = actions.rectify(
        request=request, changes={"address": "weiss@example.org"}, actor=officer
    )

    assert changed == ["address"]
    assert Subscription.objects.get().status == "withdrawn"
    assert not Gate.objects.filter(is_open=True).exists()  # nothing before the new yes
    question = OptIn.objects.get()
    assert question.address.subject != person
    confirm_opt_in(opt_in=question, method="link", event_at=timezone.now(), evidence={})
    assert Gate.objects.filter(is_open=True).count() == 1


def test_nothing_is_corrected_before_the_proof(person, officer):
    request = actions.open_request(
        subject=person, kind="rectification", origin="staff", verified=False,
        received_at=timezone.now(), actor=officer,
    )  # fmt: skip
    with pytest.raises(errors.NotVerified):
        actions.rectify(request=request, changes={"language": "en"}, actor=officer)
    with pytest.raises(errors.NotVerified):
        actions.complete(request=request, actor=officer)


def test_the_newsroom_sees_and_counts_nobody_who_is_restricted(
    person, say, officer, newsletter, client, settings
):
    settings.JAWORT_DEMO = True
    say("Wann kommt die Müllabfuhr?")
    client.force_login(make_staff("publisher"), backend=BACKEND)
    pages = ("/desk/subscribers/", "/desk/inbox/", "/desk/newsletters/")
    before = {path: client.get(path).content.decode() for path in pages}
    assert "\u2022\u2022\u2022" in before["/desk/subscribers/"]
    assert "Müllabfuhr" in before["/desk/inbox/"]

    asked(person, "restriction")

    after = {path: client.get(path).content.decode() for path in pages}
    assert "\u2022\u2022\u2022" not in after["/desk/subscribers/"]
    assert "Müllabfuhr" not in after["/desk/inbox/"]
    assert after["/desk/newsletters/"] != before["/desk/newsletters/"]
    dpo = Client()
    dpo.force_login(User.objects.get(pk=officer.ref), backend=BACKEND)
    looked = dpo.get(f"/privacy/people/{person}/").content.decode()
    assert "Käthe" not in looked
    assert "\u2022\u2022\u2022" not in looked
