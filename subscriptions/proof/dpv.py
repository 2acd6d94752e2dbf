"""Consent records and receipts in the words of ISO/IEC TS 27560:2023, as JSON-LD with DPV terms.

Mapping of the fields: https://w3id.org/dpv/guides/consent-27560. What TS 27560 has no word for
(hash of the record, channel, how it was said) stands under `jawort:`, described in docs/proof.md.
No address, name or text of the person is in either; the person is a random number.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from privacy.audit.canonical import timestamp
from privacy.models import RetentionRule
from subscriptions import texts
from subscriptions.models import Subscription
from subscriptions.proof.facts import Facts

SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#"
CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "pd": "https://w3id.org/dpv/pd#",
    "loc": "https://w3id.org/dpv/loc#",
    "dct": "http://purl.org/dc/terms/",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "jawort": "urn:jawort:consent#",
}
STATES = {
    "requested": "dpv:ConsentRequested",
    "given": "dpv:ConsentGiven",
    "refused": "dpv:ConsentRefused",
    "withdrawn": "dpv:ConsentWithdrawn",
    "objected": "dpv:ConsentWithdrawn",  # the vocabulary has no word for Art. 21(2)
    "renewed": "dpv:RenewedConsentGiven",
    "expired": "dpv:ConsentExpired",
    "invalidated": "dpv:ConsentInvalidated",
}
# Of an existing customer, whose data rest on something else.
NO_CONSENT = "dpv:ConsentStatusInvalidForProcessing"
YES = {"given", "renewed"}
SAID_BY_PERSON = {*YES, "requested", "refused", "withdrawn", "objected"}
PERSONAL_DATA = {"email": "pd:EmailAddress", "sms": "pd:TelephoneNumber"}
# Articles of the GDPR that give the person a right here.
RIGHTS = ("A7-3", "A15", "A16", "A17", "A18", "A20", "A21", "A77")
EVIDENCE = "consent_evidence"
# Section 7(3) UWG is a case of legitimate interests.
LEGAL_BASES: dict[str, str] = {
    Subscription.LegalBasis.CONSENT: "eu-gdpr:A6-1-a",
    Subscription.LegalBasis.EXISTING_CUSTOMER: "eu-gdpr:A6-1-f",
}


def record_of(facts: Facts) -> dict[str, Any]:
    """One consent record for the officer's export."""
    return {"@context": CONTEXT, **_record(facts)}


def records_of(all_facts: list[Facts]) -> dict[str, Any]:
    """Several as one graph."""
    return {"@context": CONTEXT, "@graph": [_record(facts) for facts in all_facts]}


def receipt_of(facts: Facts) -> dict[str, Any]:
    """What the person gets: the record, in an envelope with an id of its own. Always the same."""
    receipt_id = uuid5(NAMESPACE_URL, f"urn:jawort:receipt:{facts.record.pk}")
    return {
        "@context": CONTEXT,
        "@id": receipt_id.urn,
        "@type": "dpv:ConsentReceipt",
        "dct:conformsTo": SCHEMA + "receipt-eu-gdpr",
        "dpv:hasIdentifier": str(receipt_id),
        "dct:created": timestamp(written_at(facts.record.pk)),
        "dct:publisher": _controller(facts),
        "dct:language": facts.language,
        "dpv:hasRecordOfActivity": _record(facts),
    }


def written_at(record: UUID) -> datetime:
    """When the record was written down: its id is a version 7 UUID, which tells (RFC 9562)."""
    return datetime.fromtimestamp((record.int >> 80) / 1000, UTC)


def _record(facts: Facts) -> dict[str, Any]:
    record = facts.record
    with translation.override(facts.language):
        told = {
            "@id": record.pk.urn,
            "@type": "dpv:ConsentRecord",
            "dct:identifier": str(record.pk),
            "dct:conformsTo": SCHEMA + "record-eu-gdpr",
            "dpv:hasDataSubject": {"@id": record.subject.urn, "skos:broader": "dpv:Consumer"},
            "dpv:hasDataController": _controller(facts),
            "dpv:hasJurisdiction": ["loc:EU", "loc:DE"],
            "dpv:hasApplicableLaw": "eu-gdpr:GDPR",
            "dpv:hasLegalBasis": LEGAL_BASES[facts.legal_basis],
            "dpv:hasProcess": _process(facts),
            "dpv:hasConsentControl": _control(),
            "dpv:hasRight": _rights(),
            "dpv:hasNotice": _notices(facts),
            "dpv:hasConsentStatus": _status(facts),
            "jawort:leaf": facts.leaf,
        }
    return {**told, **_ours(facts)}


def _controller(facts: Facts) -> dict[str, Any]:
    owner, newsletter = facts.controller, facts.newsletter
    told = {"@id": settings.JAWORT_ORIGIN.rstrip("/") + "/", "@type": "dpv:DataController"}
    if owner is None:
        return {**told, "schema:name": newsletter.publisher if newsletter else ""}
    authority = {"@type": "dpv:DataProtectionAuthority", "schema:name": owner.authority}
    return {
        **told,
        "schema:name": owner.name,
        "schema:address": owner.address,
        "schema:email": owner.email,
        "dpv:hasDataProtectionOfficer": owner.dpo_contact,
        "dpv:hasAuthority": authority,
    }


def _process(facts: Facts) -> dict[str, Any]:
    """Purpose, data, recipients, storage: the fields about the processing."""
    newsletter, channel = facts.newsletter, facts.channel
    kind = facts.entry.get("channel", "")
    what = newsletter.what(facts.language) if newsletter else ""
    purpose = {"skos:broader": "dpv:DirectMarketing", "dct:title": what}
    data = {
        "skos:broader": PERSONAL_DATA.get(kind, "pd:AccountIdentifier"),
        "dpv:hasNecessity": "dpv:Required",
        "dpv:hasDataSource": "dpv:DataSubjectDataSource",
    }
    provider = channel.provider_name or channel.name if channel else kind
    recipient = {"@type": "dpv:DataProcessor", "schema:name": provider}
    if channel and channel.provider_country:
        recipient["dpv:hasLocation"] = f"loc:{channel.provider_country}"
    return {
        "@type": "dpv:Process",
        "dpv:hasService": newsletter.name if newsletter else "",
        "dpv:hasPurpose": purpose,
        "dpv:hasPersonalData": data,
        "dpv:hasProcessing": ["dpv:Collect", "dpv:Store", "dpv:Use", "dpv:Transmit"],
        "dpv:hasRecipient": recipient,
        "dpv:hasStorageCondition": _storage(),
    }


def _storage() -> list[dict[str, Any]]:
    """Where and how long: the subscription until it ends, the proof for its term after that."""
    rule = RetentionRule.objects.filter(data_class=EVIDENCE).order_by("-valid_from").first()
    years = rule.years_to_year_end if rule else None
    kept = _("until 31 December, %(years)s years after the end") % {"years": years}
    proof = {"@type": "dpv:StorageDeletion", "rdf:value": kept}
    return [
        {"@type": "dpv:StorageLocation", "dpv:hasLocation": "dpv:LocalLocation"},
        {
            "@type": "dpv:StorageDuration",
            "dpv:hasDuration": {
                "@type": "dpv:UntilEventDuration",
                "rdf:value": _("end of the subscription"),
            },
        },
        *([proof] if years else []),
    ]


def _control() -> dict[str, Any]:
    return {
        "@type": ["dpv:WithdrawConsent"],
        "dct:description": _("Write STOP at any moment, or use the link in any message."),
        "dpv:isExercisedAt": texts.page("data_request"),
    }


def _rights() -> list[dict[str, Any]]:
    page = texts.page("data_request")
    return [
        {"@type": ["dpv:DataSubjectRight", f"eu-gdpr:{article}"], "dpv:isExercisedAt": page}
        for article in RIGHTS
    ]


def _notices(facts: Facts) -> list[dict[str, Any]]:
    """The wording asks for consent, the notice informs: two texts, each by its SHA-256."""
    found = []
    if facts.wording:
        found.append(
            {
                "@id": f"urn:sha256:{facts.wording.pk}",
                "@type": "dpv:ConsentNotice",
                "dct:language": facts.wording.language,
                "dct:description": facts.wording.text,
            }
        )
    if facts.notice:
        found.append(
            {
                "@id": texts.page("notice", facts.notice.pk),
                "@type": "dpv:PrivacyNotice",
                "dct:language": facts.notice.language,
                "dct:identifier": f"urn:sha256:{facts.notice.pk}",
            }
        )
    return found


def _status(facts: Facts) -> dict[str, Any]:
    """The event: what, by whom, how, when, and how long it holds."""
    state = facts.record.state
    says_yes = state in YES and not facts.is_customer
    kinds = [NO_CONSENT if facts.is_customer else STATES[state]]
    if says_yes:
        kinds.append("dpv:ExpressedConsent")
    is_said = state in SAID_BY_PERSON and not facts.is_customer
    by = "dpv:DataSubject" if is_said else "dpv:DataController"
    told: dict[str, Any] = {
        "@type": kinds,
        "dpv:isIndicatedBy": by,
        "dpv:hasIndicationMethod": facts.entry.get("method", ""),
        "dpv:isIndicatedAtTime": timestamp(facts.record.at),
    }
    if facts.is_customer:
        told["dct:description"] = _("§ 7(3) UWG, existing customer")
    if says_yes:
        until = {"@type": "dpv:UntilEventDuration", "rdf:value": _("withdrawal, or disuse")}
        told["dpv:hasDuration"] = until
    return told


def _ours(facts: Facts) -> dict[str, Any]:
    """Fields of our own: what ties the record to the ledger."""
    names = {
        "channel": "channel",
        "method": "method",
        "wording_id": "wordingId",
        "notice_id": "noticeId",
        "c_subject": "subjectCommitment",
        "c_identity": "channelIdentityCommitment",
        "c_evidence": "evidenceCommitment",
    }
    entry = facts.entry
    told = {f"jawort:{name}": entry[key] for key, name in names.items() if entry.get(key)}
    if facts.coupled_offer:
        told["jawort:coupledOffer"] = facts.coupled_offer["text"]
    if facts.age_limit:
        told["jawort:ageReached"] = facts.age_limit
    return told
