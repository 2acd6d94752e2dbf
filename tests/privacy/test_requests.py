"""A request from its intake to its end: numbers, clock, identity, outcomes."""

# ruff: noqa: F401, F811  (fixtures are imported by name and asked for by name)

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connections
from django.template.loader import render_to_string
from django.utils import timezone, translation

from privacy.access import Actor, NotAllowed
from privacy.models import AuditEntry, DataSubject, Request
from privacy.requests import actions, approvals, errors, identity
from privacy.requests.notes import notes_of
from privacy.requests.states import TRANSITIONS, advance
from privacy.requests.work import forget_requests
from privacy.retention.rules import ensure_defaults
from privacy.vault import new_subject
from tests.privacy.requests_world import (
    NOON,
    PHONE,
    ask,
    controller,
    deputy,
    editor,
    officer,
    people,
    subject,
)

pytestmark = pytest.mark.django_db


def audit_of(request):
    return list(
        AuditEntry.objects.filter(ref=str(request.pk))
        .order_by("at")
        .values_list("action", flat=True)
    )


def test_first_request_of_a_year_is_number_one_and_the_next_is_two(ask):
    first, second = ask("access"), ask("erasure")

    assert (first.number, second.number) == ("2026-0001", "2026-0002")
    assert ask("objection", received_at=datetime(2025, 12, 31, 23, 30, tzinfo=UTC)).number == (
        "2026-0003"  # already 2026 in Berlin
    )
    assert ask("restriction", received_at=datetime(2025, 12, 31, tzinfo=UTC)).number == "2025-0001"


def test_a_request_has_its_clock_and_its_audit_entry(ask):
    request = ask("access")

    assert request.due_at == datetime(2026, 7, 1, 21, 59, 59, tzinfo=UTC)
    assert audit_of(request) == ["request.opened"]


def test_the_controllers_land_decides_about_holidays(ask, controller):
    controller.land = "SN"
    controller.save()

    in_saxony = ask(received_at=datetime(2025, 10, 19, 10, tzinfo=UTC))

    assert in_saxony.due_at.date().isoformat() == "2025-11-20"


def test_asking_again_returns_the_open_request(ask):
    first = ask("access")

    assert ask("access") == first
    assert ask("erasure") != first
    actions.close_request(request=first, outcome="withdrawn", actor=Actor.system("test"))
    assert ask("access") != first


def test_a_stranger_is_answered_with_no_data(ask):
    request = ask("access", who=None)

    assert (request.status, request.outcome) == ("closed", "no_data")
    assert audit_of(request) == ["request.opened", "request.closed"]


def test_a_letter_from_nobody_we_know_stays_open_for_the_dpo(ask, officer):
    request = ask("access", who=None, origin="staff", verified=False, actor=officer)

    assert request.status == "received"


def test_an_editor_cannot_enter_a_request(ask, editor):
    with pytest.raises(NotAllowed):
        ask(actor=editor, origin="staff")

    assert not Request.objects.exists()


@pytest.mark.parametrize(
    ("kind", "is_open", "status"),
    [
        ("access", True, "active"),
        ("erasure", False, "restricted"),
        ("restriction", False, "restricted"),
        ("objection", False, "active"),
    ],
)
def test_what_wants_to_stop_stops_at_once(ask, people, subject, kind, is_open, status):
    ask(kind)

    assert people.run("SELECT is_open FROM people_person") == [(is_open,)]
    assert DataSubject.objects.get(pk=subject).status == status


def test_a_forged_letter_stops_nothing(ask, people, officer):
    ask("erasure", origin="staff", verified=False, actor=officer)

    assert people.run("SELECT is_open FROM people_person") == [(True,)]


# Identity


def asked(ask, officer, kind="access"):
    """A letter about the person; the question has gone to their channel. Returns it with its
    token.
    """
    request = ask(kind, origin="staff", verified=False, actor=officer)
    actions.ask_identity(request=request, actor=officer)
    return Request.objects.get(pk=request.pk)


def token_in(people):
    return people.sent[-1][2]["link"].rstrip("/").rpartition("/")[2]


def test_the_question_goes_to_the_subscribed_channel_and_stops_the_clock(
    ask, officer, people, subject
):
    request = asked(ask, officer)

    who, template, context = people.sent[-1]
    assert (who, template) == (subject, "privacy/answers/identity_question.txt")
    assert context["number"] == request.number
    assert request.status == "verifying"
    assert request.paused_at
    assert token_in(people).encode() not in bytes(request.proof_hash)


def test_the_answer_proves_it_and_moves_the_end_by_the_days_it_took(ask, officer, people):
    with time_machine.travel(NOON, tick=False) as clock:
        request = asked(ask, officer, "erasure")
        clock.shift(timedelta(days=3, hours=5))
        found = identity.asked_by(token_in(people))
        actions.prove_identity(request=found)

    request.refresh_from_db()
    assert (request.status, request.is_verified, request.paused_days) == ("received", True, 3)
    assert request.due_at.date().isoformat() == "2026-07-06"  # 1 July + 3 days is a Saturday
    assert (request.proof_hash, request.paused_at) == (None, None)
    assert people.run("SELECT is_open FROM people_person") == [(False,)]


def test_a_proven_request_proves_the_one_that_stood_unproven(ask, people, subject):
    mail = ask("erasure", verified=False)
    assert people.run("SELECT is_open FROM people_person") == [(True,)]

    again = ask("erasure", origin="web", channel_id=subject, address_id=mail.pk)

    assert again == mail
    assert (again.is_verified, again.origin, again.channel) == (True, "web", subject)
    assert people.run("SELECT is_open FROM people_person") == [(False,)]
    assert DataSubject.objects.get(pk=subject).status == "restricted"
    assert audit_of(again) == ["request.opened", "request.identity_proven", "request.blocked"]


def test_a_proven_request_starts_the_clock_that_stood(ask, officer):
    with time_machine.travel(NOON, tick=False) as clock:
        request = asked(ask, officer, "erasure")
        clock.shift(timedelta(days=3))
        ask("erasure")

    request.refresh_from_db()
    assert (request.status, request.is_verified, request.paused_days) == ("received", True, 3)
    assert request.proof_hash is None


def test_an_unproven_request_takes_nothing_from_a_proven_one(ask, people):
    ask("erasure")

    assert ask("erasure", origin="web", verified=False).is_verified
    assert AuditEntry.objects.filter(action="request.identity_proven").count() == 0


def test_a_link_proves_once(ask, officer, people):
    asked(ask, officer)
    token = token_in(people)
    actions.prove_identity(request=identity.asked_by(token))

    assert identity.asked_by(token) is None


def test_a_wrong_link_proves_nothing(ask, officer, people):
    asked(ask, officer)
    token = token_in(people)

    assert identity.asked_by(token) is not None
    assert identity.asked_by(token[:-1] + ("A" if token[-1] != "A" else "B")) is None


def test_the_number_written_back_in_the_chat_proves_it(ask, officer, subject, people):
    request = asked(ask, officer)

    assert actions.answer_identity(subject=subject, text="Ja, hallo") is None
    assert actions.answer_identity(subject=new_subject(), text=request.number) is None
    assert actions.answer_identity(subject=subject, text=f"1{request.number}7") is None
    assert actions.answer_identity(subject=subject, text=f"Ja: {request.number}!") == request
    request.refresh_from_db()
    assert request.is_verified
    assert people.sent[-1][1] == "privacy/answers/identity_proven.txt"
    assert actions.answer_identity(subject=subject, text=request.number) is None


@pytest.mark.parametrize(
    "words",
    [
        "NEIN! {} habe ich nie gestellt",
        "{}?",
        "ja nein {}",
        "👎 {}",
        "STOP {}",
        "Was ist {}",
        "no {} x",
    ],
)
def test_what_is_neither_yes_nor_no_is_for_a_person_to_read(ask, officer, subject, people, words):
    request = asked(ask, officer, "erasure")

    assert actions.answer_identity(subject=subject, text=words.format(request.number)) is None

    request.refresh_from_db()
    assert (request.status, request.is_verified) == ("verifying", False)
    assert people.run("SELECT is_open FROM people_person") == [(True,)]


@pytest.mark.parametrize(
    "words", ["{}", "JA {}", "Nr. {}, ja bitte!", "yes: {}", "\uff2a\uff21 {}"]
)
def test_the_number_alone_or_with_a_yes_proves_it(ask, officer, subject, words):
    request = asked(ask, officer)

    actions.answer_identity(subject=subject, text=words.format(request.number))

    request.refresh_from_db()
    assert (request.status, request.is_verified) == ("received", True)


@pytest.mark.parametrize("words", ["NEIN {}", "{} Nö!", "no, {}", "Nein, nein: Nummer {}"])
def test_the_number_with_a_no_ends_the_request(ask, officer, subject, people, words):
    request = asked(ask, officer, "erasure")

    actions.answer_identity(subject=subject, text=words.format(request.number))

    request.refresh_from_db()
    assert (request.status, request.outcome) == ("closed", "not_identified")
    assert people.sent[-1][1] == "privacy/answers/identity_denied.txt"
    assert people.run("SELECT is_open FROM people_person") == [(True,)]


def test_this_was_not_me_ends_the_request(ask, officer, people):
    request = asked(ask, officer, "erasure")

    actions.deny_identity(request=identity.asked_by(token_in(people)))

    request.refresh_from_db()
    assert (request.status, request.outcome) == ("closed", "not_identified")
    assert people.run("SELECT is_open FROM people_person") == [(True,)]


@pytest.mark.parametrize("is_fulfilled", [False, True])
def test_a_denied_erasure_keeps_the_restriction_that_was_asked_for(
    ask, officer, subject, people, is_fulfilled
):
    wanted = ask("restriction")
    if is_fulfilled:
        actions.close_request(request=wanted, outcome="fulfilled", actor=officer)
    request = asked(ask, officer, "erasure")

    actions.deny_identity(request=request)

    assert DataSubject.objects.get(pk=subject).status == "restricted"


def test_an_unproven_erasure_lifts_nothing(ask, officer, subject, people):
    DataSubject.objects.filter(pk=subject).update(status="restricted")
    request = asked(ask, officer, "erasure")

    actions.deny_identity(request=request)

    assert DataSubject.objects.get(pk=subject).status == "restricted"


@pytest.mark.parametrize("restriction", ["none", "unproven", "refused"])
def test_a_proven_erasure_that_is_taken_back_lifts_what_it_restricted(
    ask, officer, deputy, subject, restriction
):
    if restriction != "none":
        other = ask("restriction", verified=False)
        if restriction == "refused":
            given = {"reasons": "x", "evidence": "y", "actor": officer}
            approvals.approve(actions.propose_refusal(request=other, **given), deputy)
    request = ask("erasure")
    assert DataSubject.objects.get(pk=subject).status == "restricted"

    actions.close_request(request=request, outcome="withdrawn", actor=officer)

    assert DataSubject.objects.get(pk=subject).status == "active"


def test_what_is_decided_cannot_be_denied_or_proved_again(ask, officer):
    request = asked(ask, officer)
    actions.prove_identity(request=request)

    for decide in (actions.prove_identity, actions.deny_identity):
        with pytest.raises(errors.IllegalTransition):
            decide(request=request)

    request.refresh_from_db()
    assert (request.status, request.is_verified) == ("received", True)


def test_nothing_is_exported_or_erased_before_the_proof(ask, officer):
    letter = ask("access", origin="staff", verified=False, actor=officer)
    with pytest.raises(errors.NotVerified):
        actions.make_package(request=letter, actor=officer)

    letter = ask("erasure", origin="staff", verified=False, actor=officer)
    with pytest.raises(errors.NotVerified):
        actions.start_erasure(request=letter, actor=officer)


def test_a_letter_is_linked_to_one_person_only(ask, officer, subject):
    letter = ask("access", who=None, origin="staff", verified=False, actor=officer)

    actions.link_person(request=letter, subject=subject, actor=officer)

    letter.refresh_from_db()
    assert letter.subject == subject
    with pytest.raises(errors.PersonKnown):
        actions.link_person(request=letter, subject=new_subject(), actor=officer)


def test_a_question_that_nobody_answers_lapses_and_the_clock_runs_on(ask, officer, people):
    with time_machine.travel(NOON, tick=False) as clock:
        request = asked(ask, officer)
        token = token_in(people)
        clock.shift(timedelta(days=13, hours=23))
        assert identity.lapse_questions(timezone.now()) == 0
        clock.shift(timedelta(hours=2))
        assert identity.lapse_questions(timezone.now()) == 1

        request.refresh_from_db()
        assert (request.status, request.is_verified, request.paused_days) == ("received", False, 14)
        assert request.due_at.date().isoformat() == "2026-07-15"
        assert identity.asked_by(token) is None
        actions.ask_identity(request=request, actor=officer)
        clock.shift(timedelta(days=2))
        actions.prove_identity(request=identity.asked_by(token_in(people)))
    request.refresh_from_db()
    assert request.paused_days == 16


# The end of the file


def test_the_file_of_a_request_goes_at_the_end_of_the_third_year(ask, officer):
    ensure_defaults()
    with time_machine.travel(NOON, tick=False):
        request = ask("access")
        actions.note(request=request, text="Bitte bald", actor=officer)
        actions.close_request(request=request, outcome="withdrawn", actor=officer)
    ask("objection")

    assert forget_requests(datetime(2029, 12, 31, 22, tzinfo=UTC)) == 0
    assert forget_requests(datetime(2030, 1, 1, 1, tzinfo=UTC)) == 1

    assert [row.kind for row in Request.objects.all()] == ["objection"]


# Extension


def test_an_extension_within_the_first_month_sends_its_notice(ask, officer, people):
    request = ask("access")
    with time_machine.travel(request.due_at, tick=False):
        actions.extend(request=request, reasons="Sehr viele Anfragen", actor=officer)

    request.refresh_from_db()
    assert request.due_at.date().isoformat() == "2026-09-01"
    assert people.sent[-1][1] == "privacy/answers/extended.txt"
    assert str(people.sent[-1][2]["due"]) == "2026-09-01"
    assert [(note.kind, note.text) for note in notes_of(request)] == [
        ("extension", "Sehr viele Anfragen")
    ]
    assert b"Anfragen" not in bytes(request.note_sealed)


def test_no_extension_after_the_first_month_nor_twice_nor_without_reasons(ask, officer, people):
    request = ask("access")
    late = time_machine.travel(request.due_at + timedelta(seconds=1), tick=False)
    with late, pytest.raises(errors.TooLateToExtend):
        actions.extend(request=request, reasons="Zu spät", actor=officer)
    with time_machine.travel(NOON + timedelta(days=2), tick=False):
        with pytest.raises(errors.ReasonMissing):
            actions.extend(request=request, reasons="  ", actor=officer)
        assert people.sent == []
        actions.extend(request=request, reasons="Erst so", actor=officer)
        with pytest.raises(errors.TooLateToExtend):
            actions.extend(request=request, reasons="Noch einmal", actor=officer)


# Outcomes


def test_a_partial_answer_names_what_was_left_out(ask, officer, people):
    request = ask("access")
    with pytest.raises(errors.ExceptionsMissing):
        actions.close_request(request=request, outcome="partly", actor=officer)

    actions.close_request(
        request=request, outcome="partly", actor=officer, reasons="Briefe Dritter"
    )

    request.refresh_from_db()
    assert (request.status, request.outcome) == ("closed", "partly")
    assert people.sent[-1][1:] == (
        "privacy/answers/partly.txt",
        {"number": "2026-0001", "kind": "access", "reasons": "Briefe Dritter"},
    )
    assert b"Dritter" not in bytes(request.note_sealed)
    assert notes_of(request)[0].text == "Briefe Dritter"


def test_a_refusal_needs_reasons_evidence_and_a_second_person(ask, officer, deputy, people):
    request, given = ask("access"), {"reasons": "Missbrauch", "evidence": "40 Anfragen im Mai"}
    with pytest.raises(errors.ReasonMissing):
        actions.propose_refusal(request=request, **(given | {"reasons": " "}), actor=officer)
    with pytest.raises(errors.EvidenceMissing):
        actions.propose_refusal(request=request, **(given | {"evidence": ""}), actor=officer)
    with pytest.raises(errors.NotApproved):
        actions.close_request(request=request, outcome="refused", actor=officer, reasons="So")

    waiting = actions.propose_refusal(request=request, **given, actor=officer)
    assert people.sent == []  # nothing is told before somebody else has agreed
    with pytest.raises(errors.IllegalTransition):
        actions.propose_refusal(request=request, **given, actor=officer)
    approvals.approve(waiting, deputy)

    request.refresh_from_db()
    assert (request.status, request.outcome) == ("closed", "refused")
    assert people.sent[-1][2]["reasons"] == "Missbrauch"
    assert "40 Anfragen" not in str(people.sent)
    assert {note.kind for note in notes_of(request)} == {"proposal", "evidence", "refusal"}
    with translation.override("en"):
        told = render_to_string("privacy/answers/refused.txt", people.sent[-1][2])
    assert "Missbrauch" in told
    assert "supervisory authority or go to court" in told


def test_a_refusal_that_was_not_approved_may_be_proposed_again(ask, officer, deputy, people):
    request, given = ask("access"), {"reasons": "A", "evidence": "B", "actor": officer}
    approvals.refuse(actions.propose_refusal(request=request, **given), deputy)

    assert Request.objects.get(pk=request.pk).status == "received"
    assert actions.propose_refusal(request=request, **given).status == "waiting"


def test_fulfilled_is_said_by_the_machinery_where_there_is_one(ask, officer):
    with pytest.raises(errors.WrongKind):
        actions.close_request(request=ask("access"), outcome="fulfilled", actor=officer)

    done = actions.close_request(request=ask("objection"), outcome="fulfilled", actor=officer)
    assert done.outcome == "fulfilled"


def test_a_withdrawn_erasure_no_longer_restricts(ask, officer, subject):
    request = ask("erasure")
    assert DataSubject.objects.get(pk=subject).status == "restricted"

    actions.close_request(request=request, outcome="withdrawn", actor=officer)

    assert DataSubject.objects.get(pk=subject).status == "active"


def test_every_pair_of_states_is_as_the_table_says(ask):
    request = ask("access")
    for old in Request.Status.values:
        for new in Request.Status.values:
            Request.objects.filter(pk=request.pk).update(status=old)
            request.refresh_from_db()
            if new in TRANSITIONS[old]:
                advance(request, new)
                assert request.status == new
            else:
                with pytest.raises(errors.IllegalTransition):
                    advance(request, new)
                assert Request.objects.get(pk=request.pk).status == old


def test_somebody_else_was_first(ask):
    request = ask("access")
    Request.objects.filter(pk=request.pk).update(status="closed")

    with pytest.raises(errors.IllegalTransition):
        advance(request, "review")


def test_no_entry_of_the_log_tells_who_it_was(ask, officer, deputy, people):
    request = asked(ask, officer)
    actions.answer_identity(subject=request.subject, text=request.number)
    given = {"reasons": "Müßig", "evidence": PHONE, "actor": officer}
    approvals.approve(actions.propose_refusal(request=request, **given), deputy)

    entries = [bytes(entry.entry).decode() for entry in AuditEntry.objects.all()]
    assert len(entries) >= 4
    for entry in entries:
        assert not any(word in entry for word in (PHONE[3:], "Müßig", request.number))
        assert json.loads(entry)["schema"]


@pytest.mark.django_db(transaction=True)
def test_forty_at_once_get_forty_numbers_without_a_gap(people, staff):
    officer = Actor.staff(staff("dpo"))

    def one(_number):
        try:
            return actions.open_request(
                subject=None, kind="access", origin="staff", verified=False,
                received_at=NOON, actor=officer,
            ).number  # fmt: skip
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        numbers = list(threads.map(one, range(40)))

    assert sorted(numbers) == [f"2026-{n:04d}" for n in range(1, 41)]


@pytest.mark.django_db(transaction=True)
def test_the_same_person_asking_twice_at_once_opens_one_request(people, ask):
    def one(_number):
        try:
            return ask("access").pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(one, range(8)))) == 1
