"""Somebody with several channels: the others hear of a request, can stop it, and hold the code."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from privacy.models import AuditEntry, DataSubject, ExportPackage, Request
from privacy.requests import actions, approvals, errors, quota, todo
from privacy.requests.grace import grace_of
from tests.privacy.fake_people import Point
from tests.privacy.requests_world import (
    NOON,
    ask,
    controller,
    deputy,
    editor,
    officer,
    people,
    subject,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def two(people, subject):
    """A phone, on which things are asked, and a mailbox."""
    phone, mailbox = Point(uuid4(), uuid4()), Point(uuid4(), uuid4())
    people.points[subject] = [phone, mailbox]
    return phone, mailbox


def sent_to(people, point):
    pairs = zip(people.sent, people.places, strict=True)
    return [
        (name.split("/")[-1], given) for (_, name, given), to in pairs if to == point.address_id
    ]


def path(link):
    return link.partition("8000")[2]


def test_every_other_channel_hears_of_it_and_can_stop_it(ask, two, people, officer):
    phone, mailbox = two
    request = ask("access", address_id=phone.address_id)
    [(name, given)] = sent_to(people, mailbox)
    assert name == "not_me.txt"
    assert not sent_to(people, phone)
    actions.make_package(request=request, actor=officer)
    page, stranger = path(given["link"]), Client()

    assert stranger.get(page).status_code == 200
    assert Request.objects.get().status == "review"  # looking changes nothing
    assert stranger.post(page).status_code == 200

    request.refresh_from_db()
    assert (request.status, request.outcome) == ("closed", "not_identified")
    assert not ExportPackage.objects.filter(destroyed_at=None).exists()
    assert stranger.get(page).status_code == 410
    with pytest.raises(errors.RequestError):
        actions.deliver_package(request=request, actor=officer)


def test_an_erasure_is_stopped_in_its_grace_and_not_after(ask, two, people, officer, subject):
    phone, _mailbox = two
    request = ask("erasure", address_id=phone.address_id)
    assert grace_of(request) == timedelta(hours=24)  # proven by chat, but there is a mailbox
    actions.start_erasure(request=request, actor=officer)
    request.refresh_from_db()

    actions.stop_forged(request=request)

    request.refresh_from_db()
    assert request.outcome == "not_identified"
    assert DataSubject.objects.get(pk=subject).status == "active"
    with pytest.raises(errors.TooLateToStop):
        actions.stop_forged(request=request)


@pytest.mark.parametrize(("origin", "hours"), [("chat", 0), ("web", 24), ("staff", 24)])
def test_the_grace_depends_on_the_way_it_came(ask, people, officer, origin, hours):
    assert grace_of(ask("erasure", origin=origin, actor=officer)) == timedelta(hours=hours)


def test_a_stolen_number_alone_fetches_nothing(ask, two, people, officer, controller):
    phone, mailbox = two
    request = ask("access", address_id=phone.address_id)
    actions.make_package(request=request, actor=officer)
    actions.deliver_package(request=request, actor=officer)
    [(name, given)] = sent_to(people, phone)
    code = sent_to(people, mailbox)[-1][1]["code"]
    assert name == "package_ready.txt"
    assert code not in str(given)
    page, thief = path(given["link"]), Client()

    assert 'name="code"' in thief.get(page).content.decode()
    for wrong in ("", "00000000", f"{int(code) ^ 1:08d}"):
        assert thief.post(page, {"code": wrong}).status_code == 403
    assert ExportPackage.objects.get().code_tries == 3
    fetched = Client().post(page, {"code": f"{code[:4]} {code[4:]}"})
    assert fetched["Content-Type"] == "application/zip"
    assert fetched["Cache-Control"] == "no-store"


def test_guessing_the_code_destroys_the_package(ask, two, people, officer, controller):
    phone, mailbox = two
    request = ask("access", address_id=phone.address_id)
    actions.make_package(request=request, actor=officer)
    actions.deliver_package(request=request, actor=officer)
    page = path(sent_to(people, phone)[0][1]["link"])
    code = sent_to(people, mailbox)[-1][1]["code"]

    statuses = [Client().post(page, {"code": "1"}).status_code for _ in range(5)]

    assert statuses == [403, 403, 403, 403, 410]
    assert Client().post(page, {"code": code}).status_code == 410


def test_without_the_code_only_with_a_second_person(ask, two, people, officer, deputy, controller):
    request = ask("access", address_id=two[0].address_id)
    actions.make_package(request=request, actor=officer)
    with pytest.raises(errors.NotApproved):
        actions.deliver_package(request=request, actor=officer, without_code=True)

    approvals.approve(actions.ask_without_code(request=request, actor=officer), deputy)
    actions.deliver_package(request=request, actor=officer, without_code=True)

    assert ExportPackage.objects.get().code_hash is None


def test_a_letters_package_waits_for_a_second_person(ask, people, officer, deputy, controller):
    request = ask("access", origin="staff", actor=officer)
    actions.make_package(request=request, actor=officer)
    with pytest.raises(errors.NotApproved):
        actions.deliver_package(request=request, actor=officer)
    assert people.sent == []
    actions.make_package(request=request, actor=officer)  # made again: another one to look at
    old, new = approvals.pending()
    approvals.approve(old, deputy)
    with pytest.raises(errors.NotApproved):
        actions.deliver_package(request=request, actor=officer)

    approvals.approve(new, deputy)
    assert actions.deliver_package(request=request, actor=officer)


def test_whoever_copies_many_people_is_stopped_and_seen(
    ask, people, officer, deputy, controller, settings
):
    settings.JAWORT_EXPORTS_A_DAY = 2
    request = ask("access")
    for _ in range(2):
        package = actions.make_package(request=request, actor=officer)
    for _ in range(2):
        with pytest.raises(errors.QuotaReached):
            actions.read_package(package=package, purpose="request", actor=officer)
    assert quota.alerts(timezone.now()) == 1
    assert AuditEntry.objects.filter(action="person.exported").count() == 0
    actions.read_package(package=package, purpose="request", actor=deputy)  # their own quota

    approvals.approve(approvals.pending().get(), deputy)
    actions.read_package(package=package, purpose="request", actor=officer)
    with time_machine.travel(timezone.now() + timedelta(days=1, hours=1)):
        assert quota.count_today(officer) == 0


def test_the_day_of_receipt_can_be_corrected_and_is_written_down(ask, officer):
    request = ask("access", origin="staff", verified=False, actor=officer)
    earlier = NOON - timedelta(days=3)
    with time_machine.travel(NOON):
        changed = actions.correct_receipt(
            request=request, received_at=earlier, reasons="Poststempel", actor=officer
        )
        late = NOON + timedelta(days=1)
        with pytest.raises(errors.IllegalTransition):
            actions.correct_receipt(request=request, received_at=late, reasons="x", actor=officer)
    assert changed.due_at == request.due_at - timedelta(days=2)  # 29 May: due on Monday, 29 June
    facts = bytes(AuditEntry.objects.get(action="request.receipt_corrected").entry).decode()
    assert "2026-06-01" in facts
    assert "2026-05-29" in facts


def test_the_work_list_says_whom_each_request_waits_for(ask, people, officer, deputy, controller):
    letter = ask("access", origin="staff", actor=officer)
    actions.make_package(request=letter, actor=officer)
    asked = ask("erasure", origin="staff", verified=False, actor=officer)
    actions.ask_identity(request=asked, actor=officer)
    open_one = ask("rectification")

    every = list(Request.objects.all())
    whom = todo.whom_of(every)
    words = {value: str(word) for value, word in todo.words()}
    assert whom == {
        str(letter.pk): words["second"],
        str(asked.pk): words["person"],
        str(open_one.pk): words["us"],
    }
    for waits, row in (("second", letter), ("person", asked), ("us", open_one)):
        assert list(todo.waiting(Request.objects.all(), waits)) == [row]
    titles = {item.url for item in todo.items(timezone.now(), deputy)}
    assert reverse("privacy:approvals") in titles
    assert not todo.items(timezone.now(), officer)  # they proposed it themselves
