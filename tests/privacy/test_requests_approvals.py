"""Four eyes: nobody decides alone, not even with the database in hand."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from privacy.access import Actor, NotAllowed
from privacy.models import AuditEntry, SecondApproval
from privacy.requests import approvals
from privacy.requests.errors import AlreadyDecided, SamePerson

pytestmark = pytest.mark.django_db


@pytest.fixture
def officer(staff):
    return Actor.staff(staff("dpo"))


@pytest.fixture
def deputy(staff):
    return Actor.staff(staff("dpo", email="deputy@example.org"))


def test_a_second_person_approves_and_the_act_happens_with_it(officer, deputy, monkeypatch):
    done = []
    monkeypatch.setattr(approvals, "KINDS", dict(approvals.KINDS))
    approvals.register("export.staff", "x", on_approval=lambda row, actor: done.append(row.ref))
    ref = uuid4()
    waiting = approvals.ask("export.staff", ref, officer, {"bytes": 7})
    assert not approvals.is_approved("export.staff", ref)
    assert list(approvals.pending()) == [waiting]

    approvals.approve(waiting, deputy)

    assert approvals.is_approved("export.staff", ref)
    assert done == [str(ref)]
    assert not approvals.pending()
    told = AuditEntry.objects.filter(action__startswith="approval.").order_by("at", "id")
    assert [(row.action, row.actor) for row in told] == [
        ("approval.asked", str(officer)),
        ("approval.approved", str(deputy)),
    ]


def test_whoever_asked_cannot_decide_and_the_database_refuses_it_too(officer, deputy):
    waiting = approvals.ask("erasure.bulk", uuid4(), officer)

    with pytest.raises(SamePerson):
        approvals.approve(waiting, officer)
    with pytest.raises(IntegrityError), transaction.atomic():
        SecondApproval.objects.filter(pk=waiting.pk).update(
            status="approved", decided_by=str(officer), decided_at=timezone.now()
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        SecondApproval.objects.filter(pk=waiting.pk).update(status="approved")

    assert not approvals.is_approved("erasure.bulk", waiting.ref)


def test_what_was_decided_stays_decided(officer, deputy):
    waiting = approvals.ask("erasure.bulk", uuid4(), officer)
    approvals.refuse(waiting, deputy)

    with pytest.raises(AlreadyDecided):
        approvals.approve(waiting, deputy)
    assert not approvals.is_approved("erasure.bulk", waiting.ref)


def test_asking_twice_waits_once_and_the_house_itself_decides_nothing(officer, deputy):
    ref = uuid4()
    first = approvals.ask("erasure.bulk", ref, Actor.system("retention"), {"rows": 9})

    assert approvals.ask("erasure.bulk", ref, officer) == first
    with pytest.raises(SamePerson):
        approvals.approve(first, Actor.system("requests"))
    approvals.approve(first, officer)  # the house asked, a person answers


def test_an_editor_decides_nothing(officer, staff):
    waiting = approvals.ask("erasure.bulk", uuid4(), officer)

    with pytest.raises(NotAllowed):
        approvals.approve(waiting, Actor.staff(staff("editor")))


def test_if_the_act_fails_nothing_was_decided(officer, deputy, monkeypatch):
    def fails(row, actor):
        raise AlreadyDecided

    monkeypatch.setattr(approvals, "KINDS", dict(approvals.KINDS))
    approvals.register("export.staff", "x", on_approval=fails)
    waiting = approvals.ask("export.staff", uuid4(), officer)

    with pytest.raises(AlreadyDecided):
        approvals.approve(waiting, deputy)
    waiting.refresh_from_db()
    assert waiting.status == SecondApproval.Status.WAITING
