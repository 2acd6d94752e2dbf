import hmac
import json
from hashlib import sha256

import pytest
from django.db import IntegrityError, connection, transaction

from privacy.vault import KeyDestroyed, shred
from subscriptions.consent import prove
from subscriptions.models import ConsentRecord, Evidence, Subscription

from .conftest import OTHER_PHONE, PHONE

pytestmark = pytest.mark.django_db


@pytest.fixture
def record(say):
    say("START")
    say("JA")
    return ConsentRecord.objects.get()


def test_the_entry_says_what_was_agreed_to_and_not_by_whom(record, newsletter):
    entry = json.loads(bytes(record.entry))

    assert entry["state"] == "given"
    assert entry["list"] == str(newsletter.pk)
    assert (
        entry["wording_id"] == newsletter.wordings.get(language="de", channel_kind="simulator").pk
    )
    assert entry["notice_id"] == newsletter.notices.get(language="de").pk
    assert entry["method"] == "reply"
    text = bytes(record.entry).decode()
    assert PHONE not in text
    assert str(record.subject) not in text


def test_the_evidence_holds_both_steps_and_opens_every_commitment(record):
    proof = prove(record, channel_kind="simulator", address=PHONE)

    assert proof.faults == ()
    assert proof.evidence["request"]["text"] == "START"
    assert proof.evidence["answer"]["text"] == "JA"
    assert proof.evidence["answer"]["message_id"] == "m-1"


def test_another_persons_number_does_not_open_it(record):
    assert prove(record, channel_kind="simulator", address=OTHER_PHONE).faults == ("c_identity",)


def test_the_commitments_can_be_checked_without_our_code(record):
    from privacy.vault import Where, open_sealed

    evidence = Evidence.objects.get()
    where = Where("subscriptions_evidence", "sealed", record.pk)
    opened = json.loads(open_sealed(record.subject, "evidence", where, bytes(evidence.sealed)))
    entry = json.loads(bytes(record.entry))

    r1, r2, r3 = (bytes.fromhex(opened[name]) for name in ("r1", "r2", "r3"))
    subject = hmac.new(r1, str(record.subject).encode(), sha256).hexdigest()
    identity = hmac.new(r2, f"simulator|{PHONE}".encode(), sha256).hexdigest()
    body = sha256(r3 + opened["evidence"].encode()).hexdigest()
    assert (subject, identity, body) == (
        entry["c_subject"],
        entry["c_identity"],
        entry["c_evidence"],
    )
    assert sha256(b"\0" + bytes(record.entry)).digest() == bytes(record.leaf)


def test_a_changed_entry_is_found_out(record):
    record.entry = bytes(record.entry).replace(b'"given"', b'"trick"')

    assert "leaf" in prove(record, channel_kind="simulator", address=PHONE).faults


def test_once_the_key_is_gone_nobody_can_test_a_guess(record):
    assert prove(record, channel_kind="simulator", address=PHONE).faults == ()

    shred(record.subject, "evidence")

    with pytest.raises(KeyDestroyed):
        prove(record, channel_kind="simulator", address=PHONE)


def test_two_events_of_one_person_cannot_be_linked(record, say):
    say("STOP")

    entries = [json.loads(bytes(one.entry)) for one in ConsentRecord.objects.all()]
    for name in ("c_subject", "c_identity", "c_evidence", "blind"):
        assert len({entry[name] for entry in entries}) == 2


@pytest.mark.parametrize("statement", ["UPDATE {} SET state = 'given'", "DELETE FROM {}"])
def test_the_ledger_refuses_every_change(record, statement):
    table = ConsentRecord._meta.db_table

    with (
        pytest.raises(IntegrityError, match="insert-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table))

    assert ConsentRecord.objects.count() == 1


def test_confirming_is_all_or_nothing(say, monkeypatch):
    from subscriptions.actions import opt_in as actions

    say("START")

    def broken(*args, **kwargs):
        raise RuntimeError("the gate is stuck")

    monkeypatch.setattr(actions, "open_gate", broken)
    with pytest.raises(RuntimeError, match="stuck"), transaction.atomic():
        say("JA")

    assert Subscription.objects.count() == 0
    assert ConsentRecord.objects.count() == 0
