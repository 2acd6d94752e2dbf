"""The DPO's desk: who may see and do what, and that each page says and does what it should."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import json
import re
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import get_resolver, reverse
from django.utils import timezone

from privacy.access import Actor
from privacy.models import AuditEntry, Certificate, Controller, DataSubject, Request, SecondApproval
from privacy.records import urls as records
from privacy.requests import actions, packing
from privacy.retention.urls import RETENTION
from privacy.urls import BY_LINK, OPEN_TO_ALL
from privacy.vault import new_subject
from tests.privacy.requests_world import NOON, PHONE, ask, controller, people, subject

pytestmark = pytest.mark.django_db
NAME = "Jörg Müßig"
ROLES = ("nobody", "editor", "publisher", "administrator", "dpo")
DPO_ONLY = {"nobody": 302, "editor": 403, "publisher": 403, "administrator": 403}
GET, POST = "get", "post"

# Every page below /privacy/ but those that open by a link: method, and what the DPO gets.
PAGES = {
    "home": (GET, 302),
    "requests": (GET, 200),
    "new_request": (GET, 200),
    "request": (GET, 200),
    "steps": (GET, 200),
    "ask": (POST, 302),
    "extend": (POST, 302),
    "note": (POST, 302),
    "close": (POST, 302),
    "correct_receipt": (POST, 302),
    "refuse_request": (POST, 302),
    "rectify": (POST, 302),
    "complete": (POST, 302),
    "lift_restriction": (POST, 302),
    "settle_notice": (POST, 302),
    "ask_without_code": (POST, 302),
    "make_package": (POST, 302),
    "package_progress": (GET, 200),
    "deliver_package": (POST, 302),
    "read_package": (POST, 302),
    "confirm_erasure": (GET, 200),
    "erase": (POST, 302),
    "resume_erasure": (POST, 302),
    "people": (GET, 200),
    "person": (GET, 200),
    "open_person": (POST, 302),
    "shut_person": (POST, 302),
    "enter_request": (GET, 200),
    "link_person": (POST, 302),
    "consent_records": (GET, 302),
    "consent_proof": (GET, 302),
    "consent_zip": (GET, 302),
    "consent_pdf": (GET, 302),
    "consent_jws": (GET, 302),
    "certificate": (GET, 404),
    "certificate_pdf": (GET, 404),
    "certificate_json": (GET, 404),
    "approvals": (GET, 200),
    "approve": (POST, 404),
    "refuse_approval": (POST, 404),
    "audit": (GET, 200),
    "audit_verify": (POST, 200),
    "audit_reading": (GET, 200),
    "audit_report": (GET, 200),
    "audit_entry": (GET, 404),
    "audit_proof": (GET, 404),
    "controller": (GET, 200),
}


@pytest.fixture(autouse=True)
def no_second_factor(settings):
    """What is tested here lies behind the gate of sign-in; test_access has the gate itself."""
    settings.JAWORT_DEMO = True


@pytest.fixture
def signed_in(staff):
    """`signed_in("dpo")`: a browser of somebody with this role."""

    def make(role):
        client = Client()
        if role != "nobody":
            client.force_login(
                staff(role), backend="allauth.account.auth_backends.AuthenticationBackend"
            )
        return client

    return make


@pytest.fixture
def dpo(signed_in):
    return signed_in("dpo")


def address(name, row, subject):
    """The path of the page `name`, filled with whatever it needs."""
    known = {"pk": row.pk, "subject": subject, "record": row.pk}
    pattern = next(pattern for pattern in get_resolver("privacy.urls").reverse_dict.getlist(name))
    return reverse(f"privacy:{name}", kwargs={key: known[key] for key in pattern[0][0][1]})


def names_of(patterns):
    """The names of pages, also of those that are included."""
    for pattern in patterns:
        yield from names_of(getattr(pattern, "url_patterns", ()))
        if hasattr(pattern, "name"):
            yield pattern.name


def text_of(response):
    return re.sub(r"\s+", " ", response.content.decode())


# Rights


def test_the_matrix_names_every_page():
    names = {key for key in get_resolver("privacy.urls").reverse_dict if isinstance(key, str)}
    elsewhere = [*BY_LINK, *OPEN_TO_ALL, *RETENTION, *records.DESK]

    assert names - set(names_of(elsewhere)) == set(PAGES)


@pytest.mark.parametrize("role", ROLES)
def test_rights(role, signed_in, ask, subject, controller):
    row = ask("erasure")
    client = signed_in(role)
    for name, (method, status) in PAGES.items():
        expected = status if role == "dpo" else DPO_ONLY[role]
        if role == "administrator" and name in (
            "home",
            "controller",
            "approvals",
            "approve",
            "refuse_approval",
        ):
            expected = status
        if role != "nobody" and name == "home":
            expected = 302
        answer = getattr(client, method)(address(name, row, subject))
        assert (name, answer.status_code) == (name, expected)
        if role == "nobody":
            assert "/accounts/login/" in answer["Location"]


def test_acts_only_by_post_and_pages_only_by_get(dpo, ask, subject):
    row = ask("erasure")
    both = {"new_request", "people", "controller", "enter_request"}
    for name, (method, _status) in PAGES.items():
        if name in both or name == "home":
            continue
        other = "post" if method == GET else "get"
        answer = getattr(dpo, other)(address(name, row, subject))
        assert (name, answer.status_code) == (name, 405)


def test_forms_demand_the_csrf_token(staff, ask, subject):
    client = Client(enforce_csrf_checks=True)
    client.force_login(staff("dpo"), backend="allauth.account.auth_backends.AuthenticationBackend")
    row = ask("erasure")

    for name, (method, _status) in PAGES.items():
        if method == POST:
            assert client.post(address(name, row, subject)).status_code == 403
    assert not row.steps.exists()


def test_looking_changes_nothing_but_the_log(dpo, ask, subject, people):
    row = ask("erasure")
    before = (Request.objects.values().get(pk=row.pk), everything(people), row.steps.count())

    for name, (method, _status) in PAGES.items():
        if method == GET:
            for verb in ("get", "head", "get"):
                getattr(dpo, verb)(address(name, row, subject))

    after = (Request.objects.values().get(pk=row.pk), everything(people), row.steps.count())
    assert after == before


def everything(people):
    return [tuple(map(str, row)) for row in people.run("SELECT * FROM people_person")]


# Work list


def test_the_work_list_shows_the_most_urgent_first_with_its_clock(dpo, ask):
    with time_machine.travel(NOON + timedelta(days=28), tick=False):
        late = ask("access", received_at=NOON - timedelta(days=10))
        soon = ask("erasure", received_at=NOON)
        calm = ask("objection", received_at=NOON + timedelta(days=27))
        page = text_of(dpo.get(reverse("privacy:requests"), headers={"accept-language": "en"}))

    assert page.index(late.number) < page.index(soon.number) < page.index(calm.number)
    assert "Overdue" in page
    assert "2 days left" in page
    assert 'class="badge badge-bad"' in page
    assert PHONE not in page


def test_the_same_number_of_queries_for_one_and_for_many(
    dpo, ask, people, django_assert_max_num_queries
):
    def look():
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as seen:
            dpo.get(reverse("privacy:requests"))
            dpo.get(reverse("privacy:audit"))
        return len(seen)

    ask("access")
    look()
    one = look()
    for number in range(3):
        other = new_subject()
        people.plant(other, f"+49151000000{number}")
        ask("access", who=other)
    assert look() == one


def test_filters_take_fixed_words_only(dpo, ask):
    row = ask("access")
    hostile = "' OR 1=1 --"

    assert row.number in text_of(dpo.get(reverse("privacy:requests"), {"kind": "access"}))
    assert row.number not in text_of(dpo.get(reverse("privacy:requests"), {"kind": "erasure"}))
    for name in ("show", "kind", "page"):
        assert dpo.get(reverse("privacy:requests"), {name: hostile}).status_code == 200
    for name in ("area", "actor", "day", "before"):
        assert dpo.get(reverse("privacy:audit"), {name: hostile}).status_code == 200


def test_a_letter_is_entered_linked_asked_proven_and_answered(
    dpo, signed_in, people, subject, controller
):
    dpo.post(
        reverse("privacy:new_request"),
        {"kind": "access", "received_on": "2026-06-01", "remark": "Brief vom 29. Mai"},
    )
    row = Request.objects.get()
    page = reverse("privacy:request", args=[row.pk])
    assert row.received_at.date().isoformat() == "2026-06-01"
    assert "Brief vom 29. Mai" in text_of(dpo.get(page))

    found = dpo.post(
        reverse("privacy:people"), {"typed": PHONE, "purpose": "request", "for": str(row.pk)}
    )
    link = reverse("privacy:link_person", args=[subject, row.pk])
    assert link in text_of(found)
    assert NAME not in text_of(found)
    dpo.post(link)
    dpo.post(reverse("privacy:ask", args=[row.pk]))
    answer = people.sent[-1][2]["link"].partition("8000")[2]
    stranger = Client()
    assert stranger.get(answer).status_code == 200
    row.refresh_from_db()
    assert row.status == "verifying"
    stranger.post(answer, {"answer": "yes"})
    row.refresh_from_db()
    assert (row.status, row.is_verified) == ("received", True)

    dpo.post(reverse("privacy:make_package", args=[row.pk]))
    assert packing.pack(row.pk)
    dpo.post(reverse("privacy:deliver_package", args=[row.pk]))
    row.refresh_from_db()
    assert row.status == "review"  # a letter: somebody else looks at it first
    waiting = SecondApproval.objects.get()
    dpo.post(reverse("privacy:approve", args=[waiting.pk]))
    assert SecondApproval.objects.get().status == "waiting"
    second = signed_in("administrator")
    assert row.number in text_of(second.get(reverse("privacy:approvals")))
    second.post(reverse("privacy:approve", args=[waiting.pk]))
    dpo.post(reverse("privacy:deliver_package", args=[row.pk]))
    row.refresh_from_db()
    assert row.status == "delivered"
    assert people.sent[-1][1] == "privacy/answers/package_ready.txt"


def test_what_the_domain_refuses_is_said_on_the_page(dpo, ask):
    row = ask("access")

    answer = dpo.post(reverse("privacy:deliver_package", args=[row.pk]), follow=True)

    assert answer.status_code == 200
    assert "flash-error" in text_of(answer)


def test_a_request_that_is_still_to_come_is_not_entered(dpo):
    tomorrow = (timezone.now() + timedelta(days=2)).date().isoformat()
    dpo.post(reverse("privacy:new_request"), {"kind": "access", "received_on": tomorrow})

    assert not Request.objects.exists()


# People


def test_a_person_is_masked_until_a_purpose_is_chosen_and_each_look_is_logged(dpo, subject, people):
    page = reverse("privacy:person", args=[subject])
    assert people.opened(subject)[0]["number"] == PHONE  # it could be shown
    masked = text_of(dpo.get(page))
    assert PHONE not in masked
    assert NAME not in masked
    assert not AuditEntry.objects.filter(action="person.read").exists()

    dpo.post(reverse("privacy:open_person", args=[subject]), {"purpose": ""})
    assert PHONE not in text_of(dpo.get(page))
    dpo.post(reverse("privacy:open_person", args=[subject]), {"purpose": "curiosity"})
    assert PHONE not in text_of(dpo.get(page))

    dpo.post(reverse("privacy:open_person", args=[subject]), {"purpose": "complaint"})
    opened = text_of(dpo.get(page))
    assert PHONE in opened
    assert NAME in opened
    (entry,) = AuditEntry.objects.filter(action="person.read")
    assert entry.ref == str(subject)
    assert json.loads(bytes(entry.entry))["purpose"] == "complaint"

    dpo.post(reverse("privacy:shut_person", args=[subject]))
    assert PHONE not in text_of(dpo.get(page))


def test_a_person_closes_again_after_a_quarter_of_an_hour(dpo, subject, settings):
    settings.SESSION_COOKIE_AGE = 12 * 3600
    page = reverse("privacy:person", args=[subject])
    dpo.post(reverse("privacy:open_person", args=[subject]), {"purpose": "complaint"})
    assert PHONE in text_of(dpo.get(page))

    with time_machine.travel(timezone.now() + timedelta(minutes=14)):
        assert PHONE in text_of(dpo.get(page))
    with time_machine.travel(timezone.now() + timedelta(minutes=28)):
        assert PHONE not in text_of(dpo.get(page))


def test_opening_one_person_opens_no_other(dpo, subject, people):
    other = new_subject()
    people.plant(other, "+4915100000009")

    dpo.post(reverse("privacy:open_person", args=[subject]), {"purpose": "complaint"})

    assert "+4915100000009" not in text_of(dpo.get(reverse("privacy:person", args=[other])))


def test_what_is_typed_to_find_somebody_stands_nowhere(dpo, subject, client):
    found = dpo.post(reverse("privacy:people"), {"typed": f" {PHONE} ", "purpose": "incident"})
    none = dpo.post(reverse("privacy:people"), {"typed": "+4900000", "purpose": "incident"})

    assert str(subject) in text_of(found)
    assert str(subject) not in text_of(none)
    assert "empty" in text_of(none)
    assert PHONE not in dpo.get(reverse("privacy:people"), {"typed": PHONE}).content.decode()
    told = [bytes(entry.entry).decode() for entry in AuditEntry.objects.all()]
    assert {json.loads(one)["action"] for one in told} >= {"person.found", "person.not_found"}
    assert not any(PHONE[3:] in one for one in told)


def test_no_purpose_no_finding(dpo, subject):
    page = dpo.post(reverse("privacy:people"), {"typed": PHONE, "purpose": ""})

    assert str(subject) not in text_of(page)


def test_pages_of_people_are_stored_nowhere(dpo, subject):
    for name in ("person", "people"):
        args = [subject] if name == "person" else []
        assert "no-store" in dpo.get(reverse(f"privacy:{name}", args=args))["Cache-Control"]


# Erasure from the desk


def test_erased_from_the_desk_with_its_certificate(dpo, ask, subject, people, controller):
    row = ask("erasure")
    assert "Stadtanzeiger" not in text_of(
        dpo.get(reverse("privacy:confirm_erasure", args=[row.pk]))
    )
    assert not row.steps.exists()

    dpo.post(reverse("privacy:erase", args=[row.pk]), {"suppress": "on", "keep_evidence": "on"})
    actions.complete_erasure(request=row)

    certificate = Certificate.objects.get(request=row)
    page = dpo.get(reverse("privacy:certificate", args=[certificate.pk]))
    assert certificate.sha256 in text_of(page)
    pdf = dpo.get(reverse("privacy:certificate_pdf", args=[certificate.pk]))
    assert pdf.content.startswith(b"%PDF-")
    assert pdf["Content-Disposition"] == f'attachment; filename="jawort-{row.number}.pdf"'
    exact = dpo.get(reverse("privacy:certificate_json", args=[certificate.pk]))
    assert exact.content == bytes(certificate.body)
    assert "/erase/" not in text_of(dpo.get(reverse("privacy:request", args=[row.pk])))
    assert dpo.get(reverse("privacy:steps", args=[row.pk]))["HX-Refresh"] == "true"
    assert DataSubject.objects.get(pk=subject).status == "erased"
    assert PHONE not in text_of(dpo.get(reverse("privacy:person", args=[subject])))


def test_what_the_scan_found_is_shown_and_scanned_again(dpo, ask, people, settings):
    row = ask("erasure")
    leak = settings.JAWORT_MEDIA_DIR / "list.csv"
    leak.write_text(PHONE)
    dpo.post(reverse("privacy:erase", args=[row.pk]), {"suppress": "on"})
    actions.complete_erasure(request=row)
    page = reverse("privacy:request", args=[row.pk])
    assert "file in media" in text_of(dpo.get(page))

    leak.unlink()
    dpo.post(reverse("privacy:resume_erasure", args=[row.pk]))

    assert "file in media" not in text_of(dpo.get(page))
    assert Certificate.objects.filter(request=row).exists()


def test_without_the_demo_an_erasure_asks_who_you_are_again(dpo, ask, settings, monkeypatch):
    row = ask("erasure")
    settings.JAWORT_DEMO = False
    monkeypatch.setattr("privacy.middleware.has_shown_two_factors", lambda request: True)

    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        answer = dpo.post(reverse("privacy:erase", args=[row.pk]))

    assert answer.status_code == 302
    assert "reauthenticate" in answer["Location"]
    assert not row.steps.exists()


# House


def test_the_audit_log_is_read_filtered_and_verified(dpo, ask):
    ask("access")

    page = text_of(dpo.get(reverse("privacy:audit")))
    assert "request.opened" in page
    assert "request.opened" not in text_of(dpo.get(reverse("privacy:audit"), {"area": "consent"}))
    assert "request.opened" in text_of(
        dpo.get(reverse("privacy:audit"), {"area": "request", "actor": "subscriber"})
    )
    assert "note-good" in text_of(dpo.post(reverse("privacy:audit_verify")))


def test_the_audit_log_has_pages(dpo, ask, subject):
    row = ask("access")
    officer = Actor.system("test")
    for _number in range(60):
        actions.note(request=row, text="x", actor=officer)

    first = text_of(dpo.get(reverse("privacy:audit")))
    older = re.search(r"before=([0-9a-f-]{36})", first).group(1)
    second = text_of(dpo.get(reverse("privacy:audit"), {"before": older}))

    assert first.count("request.noted") == 50
    assert second.count("request.noted") == 10
    assert "request.opened" in second


def test_the_controller_is_changed_and_written_down(dpo, controller):
    given = {
        "name": "Neuer Verlag", "address": "Weg 2", "email": "a@example.org",
        "imprint_url": "https://example.org", "dpo_contact": "Frau X", "authority": "LfD",
        "land": "BY",
    }  # fmt: skip
    assert dpo.post(reverse("privacy:controller"), {**given, "land": "XX"}).status_code == 200
    assert Controller.objects.get().land == "BE"

    dpo.post(reverse("privacy:controller"), given)

    assert (Controller.objects.get().name, Controller.objects.get().land) == ("Neuer Verlag", "BY")
    assert AuditEntry.objects.filter(action="controller.changed").count() == 1


def test_retention_shows_every_rule(dpo):
    page = text_of(dpo.get(reverse("privacy:retention")))

    for name in ("consent_evidence", "export_package", "suppression"):
        assert name in page


def test_no_page_has_inline_script_or_style(dpo, ask, subject, controller):
    row = ask("erasure")
    dpo.post(reverse("privacy:open_person", args=[subject]), {"purpose": "complaint"})
    for name, (method, _status) in PAGES.items():
        if method == GET:
            page = dpo.get(address(name, row, subject)).content.decode()
            assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=", page), name
