"""The officer's pages about records, companies, breaches and the suppression list."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import json
from datetime import datetime, timedelta

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from messengers.gates import close_gates
from messengers.models import Gate
from privacy.access import Actor
from privacy.models import (
    AuditEntry,
    Controller,
    DataSubject,
    Incident,
    IncidentSubject,
    ProcessingRecord,
    Processor,
)
from privacy.records import incidents, wave
from privacy.records.places import BROADCAST, CHANNEL, NEWSLETTER, people_of, places
from privacy.requests import approvals
from privacy.suppression import fingerprint, suppress
from subscriptions.models import Subscription
from tests.subscriptions.conftest import (
    OTHER_PHONE,
    PHONE,
    chat,
    cheap_fingerprints,
    mail,
    newsletter,
    outgoing,
    say,
)

GERMAN, ENGLISH = {"accept-language": "de"}, {"accept-language": "en"}


@pytest.fixture
def dpo(staff, settings):
    settings.JAWORT_DEMO = True
    Controller.objects.create(
        pk=1, name="Verlag am Markt GmbH", address="Marktplatz 1", email="post@example.org",
        imprint_url="https://example.org/i", dpo_contact="Dr. Größer", authority="LfDI", land="BW",
    )  # fmt: skip
    return staff("dpo")


@pytest.fixture
def desk(dpo):
    client = Client()
    client.force_login(dpo)
    return client


@pytest.fixture
def subscribers(say):
    for number in (PHONE, OTHER_PHONE):
        say("START", sender=number)
        say("JA", sender=number)


def url(name, *args):
    return reverse(f"privacy:{name}", args=args)


def local(moment: datetime) -> str:
    """As a browser sends what was typed."""
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo(django_settings.DISPLAY_TIME_ZONE)).strftime("%Y-%m-%dT%H:%M")


def test_a_version_is_stored_compared_and_taken_along(desk, newsletter):
    page = desk.get(url("record", "controller"), headers=ENGLISH).content.decode()
    assert "No version has been stored yet" in page
    assert "Stadtanzeiger" in page
    desk.post(url("store_record", "controller"))

    company = {"service": "hosting", "name": "Hoster AG", "country": "us", "role": "processor"}
    desk.post(url("new_processor"), company | {"transfer": "adequacy"})
    page = desk.get(url("record", "controller"), headers=ENGLISH).content.decode()
    assert "Version 1 is outdated" in page
    assert "<ins>Hoster AG (Hosting)</ins>" in page
    desk.post(url("store_record", "controller"))

    page = desk.get(url("record_version", "controller", 2), headers=GERMAN).content.decode()
    assert "Was sie anders sagt als Fassung 1" in page
    taken = desk.get(url("record_file", "controller", 2, "de", "json"))
    assert json.loads(taken.content)["document"]["language"] == "de"
    assert desk.get(url("record_file", "controller", 2, "de", "json")).content == taken.content
    pdf = desk.get(url("record_file", "controller", 2, "en", "pdf"))
    assert pdf.content.startswith(b"%PDF")
    assert ProcessingRecord.objects.count() == 2


def test_a_company_is_entered_changed_and_ended_and_what_is_missing_is_named(desk, newsletter):
    file = SimpleUploadedFile("avv.pdf", b"%PDF both signed", content_type="application/pdf")
    given = {"service": "hosting", "name": "Hoster AG", "country": "us", "role": "processor"}
    desk.post(url("new_processor"), given | {"transfer": "adequacy", "contract_file": file})
    row = Processor.objects.get(service="hosting")

    page = desk.get(url("processors"), headers=ENGLISH).content.decode()

    for missing in ("the date of the contract", "an instrument of transfer that fits the country"):
        assert missing in page
    assert desk.get(url("processor_contract", row.pk)).content == b"%PDF both signed"
    assert b"both signed" not in bytes(row.contract_sealed)
    desk.post(url("processor", row.pk), given | {"transfer": "dpf", "contract": "AVV 7"})
    page = desk.get(url("processors"), headers=ENGLISH).content.decode()
    assert "AVV 7" in page
    assert "C-703/25 P" in page
    desk.post(url("end_processor", row.pk))
    row.refresh_from_db()
    assert row.ended_on is not None


def test_what_only_the_publisher_knows_and_a_new_term_stand_on_the_page(desk, newsletter):
    desk.post(url("record_text", "measures"), {"text_de": "Türschloss", "text_en": "A lock"})
    desk.post(url("legal_term"), {"hours": 96, "valid_from": "2027-01-01", "source": "Omnibus"})

    page = desk.get(url("records"), headers=ENGLISH).content.decode()

    assert "A lock" in page
    assert "96 hours (Omnibus)" in page


def test_a_breach_from_the_first_word_to_the_people(
    desk, dpo, staff, newsletter, subscribers, rendered_answers
):
    backup_at = timezone.now()
    left = Subscription.objects.get(pk=Subscription.objects.order_by("pk").first().pk)
    close_gates(subject=left.subscriber_id, reason=Gate.Reason.WITHDRAWN)
    desk.post(
        url("new_incident"),
        {"title": "Band weg", "aware_at": local(timezone.now() - timedelta(hours=1))},
    )
    row = Incident.objects.get()
    work_list = desk.get(url("requests"), headers=ENGLISH).content.decode()
    assert "hours left for the report to the authority" in work_list

    desk.post(
        url("incident_scope", row.pk),
        {"what": "backup:", "until": local(backup_at + timedelta(minutes=1))},
    )
    texts = {"message_de": "Ein Band ist weg.", "message_en": "A tape is gone.", "title": "Band"}
    desk.post(url("incident_facts", row.pk), texts | {"keys": "exposed"})
    desk.post(url("incident_decide", row.pk), {"risk": "high", "reasons": "Schlüssel lagen bei"})
    desk.post(url("incident_tell", row.pk))
    (waiting,) = approvals.pending()
    approvals.approve(waiting, Actor.staff(staff("administrator")))
    assert wave.resume() == 2

    page = desk.get(url("incident", row.pk), headers=ENGLISH).content.decode()
    assert "A high risk" in page
    assert "Schlüssel lagen bei" in page
    assert set(IncidentSubject.objects.values_list("state", flat=True)) == {"told"}
    told = [sent for sent in outgoing() if "Ein Band ist weg." in sent.text]
    assert len(told) == 2  # also who has left: the law wants them told
    assert all("Art. 34 DSGVO" in sent.text for sent in told)
    at = local(timezone.now() - timedelta(minutes=1))
    desk.post(url("incident_reported", row.pk), {"at": at, "reference": "LfDI 7"})
    pdf = desk.get(url("incident_report", row.pk, "de"))
    assert pdf.content.startswith(b"%PDF")
    desk.post(url("incident_close", row.pk))
    row.refresh_from_db()
    assert row.closed_at is not None


@pytest.fixture
def rendered_answers(settings):
    settings.ANSWER_SUBJECT = "config.inbound.answer_subject"


def test_the_floors_above_say_whose_data_went_through_them(newsletter, chat, subscribers):
    people = set(Subscription.objects.values_list("subscriber", flat=True))
    gone = Subscription.objects.order_by("pk").first()
    now = timezone.now()
    Subscription.objects.filter(pk=gone.pk).update(
        status="withdrawn", ended_at=now - timedelta(days=9)
    )

    assert [place.name for place in places(NEWSLETTER)] == ["Stadtanzeiger"]
    assert {place.detail for place in places(CHANNEL)} == {"simulator", "email"}
    assert people_of(NEWSLETTER, newsletter.pk) == people
    assert people_of(NEWSLETTER, newsletter.pk, now) == people - {gone.subscriber_id}
    assert people_of(NEWSLETTER, newsletter.pk, None, now - timedelta(days=1)) == set()
    assert people_of(CHANNEL, chat.pk) == people
    assert people_of(CHANNEL, chat.pk, None, now - timedelta(days=1)) == set()
    assert people_of(BROADCAST, newsletter.pk) == set()


def test_one_address_is_asked_for_with_a_purpose_and_the_log_does_not_name_it(desk, newsletter):
    suppress(fingerprint("simulator", PHONE), "simulator", reason="objected")
    typed = {"typed": "0176 04069001", "purpose": "request"}

    found = desk.post(url("suppression"), typed, headers=ENGLISH).content.decode()
    other = desk.post(url("suppression"), typed | {"typed": OTHER_PHONE}, headers=ENGLISH)
    unasked = desk.post(url("suppression"), {"typed": PHONE}, headers=ENGLISH).content.decode()

    assert "On the list: simulator, objection to direct marketing, since" in found
    assert "Not on the list." in other.content.decode()
    assert "On the list:" not in unasked
    entries = AuditEntry.objects.filter(action="suppression.checked").order_by("id")
    assert [json.loads(bytes(each.entry))["facts"]["found"] for each in entries] == [1, 0]
    assert all(PHONE[-8:] not in bytes(each.entry).decode() for each in entries)


def test_the_list_is_looked_at_every_three_years(desk, newsletter):
    row = suppress(fingerprint("simulator", PHONE), "simulator", reason="objected")
    row.since = timezone.now() - timedelta(days=3 * 366)
    row.save()
    assert (
        "look whether it is still needed"
        in desk.get(url("requests"), headers=ENGLISH).content.decode()
    )

    desk.post(url("suppression_reviewed"))

    page = desk.get(url("suppression"), headers=ENGLISH).content.decode()
    assert "withdrew_here" in page  # the rules of imports stand there too
    assert (
        "look whether it is still needed"
        not in desk.get(url("requests"), headers=ENGLISH).content.decode()
    )


@pytest.mark.parametrize("role", ["editor", "publisher", "administrator"])
def test_nobody_else_gets_there(role, staff, dpo):
    client = Client()
    client.force_login(staff(role))
    names = ["records", "processors", "incidents", "suppression", "new_incident"]

    assert {client.get(url(name)).status_code for name in names} == {403}
    assert client.post(url("store_record", "controller")).status_code == 403
    assert client.post(url("suppression_reviewed")).status_code == 403
    assert not DataSubject.objects.exists()
    assert incidents.open_ones().count() == 0
