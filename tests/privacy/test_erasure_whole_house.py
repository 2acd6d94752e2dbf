"""Export and erasure of a person who really subscribed, over all floors of the house."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import io
import json
import zipfile
from datetime import timedelta

import jsonschema
import pypdf
import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.inbound import handle
from messengers.contract import TextEvent
from messengers.models import Address, Delivery, Gate, InboundEvent
from privacy.access import Actor
from privacy.models import AuditEntry, Certificate, Request
from privacy.requests import actions
from privacy.requests.erasure.machine import Progress
from privacy.requests.erasure.scan import residues
from privacy.requests.export import package as packages
from privacy.requests.verbs import consent_of, identifiers_of, prove_everywhere, recipients_of
from subscriptions.models import ConsentRecord, Subscription
from tests.subscriptions.conftest import (
    OTHER_PHONE,
    PHONE,
    chat,
    cheap_fingerprints,
    mail,
    newsletter,
    say,
)

pytestmark = pytest.mark.django_db
NOTE = "Wann kommt die Müllabfuhr in der Bäckergasse, und wer bezahlt sie eigentlich?"


@pytest.fixture
def officer(staff, settings, tmp_path):
    settings.JAWORT_EXPORT_DIR = tmp_path / "exports"
    return Actor.staff(staff("dpo"))


@pytest.fixture
def subject(say):
    """A subscriber who said yes, chose nothing, and wrote something of their own."""
    for sender in (PHONE, OTHER_PHONE):
        say("START", sender=sender)
        say("JA", sender=sender)
    say(NOTE)
    return subject_of(PHONE)


def subject_of(number):
    return next(
        address.subject
        for address in Address.objects.select_related("channel")
        if (address.channel.kind, number) in identifiers_of(address.subject)
    )


def asked(say, word, kind):
    say(word)
    return Request.objects.get(kind=kind)


def test_a_word_in_the_chat_opens_the_request_with_its_clock(say, subject):
    request = asked(say, "AUSKUNFT", "access")

    assert (request.subject, request.is_verified, request.origin) == (subject, True, "chat")
    assert request.due_at > timezone.now() + timedelta(days=27)


def test_a_stranger_is_told_that_nothing_is_stored(say, subject):
    say("AUSKUNFT", sender="+4917604069009")

    request = Request.objects.get()
    assert (request.subject, request.outcome) == (None, "no_data")


def test_the_number_written_back_in_the_chat_proves_a_letter(chat, subject, officer):
    letter = actions.open_request(
        subject=subject, kind="access", origin="staff", verified=False,
        received_at=timezone.now(), actor=officer,
    )  # fmt: skip
    actions.ask_identity(request=letter, actor=officer)

    def write(text, sender):
        event = TextEvent(ref=text, at=timezone.now(), sender=sender, text=text)
        handle(InboundEvent(channel=chat, kind="text"), event)
        letter.refresh_from_db()
        return letter.is_verified

    assert not write(letter.number, OTHER_PHONE)
    assert not write("Ja?", PHONE)
    assert write(f"{letter.number} ja", PHONE)


def test_the_package_tells_everything(say, subject, officer):
    request = asked(say, "AUSKUNFT", "access")

    made = actions.make_package(request=request, actor=officer)

    archive = zipfile.ZipFile(io.BytesIO(packages.read(made)))
    data = json.loads(archive.read("data.json"))
    jsonschema.validate(data, json.loads(archive.read("schema.json")))
    whole = json.dumps(data, ensure_ascii=False)
    for word in (PHONE, NOTE, "Stadtanzeiger", "Verlag am Markt GmbH", "Simulator (DE)"):
        assert word in whole
    assert OTHER_PHONE not in whole
    states = [one["state"] for one in data["data"]["subscriptions"]["consent"]]
    assert states == ["given"]
    assert data["data"]["messengers"]["addresses"][0]["address"] == PHONE
    exported = {f"{field['app']}.{field['field']}" for field in data["fields"]}
    assert {"messengers.Address.sealed", "subscriptions.Subscription.status"} < exported
    text = "".join(
        page.extract_text() for page in pypdf.PdfReader(archive.open("report.pdf")).pages
    )
    assert PHONE in text
    assert "Bäckergasse" in text


def test_the_link_leaves_through_the_outbox_and_stands_nowhere_in_clear(say, subject, officer):
    request = asked(say, "AUSKUNFT", "access")
    before = set(Delivery.objects.values_list("pk", flat=True))

    actions.complete_access(request=request, actor=officer)

    (delivery,) = Delivery.objects.exclude(pk__in=before)
    assert "/privacy/answer/" not in json.dumps(delivery.batch.dispatch.content)
    assert b"/privacy/answer/" not in bytes(delivery.values_sealed)


def test_every_record_of_consent_can_be_proven(say, subject):
    timeline = consent_of(subject)
    assert [row["state"] for row in timeline] == ["given"]
    assert "Stadtanzeiger" in timeline[0]["wording"]

    for row in timeline:
        proof = prove_everywhere(subject, row["record"])
        assert proof["faults"] == []
        assert proof["unchecked"] == ["inclusion"]  # it waits for its checkpoint
        assert set(proof["openings"]) == {"r1", "r2", "r3"}
    assert prove_everywhere(subject_of(OTHER_PHONE), timeline[0]["record"]) is None


def test_erased_everywhere_and_the_neighbour_keeps_everything(say, subject, officer):
    request = asked(say, "LÖSCHEN", "erasure")
    number = f"sim:{PHONE}"
    needles = identifiers_of(subject)
    assert PHONE in dict(map(reversed, identifiers_of(subject)))
    assert not Gate.objects.filter(subject=subject, is_open=True).exists()
    assert [place for place in residues(subject, needles) if "Address" in place]
    assert recipients_of(subject) == ["Simulator (DE)"]

    actions.start_erasure(request=request, actor=officer)
    assert actions.complete_erasure(request=request) == Progress.WAITING
    with time_machine.travel(timezone.now() + timedelta(minutes=3)):
        assert actions.complete_erasure(request=request) == Progress.DONE

    assert residues(subject, needles) == []
    assert not Address.objects.filter(subject=subject).exists()
    assert not Subscription.objects.filter(subscriber=subject).exists()
    records = ConsentRecord.objects.filter(subject=subject)
    assert [one.state for one in records.order_by("at", "id")][-1] == "withdrawn"
    neighbour = subject_of(OTHER_PHONE)
    assert Subscription.objects.get(subscriber=neighbour).status == "confirmed"
    assert Gate.objects.get(subject=neighbour).is_open
    body = Certificate.objects.get(request=request).body
    assert b"Simulator (DE)" in bytes(body)
    assert PHONE[3:].encode() not in bytes(body)
    assert number not in bytes(body).decode()


def test_a_pending_person_who_asks_elsewhere_is_erased_as_well(say, officer):
    say("START")
    subject = subject_of(PHONE)
    request = actions.open_request(
        subject=subject, kind="erasure", origin="web", verified=True,
        received_at=timezone.now(), actor=officer,
    )  # fmt: skip
    needles = identifiers_of(subject)

    actions.start_erasure(request=request, actor=officer)
    assert actions.complete_erasure(request=request) == Progress.WAITING
    with time_machine.travel(timezone.now() + timedelta(hours=25)) as clock:
        assert actions.complete_erasure(request=request) == Progress.WAITING
        clock.shift(timedelta(minutes=3))
        assert actions.complete_erasure(request=request) == Progress.DONE

    assert residues(subject, needles) == []


def test_the_desk_shows_the_person_with_timeline_and_proof(say, subject, staff, settings):
    settings.JAWORT_DEMO = True
    dpo = Client()
    dpo.force_login(staff("dpo"), backend="allauth.account.auth_backends.AuthenticationBackend")
    found = dpo.post(
        reverse("privacy:people"), {"typed": "0049 176 04069001", "purpose": "request"}
    )
    assert str(subject) in found.content.decode()
    dpo.post(reverse("privacy:open_person", args=[subject]), {"purpose": "consent_proof"})

    page = dpo.get(reverse("privacy:person", args=[subject])).content.decode()
    assert PHONE in page
    assert "Verlag am Markt GmbH" in page
    for row in consent_of(subject):
        proof = dpo.get(reverse("privacy:consent_proof", args=[subject, row["record"]]))
        assert "note-good" in proof.content.decode()
    assert AuditEntry.objects.filter(action="consent.read").count() == 1


def test_the_role_of_the_running_app_may_do_all_of_it(say, subject, officer, as_app):
    access, erasure = asked(say, "AUSKUNFT", "access"), asked(say, "LÖSCHEN", "erasure")
    needles = identifiers_of(subject)

    with as_app("default"), as_app("keystore"):
        actions.complete_access(request=access, actor=officer)
        assert residues(subject, needles)
        actions.start_erasure(request=erasure, actor=officer)
        actions.complete_erasure(request=erasure)
        with time_machine.travel(timezone.now() + timedelta(minutes=3)):
            assert actions.complete_erasure(request=erasure) == Progress.DONE
        assert residues(subject, needles) == []
