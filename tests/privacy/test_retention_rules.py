"""privacy/retention/proposals: a rule changes when two people want it, within the law's limits."""

import re
from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone, translation

from privacy.access import Actor, NotAllowed
from privacy.models import AuditEntry, RetentionRule, SecondApproval
from privacy.requests import approvals
from privacy.requests.errors import SamePerson
from privacy.retention import proposals
from privacy.retention.proposals import Change, RuleRefused, propose
from privacy.retention.rules import history_of, rule_of
from privacy.retention.terms import Term

TOMORROW = timezone.localdate() + timedelta(days=1)


@pytest.fixture
def officer(staff):
    return Actor.staff(staff("dpo"))


@pytest.fixture
def second(staff):
    return Actor.staff(staff("dpo", email="second@example.org"))


def change(term=None, **more):
    given = {"valid_from": TOMORROW, "reason": "Beschluss vom 3. März"}
    return Change(term=term or Term(timedelta(days=7)), **(given | more))


def days_of(data_class, day):
    return rule_of(data_class, day).period / timedelta(days=1)


def test_a_proposed_rule_counts_only_after_a_second_person_and_from_its_day(officer, second):
    made = propose("inbound_text", change(), actor=officer)
    waiting = SecondApproval.objects.get(kind="retention.rule", ref=str(made.pk))

    assert days_of("inbound_text", TOMORROW) == 30
    with pytest.raises(SamePerson):
        approvals.approve(waiting, officer)
    assert days_of("inbound_text", TOMORROW) == 30

    approvals.approve(waiting, second)

    assert days_of("inbound_text", TOMORROW - timedelta(days=1)) == 30
    assert days_of("inbound_text", TOMORROW) == 7
    made.refresh_from_db()
    assert (made.version, made.proposed_by, made.decided_by) == (2, officer.ref, second.ref)
    actions = AuditEntry.objects.filter(object="retention_rule").order_by("at", "id")
    assert [entry.action for entry in actions] == [
        "retention.rule_proposed",
        "retention.rule_approved",
    ]


def test_a_refused_rule_never_counts_and_stays_visible(officer, second):
    made = propose("inbound_text", change(), actor=officer)

    approvals.refuse(SecondApproval.objects.get(ref=str(made.pk)), second)

    assert days_of("inbound_text", TOMORROW) == 30
    assert [(rule.version, rule.status) for rule in history_of("inbound_text")] == [
        (2, "refused"),
        (1, "approved"),
    ]


# (class, term, what the refusal names)
AGAINST_THE_LAW = [
    ("pending_opt_in", Term(timedelta(days=15)), "14"),
    ("pending_opt_in_chat", Term(months=1), "14"),
    ("identity_proof", Term(timedelta(days=15)), "14"),
    ("consent_evidence", Term(years_to_year_end=2), "195"),
    ("consent_evidence", Term(timedelta(days=365)), "195"),
    ("request_file", Term(months=30), "31 OWiG"),
    ("audit_entry", Term(years_to_year_end=1), "31 OWiG"),
    ("voice_call_consent", Term(months=36), "7a UWG"),
    ("consent_lapse", Term(months=60), "4 "),
    ("active_subscription", Term(timedelta(days=1)), "17(1)(b)"),
]


@pytest.mark.parametrize(("data_class", "term", "named"), AGAINST_THE_LAW)
def test_a_rule_beyond_the_law_is_refused_with_the_limit(officer, data_class, term, named):
    with translation.override("en"), pytest.raises(RuleRefused, match=re.escape(named)):
        propose(data_class, change(term), actor=officer)

    assert not RetentionRule.objects.filter(data_class=data_class, status="proposed").exists()


WITHIN = [
    ("pending_opt_in", Term(timedelta(days=14))),
    ("consent_evidence", Term(years_to_year_end=3)),
    ("consent_evidence", Term(months=48)),
    ("consent_lapse", Term(months=12)),
]


@pytest.mark.parametrize(("data_class", "term"), WITHIN)
def test_a_rule_at_the_limit_is_taken(officer, data_class, term):
    assert propose(data_class, change(term), actor=officer).status == "proposed"


WRONG = [
    {"valid_from": date(2020, 1, 1)},
    {"reason": " "},
    {"term": Term()},
    {"term": Term(months=18), "warn_months": 18},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_proposal_that_makes_no_sense_is_refused(officer, wrong):
    with pytest.raises(RuleRefused):
        propose("consent_lapse", change(**({"term": Term(months=12)} | wrong)), actor=officer)


def test_only_whoever_may_change_rules_proposes_them(staff, admin):
    for actor in (admin, Actor.staff(staff("publisher"))):
        with pytest.raises(NotAllowed):
            propose("inbound_text", change(), actor=actor)


def test_the_database_itself_wants_two_people(officer):
    made = propose("inbound_text", change(), actor=officer)

    with pytest.raises(IntegrityError), transaction.atomic():
        RetentionRule.objects.filter(pk=made.pk).update(status="approved", decided_by=officer.ref)
    with pytest.raises(IntegrityError), transaction.atomic():
        RetentionRule.objects.filter(pk=made.pk).update(status="approved")


def test_an_approval_that_comes_late_does_not_reach_back(officer, second, time_machine):
    made = propose("inbound_text", change(), actor=officer)
    late = timezone.now() + timedelta(days=9)
    time_machine.move_to(late, tick=False)

    approvals.approve(SecondApproval.objects.get(ref=str(made.pk)), second)

    made.refresh_from_db()
    assert made.valid_from == timezone.localdate(late)


def test_versions_are_compared_field_by_field(officer):
    made = propose("inbound_text", change(outlier_rows=5), actor=officer)

    found = proposals.differences(made, proposals.predecessor(made))

    assert [(one.field, one.before, one.after) for one in found] == [
        ("term", Term(timedelta(days=30)), Term(timedelta(days=7))),
        ("outlier_rows", 1000, 5),
        ("valid_from", date(2018, 5, 25), TOMORROW),
    ]
