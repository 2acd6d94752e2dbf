"""Each rule sees the one violation that is planted against it, and a clean history none."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.history import (
    Answer,
    Arrival,
    Audit,
    Change,
    Consent,
    GateMove,
    GivenBack,
    History,
    Intent,
    Row,
    Violation,
)
from tests.chaos.rules import RULES, SHOWN, check, check_broadcast, tally

PEOPLE = {1: "+4917000000155", 2: "+4917000000255", 3: "+4917000000355", 4: "+4917000000455"}
CALL = 2.0


def attempt(delivery: int) -> str:
    return f"{delivery:048x}"


def arrival(at: float, delivery: int, token: int = 7) -> Arrival:
    fields = frozenset({"to", "attempt", "text"})
    return Arrival(at, PEOPLE[delivery], attempt(delivery), delivery, token, fields)


def clean() -> History:
    """Delivery 1 was read, 2 is in doubt, 3 said STOP in time, 4 was repeated and accepted."""
    history = History(size=4, call_seconds=CALL)
    states = {1: ("read", ""), 2: ("in_doubt", "worker_lost"), 3: ("suppressed", "withdrawn")}
    states[4] = ("accepted", "")
    history.rows = [Row(n, PEOPLE[n], f"g{n}", *states[n]) for n in PEOPLE]
    history.intents = [
        Intent(10.0, 1, 7, 13.0, order=1),
        Intent(10.0, 2, 7, 13.0, order=2),
        Intent(10.0, 4, 7, 13.0, order=3),
        Intent(15.0, 4, 8, 18.0, order=9),
    ]
    history.arrivals = [arrival(10.1, 1), arrival(10.1, 2), arrival(15.1, 4, token=8)]
    history.changes = [
        Change(10.2, 1, "queued", "accepted", "", order=4),
        Change(10.3, 4, "queued", "queued", "unavailable", order=5),
        Change(11.0, 1, "accepted", "read", "", order=6),
        Change(12.5, 3, "queued", "suppressed", "withdrawn", order=7),
        Change(13.5, 2, "queued", "in_doubt", "worker_lost", order=8),
        Change(15.2, 4, "queued", "accepted", "", order=10),
    ]
    history.gates = [GateMove(12.0, "g3", False, "withdrawn")]
    history.consents = [Consent(12.0, "r3", "g3", "withdrawn", 500)]
    history.audits = [Audit("r3", 500)]
    history.answers = [
        Answer(12.0, "stop", 200, person=PEOPLE[3]),
        Answer(11.0, "receipt", 200, delivery=1, rank="read"),
        Answer(11.0, "receipt", 200, delivery=1, rank="delivered", times=2),
        Answer(11.0, "ghost", 200, times=2, ref="ghost-1"),
        Answer(11.0, "forged", 403),
    ]
    history.parked = 1
    history.counts = [{"queued": 4}, {"queued": 1, "sending": 3}]
    history.report = {"read": 1, "in_doubt": 1, "suppressed": 1, "accepted": 1, "queued": 0}
    history.causes = {"worker_lost": 1}
    history.broker = ["[[], {}, {}]", '[["0190a6a4-0000-7000-8000-000000000000", 5], {}, {}]']
    return history


def test_a_clean_history_breaks_no_rule() -> None:
    assert check(clean()) == []


def twin(history: History) -> None:
    history.rows[1] = history.rows[1]._replace(person=PEOPLE[1])


def unannounced(history: History) -> None:
    history.intents = [intent for intent in history.intents if intent.delivery != 1]


def with_an_old_token(history: History) -> None:
    history.arrivals[0] = arrival(10.1, 1, token=6)


def too_early(history: History) -> None:
    history.arrivals[0] = arrival(9.9, 1)


def off_the_table(history: History) -> None:
    history.changes.append(Change(14.0, 3, "suppressed", "accepted", "", order=11))


def not_on_the_wire(history: History) -> None:
    history.changes.append(Change(16.0, 4, "queued", "in_doubt", "timeout", order=11))


def never_arrived(history: History) -> None:
    del history.arrivals[0]


def twice_open(history: History) -> None:
    history.intents.append(Intent(10.1, 1, 9, 13.1, order=3))


def given_back_though_it_was_called(history: History) -> None:
    """Its call had arrived, and its holder gave it back as if it had never left."""
    history.given_back.append(GivenBack(10.05, 1, 7, order=3))
    history.intents.append(Intent(10.1, 1, 9, 13.1, order=3))


def missing(history: History) -> None:
    history.counts.append({"queued": 1, "accepted": 2})


def miscounted(history: History) -> None:
    history.report["accepted"] = 2


def doubled(history: History) -> None:
    history.arrivals.append(arrival(14.0, 1))


def resent(history: History) -> None:
    history.intents.append(Intent(14.0, 2, 9, 17.0, order=20))


def fallen(history: History) -> None:
    history.changes.append(Change(12.0, 1, "read", "delivered", "", order=11))


def forgotten_receipt(history: History) -> None:
    history.answers.append(Answer(11.0, "receipt", 200, delivery=4, rank="delivered"))


def forgotten_ghost(history: History) -> None:
    history.parked = 0


def after_the_no(history: History) -> None:
    history.intents.append(Intent(12.2, 3, 9, 15.2, order=20))


def lost_stop(history: History) -> None:
    history.answers.append(Answer(12.0, "stop", 200, person=PEOPLE[4]))


def not_finished(history: History) -> None:
    history.rows[3] = history.rows[3]._replace(status="queued")


def nameless(history: History) -> None:
    history.rows[2] = history.rows[2]._replace(cause="")


def misreported(history: History) -> None:
    history.causes = {"timeout": 1}


def short_lease(history: History) -> None:
    history.intents[0] = history.intents[0]._replace(lease_until=11.0)


def told_a_number(history: History) -> None:
    history.broker.append(f'[["{PEOPLE[1]}"], {{}}, {{}}]')


def told_a_text(history: History) -> None:
    history.broker.append('[[], {"text": "Guten Morgen"}, {}]')


def no_audit(history: History) -> None:
    history.audits = []


def another_transaction(history: History) -> None:
    history.audits = [Audit("r3", 501)]


def not_ours(history: History) -> None:
    history.arrivals[0] = history.arrivals[0]._replace(attempt="delivery-1")


def somebody_else(history: History) -> None:
    history.arrivals[0] = history.arrivals[0]._replace(to=PEOPLE[2])


def told_too_much(history: History) -> None:
    fields = frozenset({"to", "attempt", "text", "subscriber_id"})
    history.arrivals[0] = history.arrivals[0]._replace(fields=fields)


@pytest.mark.parametrize(
    ("plant", "rule", "words"),
    [
        (twin, "I1", "2 deliveries of one dispatch"),
        (unannounced, "I2", "without an intent of token 7"),
        (with_an_old_token, "I2", "without an intent of token 6"),
        (too_early, "I2", "before its intent"),
        (off_the_table, "I3", "suppressed -> accepted is not in the table"),
        (not_on_the_wire, "I3", "was not on the wire"),
        (never_arrived, "I3", "never arrived: lost"),
        (twice_open, "I4", "intent of token 9 while that of 7 was open"),
        (given_back_though_it_was_called, "I4", "intent of token 9 while that of 7 was open"),
        (missing, "I5", "sum to 3 of 4"),
        (miscounted, "I5", "reported"),
        (doubled, "I6", "arrived 2 times: doubled"),
        (resent, "I6", "sent again after the doubt worker_lost"),
        (fallen, "I7", "fell from read to delivered"),
        (forgotten_receipt, "I7", "delivered had its 200"),
        (forgotten_ghost, "I7", "wait for an unknown id"),
        (after_the_no, "I8", "200.0 ms after withdrawn"),
        (lost_stop, "I8", "a STOP had its 200 and is on no record"),
        (not_finished, "I9", "finished, and 1 still wait"),
        (nameless, "I9", "without a cause: nameless"),
        (misreported, "I9", "doubts reported as"),
        (short_lease, "I10", "1.00 s of lease left"),
        (told_a_number, "I11", "names a person"),
        (told_a_text, "I11", "more than ids"),
        (no_audit, "I12", "has no audit entry"),
        (another_transaction, "I12", "are of two transactions"),
        (not_ours, "I13", "is not one of ours"),
        (somebody_else, "I13", "went to somebody else"),
        (told_too_much, "I13", "subscriber_id"),
    ],
)
def test_a_planted_violation_is_named(
    plant: Callable[[History], None], rule: str, words: str
) -> None:
    history = clean()
    plant(history)

    found = [violation for violation in check(history) if violation.rule == rule]

    assert len(found) == 1
    assert words in found[0].text


def test_every_rule_has_a_violation_planted_against_it() -> None:
    planted = test_a_planted_violation_is_named.pytestmark[0].args[1]  # type: ignore[attr-defined]

    assert {rule for _, rule, _ in planted} == set(RULES) == {f"I{n}" for n in range(1, 14)}


def test_violations_name_nobody() -> None:
    history = clean()
    for plant in (doubled, resent, never_arrived, told_a_number, somebody_else, lost_stop, twin):
        plant(history)

    assert check(history)
    assert not any(person in str(one) for one in check(history) for person in PEOPLE.values())


def test_what_was_intended_and_never_called_may_be_given_back() -> None:
    """A commit whose success its worker did not hear of, just before its time was over."""
    history = clean()
    history.intents.append(Intent(9.0, 4, 5, 12.0, order=0))
    assert {found.rule for found in check(history)} == {"I4"}

    history.given_back.append(GivenBack(9.5, 4, 5, order=0))

    assert check(history) == []


def test_what_a_person_decided_to_send_again_is_no_violation() -> None:
    history = clean()
    resent(history)
    history.arrivals.append(arrival(14.1, 2, token=9))

    assert {found.rule for found in check(history)} >= {"I6"}
    assert "I6" not in {found.rule for found in check(replace(history, human=frozenset({2})))}


def test_many_violations_of_one_rule_are_counted() -> None:
    history = clean()
    history.counts = [{"queued": 1}] * (SHOWN + 3)

    assert check(history)[-1] == Violation("I5", "and 3 more of these")


def test_the_figures_tell_whose_doubt_it_was() -> None:
    history = clean()
    history.changes.append(Change(16.0, 4, "queued", "in_doubt", "timeout", order=11))
    doubled(history)

    figures = tally(history)

    assert (figures["lost"], figures["doubled"], figures["arrived"]) == (0, 1, 3)
    assert (figures["doubts by our crashes"], figures["doubts by the provider"]) == (1, 1)
    assert (figures["stops"], figures["receipts"]) == (1, 2)


def test_a_further_broadcast_of_a_run_is_asked_only_for_what_is_its_own():
    history = clean()
    history.changes.append(Change(30.0, 1, "read", "accepted", "", order=50))  # I3 and I7
    assert check(history)
    assert check_broadcast(history) == []

    other = replace(history, dispatch="other", size=1)

    assert {violation.rule for violation in check_broadcast(other)} == {"I5", "I9"}
