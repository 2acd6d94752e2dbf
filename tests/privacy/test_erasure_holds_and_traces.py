"""What an erasure waits for, takes along beside the rows, and does again after a restore."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from messengers.addresses import reveal
from messengers.models import Address, Delivery, Gate
from privacy import suppression
from privacy.access import Actor
from privacy.models import AuditEntry, Certificate, DataSubject, Request, Suppression
from privacy.requests import actions
from privacy.requests.erasure import again
from privacy.requests.erasure import certificate as certificates
from privacy.requests.erasure.machine import Progress
from privacy.requests.notes import WISH, add_note, notes_of
from privacy.retention import holds
from privacy.vault import KeyRing, shred, tombstones
from privacy.vault.replay import replay
from subscriptions.forget import forget_strangers
from subscriptions.imports import check_import
from subscriptions.models import Import, OptIn, Subscription
from tests.privacy.test_erasure_whole_house import asked, officer, subject, subject_of
from tests.subscriptions.conftest import (
    OTHER_PHONE,
    PHONE,
    chat,
    cheap_fingerprints,
    mail,
    newsletter,
    publisher,
    say,
)

pytestmark = pytest.mark.django_db
STRANGER = "+4917604069009"


def erased(request):
    """Through all steps; the last message never leaves here, so its time has to pass."""
    come = actions.complete_erasure(request=request)
    with time_machine.travel(timezone.now() + timedelta(minutes=3)):
        return come, actions.complete_erasure(request=request)


def hold(user, subject, data_class):
    return holds.place(
        subject=subject, data_class=data_class, reason="12 O 34/26", owner=user,
        review_at=timezone.localdate() + timedelta(days=30),
    )  # fmt: skip


def test_a_hold_on_what_would_go_makes_the_erasure_wait_until_it_is_ended(
    say, subject, officer, staff
):
    request = asked(say, "LÖSCHEN", "erasure")
    lawyer = staff("administrator")
    held = hold(lawyer, subject, "inbound_text")
    actions.start_erasure(request=request, actor=officer)

    assert erased(request) == (Progress.WAITING, Progress.WAITING)
    (shown,) = request.steps.get(name="verify").facts["holds"]
    assert shown["class"] == "inbound_text"
    assert Address.objects.filter(subject=subject).exists()
    assert not Gate.objects.filter(subject=subject, is_open=True).exists()
    assert DataSubject.objects.get(pk=subject).status == "restricted"

    holds.end(held, actor=lawyer)

    assert erased(request)[1] == Progress.DONE


def test_a_hold_on_the_proof_keeps_its_key_and_stands_in_the_certificate(
    say, subject, officer, staff
):
    request = asked(say, "LÖSCHEN", "erasure")
    hold(staff("administrator"), subject, "consent_evidence")
    actions.start_erasure(request=request, actor=officer, keep_evidence=False)

    assert erased(request)[1] == Progress.DONE

    assert KeyRing.load([subject], "evidence").has(subject)
    facts = certificates.read(Certificate.objects.get(request=request))
    assert [one["class"] for one in facts["holds"]] == ["consent_evidence"]
    assert facts["keys_destroyed"] == ["ops"]
    assert "evidence" in {item["what"] for item in facts["kept"]}
    assert facts["decided"]["by"] == "staff"
    request.refresh_from_db()
    decided = certificates.document(request.certificate)["lead"][-1]
    assert "+00:00" not in decided  # a date for people


def test_notes_are_blackened_lists_dropped_and_the_keystore_remembers(
    say, subject, officer, chat, newsletter, publisher
):
    request = asked(say, "LÖSCHEN", "erasure")
    with transaction.atomic():
        add_note(request, "remark", f"Rief von 0{PHONE[3:6]} / {PHONE[6:]} an, wegen Beleg 4711.")
        add_note(request, WISH, "Ich heiße jetzt Müller")
    lists = {name: _uploaded(newsletter, chat, publisher, name) for name in (PHONE, STRANGER)}
    actions.start_erasure(request=request, actor=officer)

    assert erased(request)[1] == Progress.DONE

    request.refresh_from_db()
    remark, wish = notes_of(request)
    assert (remark.text, wish.text) == ("Rief von ▮▮▮ an, wegen Beleg 4711.", "▮▮▮")
    assert Import.objects.get(pk=lists[PHONE]).content_sealed is None
    assert Import.objects.get(pk=lists[STRANGER]).content_sealed
    (stone,) = [one for one in tombstones() if one.subject == subject]
    assert not stone.evidence
    (kind, fingerprint), *_ = stone.suppressed
    assert fingerprint == suppression.fingerprint(kind, PHONE)
    Suppression.objects.all().delete()  # a dump from before the erasure lacks them
    assert not suppression.is_suppressed(fingerprint)
    assert replay(lambda _count: None)["suppressions"] == len(stone.suppressed)
    assert suppression.is_suppressed(fingerprint)
    assert replay(lambda _count: None)["suppressions"] == 0
    by_class = certificates.read(request.certificate)["deleted_by_class"]
    assert by_class["active_subscription"] >= 3
    assert by_class["import_file"] == 1
    assert "other" not in by_class


def _uploaded(newsletter, chat, publisher, phone):
    content = f"Telefon;Einwilligung am;Quelle\r\n0{phone[3:6]} {phone[6:]};03.05.2024 10:00;Fest"
    return check_import(
        newsletter=newsletter, channel=chat, content=content.encode(), actor=Actor.staff(publisher)
    ).pk


def test_again_erases_what_a_restored_copy_brought_back_without_its_keys(say, subject, officer):
    """As after a restore: the rows are there, the key is not, and nobody has asked for anything."""
    request = asked(say, "AUSKUNFT", "access")
    step = request.steps.create(name="rectified-0", position=0, sealed=b"a correction")
    neighbour = subject_of(OTHER_PHONE)
    shred(subject, "ops")

    counts = again(subject)

    assert counts["messengers.Address"] == 1
    assert counts["subscriptions.Subscription"] == 1
    assert not Address.objects.filter(subject=subject).exists()
    assert not Subscription.objects.filter(subscriber=subject).exists()
    assert DataSubject.objects.get(pk=subject).status == "erased"
    assert Request.objects.get(pk=request.pk).status == "closed"
    step.refresh_from_db()
    assert step.sealed is None
    assert Gate.objects.get(subject=neighbour).is_open
    assert again(subject) == {}
    assert AuditEntry.objects.filter(action="erasure.replayed").count() == 1


def test_who_still_waits_for_the_first_question_is_forgotten_and_told_so_there(say):
    say("START", sender=STRANGER)
    assert OptIn.objects.count() == 1

    (sent,) = say("LÖSCHEN", sender=STRANGER)

    request = Request.objects.get()
    assert (request.kind, request.outcome, request.status) == ("erasure", "no_data", "closed")
    assert not OptIn.objects.exists()
    assert receiver_of(sent) == STRANGER
    forget_strangers(timezone.now() + timedelta(minutes=11))
    assert Address.objects.exists()  # the answer has not left yet
    Delivery.objects.update(status="accepted")
    forget_strangers(timezone.now() + timedelta(minutes=11))
    assert not Address.objects.exists()


def receiver_of(sent):
    address = Address.objects.get(pk=Delivery.objects.get(dispatch=sent.dispatch).address)
    return reveal(address)


def test_a_stranger_who_wants_to_be_erased_is_told_in_the_same_chat_that_nothing_is_stored(say):
    (sent,) = say("LÖSCHEN", sender=STRANGER)

    request = Request.objects.get()
    assert (request.kind, request.outcome, request.status) == ("erasure", "no_data", "closed")
    assert receiver_of(sent) == STRANGER
