"""What can be done with a request. Each act is one transaction with its audit entry."""

from privacy.requests import identity
from privacy.requests.answers import (
    ask_without_code,
    close_delivered,
    complete_access,
    deliver_package,
    fetch_package,
    make_package,
    read_package,
)
from privacy.requests.clock import correct_receipt, extend
from privacy.requests.closing import close_request, note, propose_refusal
from privacy.requests.erasure.machine import complete_erasure, start_erasure
from privacy.requests.errors import RequestError
from privacy.requests.identity import (
    answer_identity,
    ask_identity,
    deny_identity,
    link_person,
    prove_identity,
)
from privacy.requests.intake import add_wish, open_request
from privacy.requests.packing import begin_package
from privacy.requests.recipients import open_notices, settle_notice
from privacy.requests.rights import (
    complete,
    complete_objection,
    lift_restriction,
    object_to_marketing,
    rectify,
    restrict,
)
from privacy.requests.watch import stop_forged

__all__ = [
    "RequestError",
    "add_wish",
    "answer_identity",
    "ask_identity",
    "ask_without_code",
    "begin_package",
    "close_delivered",
    "close_request",
    "complete",
    "complete_access",
    "complete_erasure",
    "complete_objection",
    "correct_receipt",
    "deliver_package",
    "deny_identity",
    "extend",
    "fetch_package",
    "identity",
    "lift_restriction",
    "link_person",
    "make_package",
    "note",
    "object_to_marketing",
    "open_notices",
    "open_request",
    "propose_refusal",
    "prove_identity",
    "read_package",
    "rectify",
    "restrict",
    "settle_notice",
    "start_erasure",
    "stop_forged",
]
