"""The access package: what is in it, where it lies, who can fetch it, and when it is gone."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import io
import json
import os
import time
import zipfile
from datetime import timedelta
from hashlib import sha256

import jsonschema
import pypdf
import pytest
import time_machine
from django.utils import timezone, translation

from privacy import suppression
from privacy.access import Actor, NotAllowed
from privacy.audit import record
from privacy.models import AuditEntry, ExportPackage, Request
from privacy.requests import actions, errors
from privacy.requests.export import package as packages
from privacy.requests.export.tables import csv_file
from privacy.requests.print import pdf
from privacy.vault import new_subject, shred
from tests.privacy.requests_world import (
    PHONE,
    ask,
    controller,
    editor,
    officer,
    people,
    subject,
)

pytestmark = pytest.mark.django_db
NAME = "Jörg Müßig"


def unpacked(packed):
    archive = zipfile.ZipFile(io.BytesIO(packed))
    return {name: archive.read(name) for name in archive.namelist()}


def token_in(people):
    return people.sent[-1][2]["link"].rstrip("/").rpartition("/")[2]


@pytest.fixture
def package(ask, officer, controller):
    return actions.make_package(request=ask("access"), actor=officer)


@pytest.fixture
def files(package):
    return unpacked(packages.read(package))


@pytest.fixture
def data(files):
    return json.loads(files["data.json"])


def test_the_package_holds_what_is_stored_in_three_forms(files, data):
    assert data["data"] == {
        "people": {"people": [{"number": PHONE, "name": NAME, "text": "", "language": "de"}]}
    }
    assert NAME in files["csv/people-people.csv"].decode("utf-8-sig")
    assert set(files) >= {"data.json", "schema.json", "report.pdf", "README.txt"}


def test_the_data_are_as_the_published_schema_says(files, data):
    schema = json.loads(files["schema.json"])
    jsonschema.Draft202012Validator.check_schema(schema)

    jsonschema.validate(data, schema)

    for key in data:
        broken = {**data, key: None}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**data, "more": 1}, schema)


def test_recipients_are_named_and_fields_say_what_for(data):
    assert data["recipients"] == ["Postbote GmbH"]
    assert data["fields"] == [
        {
            "app": "people",
            "field": "Person.sealed",
            "class": "identifier",
            "purpose": "To write to you",
            "retention": "active_subscription",
        }
    ]
    assert data["controller"]["name"] == "Stadtanzeiger Verlag GmbH"
    assert data["suppression"] == [{"kind": "phone", "is_suppressed": False, "entries": []}]
    assert len(data["rights"]) == 7


def test_look_ups_of_staff_are_told_with_purpose_and_without_name(ask, officer, subject):
    record("person.read", actor=officer, obj="person", ref=subject, purpose="complaint")
    record("person.read", actor=officer, obj="person", ref=new_subject(), purpose="incident")
    record("person.read", actor=Actor.system("test"), obj="person", ref=subject, purpose="own")

    made = actions.make_package(request=ask("access"), actor=officer)
    told = json.loads(unpacked(packages.read(made))["data.json"])["lookups"]

    assert [(one["act"], one["purpose"]) for one in told] == [("person.read", "complaint")]
    assert str(officer.ref) not in json.dumps(told)


def test_a_suppressed_address_is_told(ask, officer, subject):
    suppression.suppress(suppression.fingerprint("phone", PHONE), "phone", reason="objected")

    made = actions.make_package(request=ask("access"), actor=officer)

    told = json.loads(unpacked(packages.read(made))["data.json"])["suppression"]
    assert [(one["kind"], one["is_suppressed"]) for one in told] == [("phone", True)]
    assert [entry["reason"] for entry in told[0]["entries"]] == ["objected"]


def test_the_pdf_is_tagged_has_umlauts_and_says_what_the_json_says(files):
    document = pypdf.PdfReader(io.BytesIO(files["report.pdf"]))
    text = "\n".join(page.extract_text() for page in document.pages)

    assert document.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert document.trailer["/Root"]["/Lang"] == "de"
    assert document.metadata.title
    for word in (NAME, PHONE, "Postbote GmbH", "Größer", "2026-0001"):
        assert word in text


def test_the_pdf_speaks_the_persons_language(ask, officer, people, controller):
    other = new_subject()
    people.plant(other, "+4915100000001", language="en")
    request = ask("access", who=other)

    with translation.override("de"):
        made = actions.make_package(request=request, actor=officer)

    document = pypdf.PdfReader(io.BytesIO(unpacked(packages.read(made))["report.pdf"]))
    assert document.trailer["/Root"]["/Lang"] == "en"
    assert "Your rights" in "".join(page.extract_text() for page in document.pages)


@pytest.mark.parametrize(
    "text", ["😀 👩‍👩‍👧", "日本語", '#import "x" @label $x$ `raw` = head', "مرحبا", "a\x00b\u200b"]
)
def test_no_text_breaks_the_pdf_or_acts_in_it(text):
    group = {"title": "1", "rows": [["Text", text]]}
    section = {"title": "T", "text": [text], "lists": [[text]], "groups": [group]}
    words = {"what": "a", "content": "b"}
    made = pdf(
        "answer",
        {
            "title": "T", "publisher": "P", "footer": "F", "lead": [text], "words": words,
            "sections": [section],
        },
    )  # fmt: skip

    shown = pypdf.PdfReader(io.BytesIO(made)).pages[0].extract_text()
    assert ("raw" in shown) == ("raw" in text)
    assert ("grinning face" in shown) == ("😀" in text)


def test_cells_that_look_like_formulas_are_made_harmless():
    sheet = csv_file([{"a": "=1+1", "b": "@x", "c": "\tx"}, {"a": 'plain; "quoted"', "d": ["x"]}])

    assert sheet.decode("utf-8-sig").splitlines() == [
        "a;b;c;d",
        "'=1+1;'@x;'\tx;",
        '"plain; ""quoted""";;;"[""x""]"',
    ]


# Where it lies


def test_on_the_disk_lies_nothing_that_can_be_read(package, settings):
    (path,) = settings.JAWORT_EXPORT_DIR.iterdir()

    assert oct(settings.JAWORT_EXPORT_DIR.stat().st_mode)[-3:] == "700"
    assert oct(path.stat().st_mode)[-3:] == "600"
    on_disk = path.read_bytes()
    assert PHONE.encode() in unpacked(packages.read(package))["data.json"]  # it is in there
    assert not any(word in on_disk for word in (PHONE.encode(), NAME.encode(), b"PK\x03\x04"))
    assert package.sha256 == sha256(packages.read(package)).hexdigest()
    assert package.request.number not in path.name


def test_the_file_does_not_open_without_the_persons_key(package, subject):
    shred(subject, "ops")

    with pytest.raises(errors.PackageGone):
        packages.read(package)


def test_made_again_the_earlier_package_goes(
    package, officer, settings, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        again = actions.make_package(request=package.request, actor=officer)

    (path,) = settings.JAWORT_EXPORT_DIR.iterdir()
    assert path.name == again.file_name
    with pytest.raises(errors.PackageGone):
        packages.read(ExportPackage.objects.get(pk=package.pk))


def test_only_who_may_export_makes_and_delivers(ask, editor):
    request = ask("access")

    for act in (actions.make_package, actions.deliver_package, actions.complete_access):
        with pytest.raises(NotAllowed):
            act(request=request, actor=editor)


# Delivery


def test_the_link_downloads_once(
    package, officer, people, settings, django_capture_on_commit_callbacks
):
    whole = packages.read(package)
    actions.deliver_package(request=package.request, actor=officer)
    assert people.sent[-1][1] == "privacy/answers/package_ready.txt"
    token = token_in(people)
    assert [row.name for row in settings.JAWORT_EXPORT_DIR.iterdir()] == [package.file_name]

    with django_capture_on_commit_callbacks(execute=True):
        _row, packed = actions.fetch_package(token=token)

    assert packed == whole
    assert list(settings.JAWORT_EXPORT_DIR.iterdir()) == []
    with pytest.raises(errors.PackageGone):
        actions.fetch_package(token=token)
    request = Request.objects.get(pk=package.request_id)
    assert (request.status, request.outcome) == ("closed", "fulfilled")


def test_before_delivery_no_link_works(package, people):
    assert people.sent == []
    with pytest.raises(errors.PackageGone):
        actions.fetch_package(token="")


def test_after_seven_days_it_is_gone(package, officer, people, settings):
    actions.deliver_package(request=package.request, actor=officer)
    assert len(list(settings.JAWORT_EXPORT_DIR.iterdir())) == 1
    now = timezone.now()

    assert packages.expire_due(now + timedelta(days=7, seconds=-5)) == 0
    assert packages.expire_due(now + timedelta(days=7, seconds=5)) == 1

    assert list(settings.JAWORT_EXPORT_DIR.iterdir()) == []
    with time_machine.travel(now + timedelta(days=7, seconds=5)):
        assert actions.close_delivered() == 1
        with pytest.raises(errors.PackageGone):
            actions.fetch_package(token=token_in(people))
    request = Request.objects.get(pk=package.request_id)
    assert (request.status, request.outcome) == ("closed", "fulfilled")


def test_past_its_term_a_link_is_dead_even_before_the_tick(package, officer, people):
    actions.deliver_package(request=package.request, actor=officer)

    with (
        time_machine.travel(timezone.now() + timedelta(days=7, seconds=5)),
        pytest.raises(errors.PackageGone),
    ):
        actions.fetch_package(token=token_in(people))


def test_a_file_that_a_crash_left_is_removed_and_others_stay(package, settings):
    left = settings.JAWORT_EXPORT_DIR / "0123.part"
    left.write_bytes(b"x")
    assert packages.expire_due(timezone.now()) == 0
    long_ago = time.time() - 7200
    for path in settings.JAWORT_EXPORT_DIR.iterdir():
        os.utime(path, (long_ago, long_ago))

    assert packages.expire_due(timezone.now()) == 1

    assert [path.name for path in settings.JAWORT_EXPORT_DIR.iterdir()] == [package.file_name]


def test_the_officers_own_look_is_logged_with_its_purpose_and_told_later(package, officer, editor):
    packed = actions.read_package(package=package, purpose="review", actor=officer)

    mine, theirs = unpacked(packed), unpacked(packages.read(package))
    assert "2026-0001" in mine["STAFF-COPY.txt"].decode()
    assert str(officer) in mine.pop("STAFF-COPY.txt").decode()
    assert mine == theirs
    entry = AuditEntry.objects.get(action="person.exported")
    assert (entry.ref, json.loads(bytes(entry.entry))["purpose"]) == (
        str(package.subject), "review",
    )  # fmt: skip
    with pytest.raises(NotAllowed):
        actions.read_package(package=package, purpose="review", actor=editor)
