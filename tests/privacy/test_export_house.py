"""What a real subscriber gets: every classified field, and a copy that our own import reads."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest
from django.utils import timezone
from pypdf import PdfReader

from messengers.addresses import Profile, set_profile
from messengers.models import Address, Gate
from privacy import inventory
from privacy.access import Actor
from privacy.models import Incident, Request
from privacy.records import incidents, wave
from privacy.requests import actions, approvals
from privacy.requests.export import package as packages
from privacy.requests.export.labels import LABELS
from privacy.requests.notes import add_note
from privacy.requests.verbs import describe_everywhere, erase_everywhere, portable_of
from privacy.retention import holds
from subscriptions.imports import approve_import, check_import, load_import
from subscriptions.models import OptIn, Subscriber, Subscription
from tests.subscriptions.conftest import (
    PHONE,
    chat,
    cheap_fingerprints,
    mail,
    make_newsletter,
    make_staff,
    newsletter,
    officer,
    publisher,
    say,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)

# Where a person finds each field that the inventory calls exportable: a path into data.json, with
# tables of `data` by their app. `-`: only a link inside the database, which the rows below it show.
SHOWN = {
    "broadcasts.TestAddress": {"used_at": "data/broadcasts/test_addresses/last_used"},
    "subscriptions.Subscriber": {
        "id": "subject",
        "language": "data/subscriptions/subscriber/language",
        "created_at": "data/subscriptions/subscriber/created_at",
    },
    "subscriptions.Subscription": {
        "imported_by": "data/subscriptions/subscriptions/imported_at",
        "subscriber": "subject",
        "address": "data/messengers/addresses/address",
        "*": "data/subscriptions/subscriptions",
    },
    "subscriptions.Subscription_topics": {"topic": "data/subscriptions/subscriptions/topics"},
    "subscriptions.OptIn": {
        "erase_at": "data/subscriptions/pending_requests/erased_at_the_latest",
        "source_form": "data/subscriptions/pending_requests/form",
        "evidence_sealed": "data/subscriptions/pending_requests/evidence",
        "id": "-",
        "address": "data/messengers/addresses/address",
        "*": "data/subscriptions/pending_requests",
    },
    "subscriptions.OptIn_topics": {"topic": "data/subscriptions/pending_requests/topics"},
    "subscriptions.ConsentRecord": {
        "subject": "subject",
        "newsletter": "data/subscriptions/consent/entry",
        "*": "data/subscriptions/consent",
    },
    "subscriptions.Evidence": {
        "record": "data/subscriptions/consent/id",
        "subject": "subject",
        "sealed": "data/subscriptions/consent/evidence",
    },
    "subscriptions.Reply": {
        "id": "-",
        "address": "data/messengers/addresses/address",
        "sealed": "data/subscriptions/messages_to_us/text",
        "*": "data/subscriptions/messages_to_us",
    },
    "messengers.Address": {
        "id": "-",
        "subject": "subject",
        "created_at": "data/messengers/addresses/since",
        "sealed": "data/messengers/addresses/address",
        "profile_sealed": "data/messengers/addresses/first_name",
        "*": "data/messengers/addresses",
    },
    "messengers.AddressIndex": {"digest": "data/messengers/addresses/address"},
    "messengers.Gate": {
        "address": "data/messengers/addresses/address",
        "subject": "subject",
        "is_open": "data/messengers/gates/open",
        "changed_at": "data/messengers/gates/since",
        "*": "data/messengers/gates",
    },
    "messengers.InboundEvent": {"sealed": "data/messengers/received/text"},
    "messengers.Delivery": {
        "address": "data/messengers/addresses/address",
        "status": "data/messengers/messages/state",
        "cause": "data/messengers/messages/cause",
        "attempts": "data/messengers/messages/tries",
        "changed_at": "data/messengers/messages/state_since",
        "values_sealed": "data/messengers/messages/values",
    },
    "privacy.DataSubject": {
        "id": "subject",
        "status": "person/status",
        "created_at": "person/known_since",
    },
    "privacy.Suppression": {"fingerprint": "suppression/is_suppressed"},
    "privacy.Request": {
        "subject": "subject",
        "note_sealed": "requests/remarks",
        "number": "requests/number",
        "kind": "requests/kind",
        "status": "requests/status",
        "outcome": "requests/outcome",
        "origin": "requests/origin",
        "is_verified": "requests/is_verified",
        "received_at": "requests/received_at",
        "due_at": "requests/due_at",
        "extended_at": "requests/extended_at",
        "closed_at": "requests/closed_at",
        "paused_days": "requests/paused_days",
    },
    "privacy.RequestStep": {
        "name": "requests/steps/step",
        "done_at": "requests/steps/done_at",
        "sealed": "requests/corrections",
    },
    "privacy.ExportPackage": {
        "created_at": "requests/packages/made_at",
        "downloaded_at": "requests/packages/downloaded_at",
    },
    "privacy.RecipientNotice": {
        "request": "recipients_told/request",
        "recipient": "recipients_told/recipient",
        "status": "recipients_told/status",
        "asked_at": "recipients_told/asked_at",
        "answered_at": "recipients_told/answered_at",
        "reply_sealed": "recipients_told/reply",
    },
    "privacy.Certificate": {"body": "requests/certificate"},
    "privacy.IncidentSubject": {
        "incident": "breaches/number",
        "state": "breaches/state",
        "told_at": "breaches/told_at",
    },
    "privacy.LegalHold": {
        "data_class": "holds/class",
        "since": "holds/since",
        "review_at": "holds/review_at",
    },
}
# Links and clockwork that lead nowhere outside of the database; the rows they hang on are shown.
LINKS = {
    "broadcasts.TestAddress": "user digest sealed",
    "subscriptions.Subscription_topics": "id subscription",
    "subscriptions.OptIn_topics": "id optin",
    "messengers.AddressIndex": "id channel address",
    "messengers.Delivery": "gate id dispatch batch position next_at",
    "privacy.DataSubject": "erased_at",
    "privacy.Request": "id channel address paused_at proof_hash",
    "privacy.RequestStep": "request facts",
    "privacy.ExportPackage": "id request subject expires_at destroyed_at",
    "privacy.Certificate": "id request issued_at",
    "privacy.IncidentSubject": "id subject",
    "privacy.LegalHold": "id subject ended_at",
    "privacy.keystore.Tombstone": "subject erased_at",
}
# Nothing of the kind in this world: whoever is erased gets no export, and the like.
ABSENT = {"data/broadcasts/test_addresses/last_used", "data/messengers/received/text"}


def place_of(model, field):
    known = SHOWN.get(model, {})
    if field in known:
        return known[field]
    if field in LINKS.get(model, "").split():
        return "-"
    return f"{known['*']}/{field}" if "*" in known else ""


def found(data, path):
    """Whether the path leads to something: in any row of each list on the way."""
    if not path:
        return True
    name, _, rest = path.partition("/")
    if isinstance(data, list):
        return any(found(row, path) for row in data)
    return isinstance(data, dict) and name in data and found(data[name], rest)


@pytest.fixture
def data(say, staff, settings, tmp_path, newsletter, chat, mail):
    """A subscriber with everything there is, and their package."""
    settings.JAWORT_EXPORT_DIR = tmp_path / "exports"
    officer = Actor.staff(staff("dpo", email="desk@example.org"))
    make_newsletter("Kulturbrief", chat)
    say("START STADTANZEIGER")
    say("JA")
    set_profile(Address.objects.get(), Profile("Käthe", "Weiß"))
    say("Wann kommt die Müllabfuhr in der Bäckergasse?")
    say("START KULTURBRIEF")
    say("AUSKUNFT")
    request = Request.objects.get()
    person = request.subject
    other = actions.open_request(
        subject=person, kind="rectification", origin="chat", verified=True,
        received_at=request.received_at, actor=officer, address_id=request.address,
    )  # fmt: skip
    actions.rectify(
        request=other, changes={"first_name": "Kaethe", "language": "en"}, actor=officer
    )
    for notice in other.notices.all():
        actions.settle_notice(notice=notice, status="confirmed", reply="Erledigt", actor=officer)
    add_note(request, "remark", "Rief an")
    keep_and_breach(person, officer, staff)
    made = actions.make_package(request=request, actor=officer)
    made = actions.make_package(request=request, actor=officer)
    archive = zipfile.ZipFile(io.BytesIO(packages.read(made)))
    files = {name: archive.read(name) for name in archive.namelist()}
    assert archive.comment == request.number.encode()  # the watermark
    return json.loads(files["data.json"]), files, person


def keep_and_breach(person, officer, staff):
    """A legal hold on the person, and two breaches: they were told of one; of the other not yet."""
    day = timezone.localdate() + timedelta(days=90)
    holds.place(
        subject=person, data_class="inbound_text", reason="Klage", review_at=day,
        owner=staff("administrator"),
    )  # fmt: skip
    for words in ("Eine Sicherung lag offen.", "Noch ein Entwurf."):
        made = incidents.open_incident(
            aware_at=NOW, actor=officer,
            texts={"message_de": words, "message_en": f"{words} (English)"},
        )  # fmt: skip
        incidents.add_scope(incident=made, kind="everybody", actor=officer)
        if Incident.objects.count() == 1:
            incidents.decide(incident=made, risk="high", reasons="Schlüssel", actor=officer)
            approvals.approve(
                wave.propose(incident=made, actor=officer),
                Actor.staff(staff("dpo", email="second@example.org")),
            )
            assert wave.resume() == 1


def test_the_person_reads_of_breaches_and_legal_holds(data):
    answer, files, _person = data
    told, listed = answer["breaches"]
    assert told["text"] == "Eine Sicherung lag offen. (English)"  # corrected to English above
    assert (told["state"], told["number"]) == ("told", "2026-01")
    assert told["aware_at"] == "2026-11-20T09:30:00.000Z"
    assert told["told_at"]
    assert (listed["state"], listed["told_at"], listed["text"]) == ("listed", "", "")
    assert "Noch ein Entwurf" not in files["data.json"].decode()
    [hold] = answer["holds"]
    assert hold["class"] == "inbound_text"
    assert "Klage" not in files["data.json"].decode()
    with io.BytesIO(files["report.pdf"]) as pdf:
        text = "".join("".join(p.extract_text() for p in PdfReader(pdf).pages).split())
    assert "Breachesthatconcernedyou" in text
    # Narrow columns break words, and pages rows, wherever they must.
    assert "(English)" in text.replace("-", "").replace("\u00ad", "")


def test_what_the_desk_says_of_a_person_has_words(data):
    """Or the German page would show the name of a column."""
    said = {key for told in describe_everywhere(data[2]).values() for key in told}

    assert "broadcasts" in said
    assert said <= LABELS.keys()


def test_every_classified_field_reaches_the_person(data):
    answer, files, _person = data
    assert OptIn.objects.count() == 1
    places = {
        f"{app.app}.{name}": place_of(*f"{app.app}.{name}".rsplit(".", 1))
        for app in inventory.apps()
        for name, field in inventory.personal_fields(app)
        if field.export
    }

    assert sorted(name for name, place in places.items() if not place) == []
    wanted = {place for place in places.values() if place != "-"} - ABSENT
    assert sorted(place for place in wanted if not found(answer, place)) == []
    jsonschema.validate(answer, json.loads(files["schema.json"]))
    assert "Müllabfuhr in der Bäckergasse" in files["csv/subscriptions-messages_to_us.csv"].decode()


def test_what_was_provided_comes_back_by_our_own_import(data, newsletter, chat, publisher, officer):
    _answer, files, person = data
    portable = json.loads(files["portable/portable.json"])
    jsonschema.validate(portable, json.loads(files["portable/schema.json"]))
    before = portable_of(person)
    assert [row["newsletter"] for row in before] == [newsletter.slug]
    erase_everywhere(person)  # another house, which knows nobody
    assert not Subscriber.objects.exists()
    sheet = files[f"portable/{newsletter.slug}-{chat.kind}.csv"]

    imported = check_import(
        newsletter=newsletter, channel=chat, content=sheet, actor=Actor.staff(publisher)
    )
    assert imported.counts == {"rows": 1, "good": 1}
    load_import(imported=imported, actor=Actor.staff(publisher))
    assert not Gate.objects.filter(is_open=True).exists()  # a list is approved before it is used
    approve_import(imported=imported, actor=Actor.staff(officer))

    [again] = portable_of(Subscription.objects.get().subscriber_id)
    same = ("address", "first_name", "last_name", "language", "topics", "status", "newsletter")
    assert {key: again[key] for key in same} == {key: before[0][key] for key in same}
    assert again["address"] == PHONE
