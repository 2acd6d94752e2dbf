"""A gate is open or says why not; what the person said outweighs what we found out."""

from typing import Any

import pytest
from django.db import IntegrityError

from messengers.gates import add_closed_gate, close_gates, open_gate
from messengers.models import Gate
from privacy.ids import uuid7

R = Gate.Reason


def make_gate(**values):
    gate = uuid7()
    open_gate(gate, subject=values.get("subject", uuid7()), address_id=values.get("a", uuid7()))
    return gate


def test_an_opened_gate_is_open_whatever_closed_it(db: None) -> None:
    subject, address, gate = uuid7(), uuid7(), uuid7()
    add_closed_gate(gate, subject=subject, address_id=address, reason=R.AWAITING_APPROVAL)
    assert not Gate.objects.get(id=gate).is_open

    open_gate(gate, subject=subject, address_id=address)

    found = Gate.objects.get(id=gate)
    assert (found.is_open, found.reason, found.subject) == (True, "", subject)


def test_adding_a_closed_gate_never_closes_an_open_one(db: None) -> None:
    gate = make_gate()

    add_closed_gate(gate, subject=uuid7(), address_id=uuid7(), reason=R.AWAITING_APPROVAL)

    assert Gate.objects.get(id=gate).is_open


@pytest.mark.parametrize("by", ["gate_ids", "subject", "address_id"])
def test_gates_close_by_id_by_person_and_by_address(db: None, by: str) -> None:
    subject, address = uuid7(), uuid7()
    mine, others = make_gate(subject=subject, a=address), make_gate()
    chosen: Any = {"gate_ids": [mine], "subject": subject, "address_id": address}[by]

    assert close_gates(**{by: chosen}, reason=R.WITHDRAWN) == 1
    assert close_gates(**{by: chosen}, reason=R.WITHDRAWN) == 0

    assert Gate.objects.get(id=mine).reason == R.WITHDRAWN
    assert Gate.objects.get(id=others).is_open


@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [
        (R.HARD_BOUNCE, R.STAFF, R.HARD_BOUNCE),
        (R.AWAITING_APPROVAL, R.BLOCKED, R.BLOCKED),
        (R.AWAITING_APPROVAL, R.RESTRICTED, R.RESTRICTED),
        (R.RESTRICTED, R.HARD_BOUNCE, R.HARD_BOUNCE),
        (R.RESTRICTED, R.AWAITING_APPROVAL, R.RESTRICTED),
        (R.BLOCKED, R.RESTRICTED, R.BLOCKED),
        (R.HARD_BOUNCE, R.WITHDRAWN, R.WITHDRAWN),
        (R.WITHDRAWN, R.HARD_BOUNCE, R.WITHDRAWN),
        (R.WITHDRAWN, R.OBJECTED, R.WITHDRAWN),
        (R.WITHDRAWN, R.ERASED, R.ERASED),
        (R.ERASED, R.WITHDRAWN, R.ERASED),
        (R.RESTRICTED, R.OBJECTED, R.OBJECTED),
    ],
)
def test_the_weightier_reason_stays(db: None, first: R, second: R, stays: R) -> None:
    gate = make_gate()

    close_gates(gate_ids=[gate], reason=first)
    close_gates(gate_ids=[gate], reason=second)

    assert Gate.objects.get(id=gate).reason == stays


def test_closing_without_saying_which_is_a_mistake(db: None) -> None:
    with pytest.raises(TypeError):
        close_gates(reason=R.STAFF)


def test_the_database_refuses_a_closed_gate_without_a_reason(db: None) -> None:
    gate = make_gate()

    with pytest.raises(IntegrityError):
        Gate.objects.filter(id=gate).update(is_open=False)
