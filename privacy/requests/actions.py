"""What can be done with a request. Each act is one transaction with its audit entry."""

from privacy.requests import identity
from privacy.requests.answers import (
    close_delivered,
    complete_access,
    deliver_package,
    fetch_package,
    make_package,
    read_package,
    refuse,
)
from privacy.requests.clock import extend
from privacy.requests.closing import close_request, note
from privacy.requests.erasure.machine import complete_erasure, start_erasure
from privacy.requests.errors import RequestError
from privacy.requests.identity import (
    answer_identity,
    ask_identity,
    deny_identity,
    link_person,
    prove_identity,
)
from privacy.requests.intake import open_request

__all__ = [
    "RequestError",
    "answer_identity",
    "ask_identity",
    "close_delivered",
    "close_request",
    "complete_access",
    "complete_erasure",
    "deliver_package",
    "deny_identity",
    "extend",
    "fetch_package",
    "identity",
    "link_person",
    "make_package",
    "note",
    "open_request",
    "prove_identity",
    "read_package",
    "refuse",
    "start_erasure",
]
