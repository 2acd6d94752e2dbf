"""The pages about retention: who may see and do what, and that they say what is so."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from privacy.access import Actor
from privacy.models import AuditEntry, LegalHold, RetentionItem, RetentionPlan, RetentionRule
from privacy.requests import approvals
from privacy.retention import holds, night, plans, proposals
from privacy.retention.defaults import DEFAULTS
from privacy.retention.proposals import Change
from privacy.retention.terms import Term
from privacy.retention.urls import RETENTION
from privacy.vault import new_subject

pytestmark = pytest.mark.django_db
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
REASON = "Klage von Erika Mustermann, 12 O 34/26"
TOMORROW = timezone.localdate() + timedelta(days=1)
# Every page: method, and the roles that get it.
PAGES = {
    "retention": ("get", {"dpo"}),
    "retention_rule": ("get", {"dpo"}),
    "retention_version": ("get", {"dpo", "administrator"}),
    "retention_plan": ("get", {"dpo"}),
    "retention_progress": ("get", {"dpo"}),
    "retention_pause": ("post", {"dpo"}),
    "retention_resume": ("post", {"dpo"}),
    "retention_item": ("get", {"dpo", "administrator"}),
    "holds": ("get", {"dpo"}),
    "hold": ("post", {"dpo"}),
    "review_hold": ("post", {"dpo"}),
    "end_hold": ("post", {"dpo"}),
}
ROLES = ("editor", "publisher", "administrator", "dpo")


@pytest.fixture(autouse=True)
def no_second_factor(settings):
    settings.JAWORT_DEMO = True


@pytest.fixture
def browser_of(staff):
    def make(role, email=""):
        user = staff(role, email=email)
        client = Client(headers={"accept-language": "en"})
        client.force_login(user, backend=BACKEND)
        return client, user

    return make


@pytest.fixture
def dpo(browser_of):
    return browser_of("dpo")


@pytest.fixture
def proposed(staff):
    change = Change(Term(timedelta(days=7)), TOMORROW, reason="Weniger genügt")
    asker = Actor.staff(staff("dpo", email="asker@example.org"))
    return proposals.propose("inbound_text", change, actor=asker)


@pytest.fixture
def outlier(db):
    plan = RetentionPlan.objects.create(day=timezone.localdate(), at=timezone.now())
    item = RetentionItem.objects.create(
        plan=plan, data_class="delivery_record", due=5000, total=6000, status="waiting"
    )
    approvals.ask(plans.OUTLIER, item.pk, plans.RETENTION, {"due": 5000, "total": 6000})
    return item


@pytest.fixture
def hold(staff):
    return holds.place(
        subject=new_subject(),
        data_class="consent_evidence",
        reason=REASON,
        owner=staff("dpo", email="holder@example.org"),
        review_at=TOMORROW,
    )


@pytest.fixture
def addresses(proposed, outlier, hold):
    needs = {
        "retention_rule": ["inbound_text"],
        "retention_version": [proposed.pk],
        "retention_item": [outlier.pk],
        **{name: [hold.pk] for name in ("hold", "review_hold", "end_hold")},
    }
    return {name: reverse(f"privacy:{name}", args=needs.get(name, [])) for name in PAGES}


def text_of(response):
    return re.sub(r"\s+", " ", response.content.decode())


def test_every_page_for_every_role_by_its_method_only(addresses, browser_of):
    assert {pattern.name for pattern in RETENTION} == set(PAGES)
    for path in addresses.values():
        assert "/accounts/login/" in Client().get(path)["Location"]
    for role in ROLES:
        client, _user = browser_of(role)
        for name, (method, allowed) in PAGES.items():
            answer = getattr(client, method)(addresses[name])
            expected = {200, 302} if role in allowed else {403}
            assert answer.status_code in expected, (role, name)
            if method == "post":
                assert client.get(addresses[name]).status_code in {403, 405}, (role, name)
            else:
                assert not re.search(r"<style|\sstyle=|\son\w+=", answer.content.decode()), name


def test_the_overview_shows_each_rule_and_proves_that_nothing_is_late(dpo):
    client, _user = dpo

    page = text_of(client.get(reverse("privacy:retention")))

    assert all(name in page for name in DEFAULTS)
    assert "nothing is here that should have gone by last night" in page
    assert "30 days" in page
    assert "3 years, to 31 December" in page
    assert '<ul class="bars bars-wide">' in page
    assert "badge-bad" not in page


def test_the_overview_tells_of_what_is_overdue(dpo):
    client, user = dpo
    type(user).objects.filter(pk=user.pk).update(
        inactive_since=timezone.now() - timedelta(days=5 * 365)
    )

    page = text_of(client.get(reverse("privacy:retention")))

    assert "Something is still here although its time is over" in page
    assert '<span class="badge badge-bad">1</span>' in page


TYPED = {
    "amount": "7",
    "unit": "days",
    "valid_from": str(TOMORROW),
    "legal_basis": "Art. 5(1)(c) GDPR",
    "exceptions": "",
    "owner": "Data-protection officer",
    "outlier_percent": "20",
    "outlier_rows": "1000",
    "reason": "Less is enough",
}


def test_a_change_is_proposed_on_one_page_and_approved_by_somebody_else(dpo, browser_of):
    client, user = dpo
    answer = client.post(reverse("privacy:retention_rule", args=["inbound_text"]), TYPED)
    made = RetentionRule.objects.get(status="proposed")
    assert answer["Location"] == reverse("privacy:retention_version", args=[made.pk])
    mine = text_of(client.get(answer["Location"]))
    assert "<del>30 days</del>" in mine
    assert "<ins>7 days</ins>" in mine
    assert "another person has to decide" in mine

    second, other = browser_of("administrator")
    theirs = text_of(second.get(answer["Location"]))
    [approve] = re.findall(r'action="(/privacy/approvals/[^"]+/approve/)"', theirs)
    second.post(approve)

    made.refresh_from_db()
    assert (made.status, made.proposed_by, made.decided_by) == ("approved", user.pk, other.pk)


def test_a_rule_beyond_the_law_is_refused_on_the_page(dpo):
    client, _user = dpo

    answer = client.post(
        reverse("privacy:retention_rule", args=["consent_evidence"]),
        TYPED | {"amount": "2", "unit": "year_end"},
    )

    assert answer.status_code == 422
    assert "At least 3 years." in text_of(answer)
    assert not RetentionRule.objects.filter(status="proposed").exists()


def test_an_outlier_is_judged_on_its_page(dpo, outlier):
    client, _user = dpo
    page = text_of(client.get(reverse("privacy:retention_item", args=[outlier.pk])))
    assert "5000 of 6000 rows of this class are past their time (83 %)" in page

    [approve] = re.findall(r'action="(/privacy/approvals/[^"]+/approve/)"', page)
    client.post(approve)

    outlier.refresh_from_db()
    assert outlier.status == "approved"


def test_the_nights_work_is_paused_and_goes_on(dpo):
    client, _user = dpo

    client.post(reverse("privacy:retention_pause"))
    assert night.is_paused()
    assert "The nightly work is paused." in text_of(client.get(reverse("privacy:retention")))
    client.post(reverse("privacy:retention_resume"))

    assert not night.is_paused()


def test_a_hold_is_placed_looked_at_reviewed_and_ended(dpo):
    client, user = dpo
    subject = new_subject()
    asked = {"subject": str(subject), "data_class": "", "reason": REASON}
    client.post(reverse("privacy:holds"), asked | {"review_at": str(TOMORROW)})
    hold = LegalHold.objects.get()
    assert (hold.subject, hold.owner) == (subject, user)

    page = text_of(client.get(reverse("privacy:holds")))
    assert str(subject) in page
    assert "Mustermann" not in page
    assert "Mustermann" in text_of(client.post(reverse("privacy:hold", args=[hold.pk])))
    assert AuditEntry.objects.filter(action="hold.read", actor=f"staff:{user.pk}").count() == 1

    later = TOMORROW + timedelta(days=30)
    client.post(reverse("privacy:review_hold", args=[hold.pk]), {"review_at": str(later)})
    hold.refresh_from_db()
    assert hold.review_at == later
    client.post(reverse("privacy:end_hold", args=[hold.pk]))
    hold.refresh_from_db()
    assert hold.ended_at is not None


def test_a_hold_without_a_name_is_refused_on_the_page(dpo):
    client, _user = dpo

    asked = {"subject": "", "data_class": "", "reason": REASON, "review_at": str(TOMORROW)}
    answer = client.post(reverse("privacy:holds"), asked)

    assert answer.status_code == 422
    assert "Name a person, a class of data, or both." in text_of(answer)


def test_a_hold_to_look_at_again_is_marked(dpo, hold, time_machine):
    client, user = dpo
    time_machine.move_to(timezone.now() + timedelta(days=3), tick=False)
    client.force_login(user, backend=BACKEND)

    assert "Review is due" in text_of(client.get(reverse("privacy:holds")))
