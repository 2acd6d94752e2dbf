"""Any order of acts on one request: what is promised holds after each, in the real database."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import contextlib
from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from privacy.access import Actor
from privacy.models import AuditEntry, DataSubject, Request
from privacy.requests import actions, approvals, identity
from privacy.requests.errors import RequestError
from privacy.requests.states import ANSWERED, TRANSITIONS
from tests.privacy.requests_world import (
    NOON,
    ask,
    deputy,
    officer,
    people,
    subject,
)

pytestmark = pytest.mark.django_db

ACTS = {
    "ask": lambda row, one, two: actions.ask_identity(request=row, actor=one),
    "prove": lambda row, one, two: actions.prove_identity(request=row),
    "deny": lambda row, one, two: actions.deny_identity(request=row),
    "lapse": lambda row, one, two: identity.lapse_questions(NOON + timedelta(days=60)),
    "extend": lambda row, one, two: actions.extend(request=row, reasons="x", actor=one),
    "note": lambda row, one, two: actions.note(request=row, text="x", actor=one),
    "refuse": lambda row, one, two: actions.propose_refusal(
        request=row, reasons="x", evidence="y", actor=one
    ),
    "second": lambda row, one, two: (
        approvals.approve(approvals.pending().first(), two) if approvals.pending() else None
    ),
    "complete": lambda row, one, two: actions.complete(request=row, actor=one),
    "object": lambda row, one, two: actions.complete_objection(request=row, actor=one),
    "rectify": lambda row, one, two: actions.rectify(
        request=row, changes={"language": "en"}, actor=one
    ),
    "erase": lambda row, one, two: actions.start_erasure(request=row, actor=one),
    "stop": lambda row, one, two: actions.stop_forged(request=row),
    "withdraw": lambda row, one, two: actions.close_request(
        request=row, outcome="withdrawn", actor=one
    ),
    "partly": lambda row, one, two: actions.close_request(
        request=row, outcome="partly", reasons="x", actor=one
    ),
}
STOPPING = ("erasure", "restriction")


class Rolled(Exception):
    """Ends one example: what it wrote is taken back."""


@example(kind="erasure", origin="staff", acts=["partly"])  # of somebody who is unproven
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(Request.Kind.values),
    origin=st.sampled_from(["chat", "staff"]),
    acts=st.lists(st.sampled_from(sorted(ACTS)), max_size=8),
)
def test_any_order_of_acts(ask, officer, deputy, subject, people, kind, origin, acts):
    with contextlib.suppress(Rolled), transaction.atomic(), time_machine.travel(NOON):
        row = ask(kind, origin=origin, verified=origin == "chat", actor=officer)
        for name in acts:
            before = Request.objects.get(pk=row.pk)
            entries = AuditEntry.objects.count()
            with contextlib.suppress(RequestError), transaction.atomic():
                ACTS[name](row, officer, deputy)
            row.refresh_from_db()
            holds(before, row, entries, name)
        raise Rolled


def holds(before, row, entries, name):
    moved = before.status != row.status
    reachable = {row.status}
    for _ in range(3):  # an act may take several steps of the table
        reachable |= {old for old in TRANSITIONS if reachable & set(TRANSITIONS[old])}
    assert before.status in reachable
    if moved:
        assert AuditEntry.objects.count() > entries  # nothing moves without an entry
    if before.status in ANSWERED:
        assert row.outcome == before.outcome  # what was answered stays answered
        assert row.closed_at == before.closed_at or row.status == "closed"
    assert (row.status in ANSWERED) == bool(row.outcome)
    assert (row.paused_at is not None) == (row.status == "verifying")  # the one reason to pause
    assert (row.proof_hash is not None) == (row.status == "verifying")
    if row.outcome == "refused":
        assert approvals.is_approved("request.refuse", row.pk)
    if row.outcome == "fulfilled":
        assert row.is_verified
    status = DataSubject.objects.get(pk=row.subject).status
    is_open = row.kind in STOPPING and row.is_verified and row.status not in ANSWERED
    done = row.kind == "restriction" and row.outcome in ("fulfilled", "partly")
    assert (status == "restricted") == (is_open or done or _partly_erased(row))
    assert row.due_at >= before.due_at  # a term is only ever lengthened


def _partly_erased(row):
    return row.kind == "erasure" and row.outcome in ("fulfilled", "partly")
