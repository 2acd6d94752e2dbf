"""privacy/retention/holds: what is held stays; why is sealed; somebody must look again."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from privacy.models import AuditEntry, LegalHold
from privacy.retention import holds

SOON = timezone.localdate() + timedelta(days=90)
REASON = "Klage von Erika Mustermann, 12 O 34/26"


@pytest.fixture
def officer(staff):
    return staff("dpo")


def place(officer, **changed):
    given = {"subject": uuid4(), "data_class": "", "reason": REASON, "review_at": SOON}
    return holds.place(owner=officer, **(given | changed))


def test_a_hold_counts_for_its_person_and_class_and_for_nobody_else(officer):
    anna, ben = uuid4(), uuid4()
    place(officer, subject=anna, data_class="consent_evidence")
    place(officer, subject=ben)

    assert holds.is_held(anna, "consent_evidence")
    assert not holds.is_held(anna, "delivery_record")
    assert holds.is_held(ben, "delivery_record")
    assert holds.held("consent_evidence") == {anna, ben}
    assert not holds.is_held(uuid4(), "consent_evidence")
    assert not holds.is_class_held("consent_evidence")

    place(officer, subject=None, data_class="consent_evidence")

    assert holds.is_held(uuid4(), "consent_evidence")
    assert holds.is_class_held("consent_evidence")


def test_an_ended_hold_holds_nothing_and_ends_once(officer):
    hold = place(officer)

    holds.end(hold, actor=officer)
    holds.end(hold, actor=officer)

    assert not holds.is_held(hold.subject, "consent_evidence")
    assert AuditEntry.objects.filter(action="hold.ended").count() == 1


def test_the_reason_is_sealed_and_stands_nowhere_else(officer):
    hold = place(officer)

    hold.refresh_from_db()

    assert holds.reason_of(hold) == REASON
    assert b"Mustermann" not in bytes(hold.reason_sealed)
    assert all(b"Mustermann" not in bytes(entry.entry) for entry in AuditEntry.objects.all())


def test_a_review_that_is_due_is_found_until_it_is_done(officer):
    hold = place(officer, review_at=SOON)

    assert holds.due_for_review(SOON - timedelta(days=1)) == []
    assert holds.due_for_review(SOON) == [hold]

    holds.review(hold, actor=officer, review_at=SOON + timedelta(days=90))

    assert holds.due_for_review(SOON) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": None},
        {"data_class": "everything"},
        {"reason": "  "},
        {"review_at": date(2020, 1, 1)},
    ],
)
def test_a_hold_that_says_too_little_is_refused(officer, wrong):
    with pytest.raises(holds.HoldRefused):
        place(officer, **wrong)

    assert not LegalHold.objects.exists()


def test_the_database_refuses_a_hold_on_nothing(officer):
    with pytest.raises(IntegrityError), transaction.atomic():
        LegalHold.objects.create(reason_sealed=b"x", since=timezone.now(), review_at=SOON)
