"""The receipt: what TS 27560 wants, signed by a key that anybody can fetch, and nobody named."""

import base64
import json
from datetime import timedelta

import pytest
from django.utils import timezone
from joserfc import jws
from joserfc.jwk import KeySet

from privacy.models import Controller
from privacy.vault import sign_link
from subscriptions.models import ConsentRecord
from subscriptions.proof import bundle, dpv, receipt
from subscriptions.proof.facts import facts_of
from tests.subscriptions import plain_verifier
from tests.subscriptions.conftest import PHONE

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:EdDSA is deprecated"),  # RFC 9864; see proof/sign.py
]
# The fields that ISO/IEC TS 27560 makes mandatory, by their DPV names.
HEADER = {"dct:conformsTo", "dpv:hasIdentifier", "dct:created", "dpv:hasRecordOfActivity"}
FIELDS = {
    "dct:identifier", "dct:conformsTo", "dpv:hasDataSubject", "dpv:hasDataController",
    "dpv:hasJurisdiction", "dpv:hasApplicableLaw", "dpv:hasLegalBasis", "dpv:hasProcess",
    "dpv:hasConsentControl", "dpv:hasRight", "dpv:hasNotice", "dpv:hasConsentStatus",
}  # fmt: skip
PROCESS = {
    "dpv:hasPurpose", "dpv:hasPersonalData", "dpv:hasProcessing", "dpv:hasRecipient",
    "dpv:hasService", "dpv:hasStorageCondition",
}  # fmt: skip


@pytest.fixture
def record(say):
    Controller.objects.create(
        id=1, name="Verlag am Markt GmbH", address="Marktplatz 1", email="post@example.org",
        imprint_url="https://example.org/impressum", dpo_contact="Dr. Größer", land="BE",
        authority="Berliner Beauftragte",
    )  # fmt: skip
    say("START")
    say("JA")
    return ConsentRecord.objects.get()


def path_of(record):
    return f"/r/{sign_link('receipt', record.pk, timezone.now() + timedelta(days=1))}/"


def test_the_receipt_is_signed_by_the_published_key_and_holds_every_field(client, record):
    published = client.get("/.well-known/jwks.json")
    answer = client.get(path_of(record) + "signed/")

    assert answer.content.decode() == receipt(record)
    assert "attachment" in answer.headers["Content-Disposition"]
    keys = published.json()
    assert "d" not in keys["keys"][0]
    found = jws.deserialize_compact(
        answer.content.decode(), KeySet.import_key_set(keys), algorithms=["EdDSA"]
    )
    assert found.headers()["typ"] == "consent-receipt+jws"
    told = json.loads(found.payload)
    assert told == plain_verifier.unjws(answer.content.decode(), keys["keys"][0]["x"])
    (activity,) = [told["dpv:hasRecordOfActivity"]]
    assert told["@type"] == "dpv:ConsentReceipt"
    assert told["dct:conformsTo"].endswith("#receipt-eu-gdpr")
    assert HEADER - told.keys() == set()
    assert FIELDS - activity.keys() == set()
    assert PROCESS - activity["dpv:hasProcess"].keys() == set()
    assert activity["jawort:leaf"] == bytes(record.leaf).hex()
    assert activity["dpv:hasConsentStatus"]["@type"][0] == "dpv:ConsentGiven"
    assert activity["dpv:hasDataController"]["dpv:hasAuthority"]["schema:name"]


def test_the_receipt_names_nobody(record):
    body = base64.urlsafe_b64decode(receipt(record).split(".")[1] + "==").decode()

    assert PHONE in json.dumps(facts_of(record).evidence)  # it could leak
    assert PHONE not in body
    assert PHONE.removeprefix("+49") not in body
    assert str(record.subject) in body  # the random number stands for the person


def test_page_and_download_change_nothing_and_name_what_was_agreed(client, record):
    before = list(ConsentRecord.objects.values_list("pk", "leaf"))

    pages = [client.get(path_of(record) + "?lang=en").content.decode() for _ in range(3)]

    for fact in (
        "You said yes",
        "Verlag am Markt GmbH",
        "Berliner Beauftragte",
        "STOP",
        "/signed/",
    ):
        assert fact in pages[0]
    assert PHONE not in pages[0]
    assert list(ConsentRecord.objects.values_list("pk", "leaf")) == before
    assert client.post(path_of(record)).status_code == 405
    assert client.get("/r/nothing/signed/").status_code == 404


def test_a_proof_does_not_pass_for_a_receipt(record):
    facts = facts_of(record)
    head = bundle.manifest(facts, bundle.files_of(facts)).split(b".")[0]

    assert json.loads(base64.urlsafe_b64decode(head + b"=="))["typ"] == "consent-proof+jws"


def test_every_state_of_the_ledger_has_a_word_in_the_vocabulary():
    assert set(ConsentRecord.State.values) - set(dpv.STATES) == set()
