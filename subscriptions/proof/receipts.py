"""The receipt of a consent: TS 27560 as JSON-LD inside a JWS, for the person to keep."""

from typing import Any

import orjson

from subscriptions.models import ConsentRecord
from subscriptions.proof import dpv, sign
from subscriptions.proof.facts import Facts, facts_of

KIND = "consent-receipt+jws"
CONTENT_TYPE = "application/jose"


def receipt(record: ConsentRecord) -> str:
    """The signed receipt of one record, as a compact JWS; always the same one."""
    return signed(facts_of(record))


def signed(facts: Facts) -> str:
    return sign.sign(encoded(dpv.receipt_of(facts)), KIND)


def encoded(document: dict[str, Any], *, pretty: bool = False) -> bytes:
    """JSON-LD as bytes."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 if pretty else None)
