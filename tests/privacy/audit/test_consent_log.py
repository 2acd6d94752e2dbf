"""The consent ledger is the second log: real records pass, and are read the fast way."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

from privacy.audit import Log, proof_of, verify
from privacy.audit.sequencer import append_rows
from privacy.audit.verify import entries
from subscriptions.models import ConsentRecord
from tests.privacy.audit.thief import as_thief
from tests.subscriptions.conftest import chat, cheap_fingerprints, mail, newsletter, say

PHONE = "+4917604069001"
TABLE = "subscriptions_consentrecord"


def test_records_of_consent_are_verified_like_entries(say, monkeypatch):
    say("START", sender=PHONE)
    say("JA", sender=PHONE)
    say("STOP", sender=PHONE)
    records = list(ConsentRecord.objects.order_by("id"))
    assert len(records) >= 2

    def slow_way(*row: object) -> str:
        raise AssertionError("a sound record was read the slow way")

    with monkeypatch.context() as fast:
        fast.setattr(entries, "wrong_columns", slow_way)
        assert verify().is_sound  # while they wait for their places
        append_rows(Log.CONSENT, 0, [(one.pk, bytes(one.leaf)) for one in records])
        assert verify().is_sound
    assert proof_of(Log.CONSENT, records[0].pk) is None  # nobody has signed

    first = records[0]
    as_thief(TABLE, f"UPDATE {TABLE} SET state = 'expired' WHERE id = %s", [first.pk])
    assert verify().findings == [f"consent 0: {first.pk}: its column state tells something else"]
