import json

import pytest
from django.utils import timezone

from messengers.models import Address, Gate
from privacy import inventory
from privacy.requests.export.collect import plain
from privacy.vault import shred
from subscriptions import personal_data
from subscriptions.models import ConsentRecord, ContactCap, OptIn, Reply, Subscriber, Subscription

from .conftest import OTHER_PHONE, PHONE, make_newsletter

pytestmark = pytest.mark.django_db


@pytest.fixture
def subject(say, chat):
    make_newsletter("Küstenpost", chat)
    say("START Stadtanzeiger")
    say("JA")
    say("START Küstenpost")
    say("Mein Hund heißt Bello")
    say("START Stadtanzeiger", sender=OTHER_PHONE)
    return Subscriber.objects.get().pk


def test_every_field_of_this_app_is_classified():
    ours = [one for one in inventory.problems() if one.startswith("subscriptions.")]

    assert ours == []


def test_the_export_is_complete_and_opened(subject):
    exported = personal_data.export(subject)

    text = json.dumps(plain(exported), ensure_ascii=False)
    for told in ("Stadtanzeiger", "Küstenpost", "Mein Hund heißt Bello", '"JA"', PHONE, "lokales"):
        assert told in text
    assert exported["wordings"][0]["text"].startswith("*Stadtanzeiger*")
    assert "STOP" in exported["notices"][0]["text"]
    assert len(exported["consent"]) == 1
    assert OTHER_PHONE not in text


def test_an_export_after_the_evidence_is_shredded_still_tells_the_rest(subject):
    shred(subject, "evidence")

    assert personal_data.export(subject)["consent"][0]["evidence"] == {}


def test_a_description_shows_nothing_sealed(subject):
    shown = str(personal_data.describe(subject))

    assert "Stadtanzeiger" in shown
    assert "Bello" not in shown
    assert PHONE[3:] not in shown


@pytest.mark.parametrize(
    ("reason", "status"),
    [("erased", "withdrawn"), ("objected", "objected"), ("restricted", "confirmed")],
)
def test_blocking_closes_every_gate_of_this_person_alone(subject, say, reason, status):
    say("JA", sender=OTHER_PHONE)
    assert Gate.objects.filter(is_open=True).count() == 2

    assert personal_data.block(subject, reason) == 1

    gate = Gate.objects.get(subject=subject)
    assert (gate.is_open, gate.reason) == (False, reason)
    assert Subscription.objects.get(subscriber=subject).status == status
    assert Gate.objects.filter(is_open=True).count() == 1
    assert personal_data.block(subject, reason) == 0


def test_erasing_leaves_nothing_but_the_blind_ledger(subject):
    from privacy.models import DataSubject

    DataSubject.objects.filter(pk=subject).update(status="restricted")
    assert personal_data.scan(subject, []) == ["Subscriber", "Subscription", "OptIn", "Reply"]
    counters = ContactCap.objects.count()

    counts = personal_data.erase(subject)

    assert counts["Subscription"] == counts["Reply"] == 1
    assert personal_data.scan(subject, []) == []
    assert ContactCap.objects.count() < counters
    assert ConsentRecord.objects.filter(subject=subject).count() == 1
    assert OptIn.objects.count() == 1  # somebody else's
    assert Reply.objects.count() == 0
    assert Subscriber.objects.count() == 0
    assert Address.objects.filter(subject=subject).exists()  # the floor below erases its own


def test_no_answer_of_an_action_names_a_person_in_its_error(say, chat):
    from messengers.addresses import find_address
    from subscriptions.actions import confirm_opt_in
    from subscriptions.errors import OptInGone

    say("START")
    opt_in = OptIn.objects.get()
    say("NEIN")

    with pytest.raises(OptInGone) as caught:
        confirm_opt_in(opt_in=opt_in, method="reply", event_at=timezone.now(), evidence={})

    assert PHONE not in str(caught.value)
    address = find_address(chat, PHONE)
    assert address
    assert str(address.pk) not in str(caught.value)
