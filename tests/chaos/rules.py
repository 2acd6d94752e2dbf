"""The invariants of sending, I1 to I13, each a function over a finished run's history.

A rule returns what breaks it, in words that name the delivery. Nobody's number stands in them: a
delivery's id is enough to look the rest up while the databases of the run are there.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from tests.chaos.history import Change, GivenBack, History, Intent, Violation

Rule = Callable[[History], Iterator[str]]
RULES: dict[str, Rule] = {}
SHOWN = 5  # violations of one rule that are told one by one
CLOCKS = 0.005  # seconds by which two readings of the same clock may differ
# Written down once more: a checker that asks the checked learns nothing.
RANK = {"in_doubt": 0, "accepted": 1, "undelivered": 2, "delivered": 3, "read": 4}
SENT = ("accepted", "failed", "in_doubt", "queued")
TABLE = {
    "queued": ("suppressed", "cancelled", "expired", "failed", *SENT),
    "in_doubt": ("accepted", "delivered", "read", "undelivered", "failed", "queued"),
    "accepted": ("delivered", "read", "undelivered"),
    "undelivered": ("delivered", "read"),
    "delivered": ("read",),
    "failed": ("queued",),  # by a person
}
ARRIVED = ("accepted", "delivered", "read", "undelivered")
UNDECIDED = ("queued", "sending")
# From "queued" these follow an answer or a lost lease, so the position was on the wire.
NEEDS_INTENT = ("accepted", "in_doubt")
ATTEMPT = re.compile(r"[0-9a-f]{48}")
ON_THE_WIRE = frozenset({"to", "attempt", "text", "buttons", "media", "alt"})


def check(history: History) -> list[Violation]:
    """Everything that breaks a rule; empty for a run that kept all promises."""
    return [violation for rule in RULES for violation in check_one(rule, history)]


def check_broadcast(history: History) -> list[Violation]:
    """What only the broadcast of this history breaks: for a further one of the same run."""
    return [violation for rule in ("I5", "I9") for violation in check_one(rule, history)]


def check_one(rule: str, history: History) -> list[Violation]:
    texts = list(RULES[rule](history))
    found = [Violation(rule, text) for text in texts[:SHOWN]]
    if len(texts) > SHOWN:
        found.append(Violation(rule, f"and {len(texts) - SHOWN} more of these"))
    return found


def rule(name: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES[name] = function
        return function

    return register


@rule("I1")
def one_delivery_for_each_person(history: History) -> Iterator[str]:
    """A dispatch has one delivery for each address."""
    numbers = Counter((row.dispatch, row.person) for row in history.rows)
    first = {(row.dispatch, row.person): row.delivery for row in history.rows}
    for key, number in numbers.items():
        if number > 1:
            yield f"{number} deliveries of one dispatch to the person of delivery {first[key]}"


@rule("I2")
def no_call_without_an_intent(history: History) -> Iterator[str]:
    """What arrived had been intended, under the very token that it carried, before it arrived."""
    intended: dict[tuple[int, int], float] = {}
    for intent in history.intents:
        intended.setdefault((intent.delivery, intent.token), intent.at)
    for arrival in history.arrivals:
        at = intended.get((arrival.delivery, arrival.token))
        if at is None:
            yield f"delivery {arrival.delivery} arrived without an intent of token {arrival.token}"
        elif arrival.at + CLOCKS < at:
            yield f"delivery {arrival.delivery} arrived {at - arrival.at:.3f} s before its intent"


@rule("I3")
def every_write_is_guarded(history: History) -> Iterator[str]:
    """States change along the table, and a result needs an intent that had none yet."""
    arrived = {arrival.delivery for arrival in history.arrivals}
    for delivery, steps in _steps(history).items():
        is_open = False
        for step in steps:
            if isinstance(step, Intent):
                is_open = True
                continue
            if not _leads(step):
                yield f"delivery {delivery}: {step.old} -> {step.new} is not in the table"
            if step.old == "queued" and step.new in NEEDS_INTENT and not is_open:
                yield f"delivery {delivery} became {step.new} and was not on the wire"
            is_open &= step.old != "queued"
    for row in history.rows:
        if row.status in ARRIVED and row.delivery not in arrived:
            yield f"delivery {row.delivery} is {row.status} and never arrived: lost"


@rule("I4")
def one_open_attempt_at_a_time(history: History) -> Iterator[str]:
    """A second intent comes only after the first one has its result, or was given back uncalled.

    The holder of a token may intend anew what it never called, or give it back: a commit whose
    success nobody heard of.
    """
    called = {(arrival.delivery, arrival.token) for arrival in history.arrivals}
    steps: dict[int, list[Intent | Change | GivenBack]] = defaultdict(list)
    known: list[Intent | Change | GivenBack] = [
        *history.changes,
        *history.intents,
        *history.given_back,
    ]
    for step in sorted(known, key=_moment):
        steps[step.delivery].append(step)
    for delivery, theirs in steps.items():
        open_token = None
        for step in theirs:
            if isinstance(step, Change):
                open_token = None if step.old == "queued" else open_token
            elif isinstance(step, GivenBack):
                if step.token == open_token and (delivery, step.token) not in called:
                    open_token = None
            elif open_token not in (None, step.token):
                yield (
                    f"delivery {delivery}: intent of token {step.token} while that of"
                    f" {open_token} was open"
                )
            else:
                open_token = step.token


@rule("I5")
def nobody_falls_out_of_the_counts(history: History) -> Iterator[str]:
    """The counts sum to the snapshot at every moment, and at the end they are the rows'."""
    for counts in history.counts:
        if sum(counts.values()) != history.size:
            yield f"the counts sum to {sum(counts.values())} of {history.size}: {counts}"
    if len(history.recipients) != history.size:
        yield f"{len(history.recipients)} deliveries for a snapshot of {history.size}"
    rows = dict(Counter(row.status for row in history.recipients))
    shown = {state: number for state, number in history.report.items() if number}
    if shown != rows:
        yield f"reported {shown}, counted {rows}"


@rule("I6")
def no_doubt_resends_by_itself(history: History) -> Iterator[str]:
    """After a lost lease or an answer that never came, nothing is sent again; nobody gets two."""
    arrived = Counter(arrival.delivery for arrival in history.arrivals)
    for delivery, number in arrived.items():
        if number > 1 and delivery not in history.human:
            yield f"delivery {delivery} arrived {number} times: doubled"
    for delivery, steps in _steps(history).items():
        doubt = ""
        for step in steps:
            if isinstance(step, Change):
                is_doubt = step.new == "in_doubt" or step.cause == "worker_lost"
                doubt = (step.cause or "no cause") if is_doubt else ""
            elif doubt and delivery not in history.human:
                yield f"delivery {delivery} was sent again after the doubt {doubt}"


@rule("I7")
def receipts_only_rise_and_none_is_lost(history: History) -> Iterator[str]:
    """Rank never falls, each receipt with its 200 counts, and nobody's receipts are kept apart."""
    for change in history.changes:
        if change.old in RANK and change.new in RANK and RANK[change.new] < RANK[change.old]:
            yield f"delivery {change.delivery} fell from {change.old} to {change.new}"
    status = {row.delivery: row.status for row in history.rows}
    for answer in history.answers:
        now = status.get(answer.delivery, "")
        if _is_taken(answer, "receipt") and now and RANK.get(now, -1) < RANK[answer.rank]:
            yield f"delivery {answer.delivery} is {now}, and {answer.rank} had its 200"
    ghosts = {answer.ref for answer in history.answers if _is_taken(answer, "ghost")}
    if history.parked != len(ghosts):
        yield f"{history.parked} wait for an unknown id, {len(ghosts)} of these had their 200"


@rule("I8")
def nothing_is_intended_after_a_no(history: History) -> Iterator[str]:
    """No intent commits after the withdrawal of that person did; and no STOP with a 200 is lost."""
    gates = {row.delivery: row.gate for row in history.rows}
    moves: dict[str, list[tuple[float, bool, str]]] = defaultdict(list)
    for move in history.gates:
        moves[move.gate].append((move.at, move.is_open, move.reason))
    for consent in history.consents:
        if consent.state in ("withdrawn", "objected"):
            moves[consent.gate].append((consent.at, False, consent.state))
    for intent in history.intents:
        before = [move for move in moves[gates.get(intent.delivery, "")] if move[0] < intent.at]
        last = max(before, default=(0.0, True, ""))
        if not last[1]:
            late = (intent.at - last[0]) * 1000
            yield f"delivery {intent.delivery} was intended {late:.1f} ms after {last[2]}"
    gone = {consent.gate for consent in history.consents if consent.state == "withdrawn"}
    by_person = {row.person: row.gate for row in history.recipients}
    for answer in history.answers:
        if _is_taken(answer, "stop") and by_person.get(answer.person) not in gone:
            yield f"a STOP had its 200 and is on no record (gate {by_person.get(answer.person)})"


@rule("I9")
def finished_means_finished(history: History) -> Iterator[str]:
    """Finished exactly when nothing waits; each doubt stands in the report with its cause."""
    waiting = [row.delivery for row in history.recipients if row.status in UNDECIDED]
    if history.status == "finished" and waiting:
        yield f"finished, and {len(waiting)} still wait: lost, such as delivery {waiting[0]}"
    if history.status == "running" and not waiting:
        yield "nothing waits, and it is not finished"
    for row in history.rows:
        if row.status in ("in_doubt", "failed", "suppressed") and not row.cause:
            yield f"delivery {row.delivery} is {row.status} without a cause: nameless"
    doubts = dict(Counter(row.cause for row in history.recipients if row.status == "in_doubt"))
    if history.causes != doubts:
        yield f"doubts reported as {history.causes}, counted {doubts}"


@rule("I10")
def a_lease_outlasts_its_calls(history: History) -> Iterator[str]:
    """What was sent had, when its intent was committed, at least one call's time of lease left."""
    called = {(arrival.delivery, arrival.token) for arrival in history.arrivals}
    for intent in history.intents:
        left = intent.lease_until - intent.at
        if left < history.call_seconds and (intent.delivery, intent.token) in called:
            yield (
                f"delivery {intent.delivery} was called with {left:.2f} s of lease left,"
                f" and a call may take {history.call_seconds:.2f} s"
            )


@rule("I11")
def the_broker_holds_ids_only(history: History) -> Iterator[str]:
    """No message to the broker carries more than ids; none carries a number or a text."""
    people = {row.person for row in history.rows}
    for body in history.broker:
        if any(person in body for person in people & set(re.findall(r"\+\d{6,15}", body))):
            yield "a message to the broker names a person"
        elif not all(_is_id(value) for value in _values(json.loads(body))):
            yield f"a message to the broker carries more than ids: {len(body)} characters"


@rule("I12")
def consent_and_audit_commit_together(history: History) -> Iterator[str]:
    """Each consent record has its audit entry in the same transaction, and the reverse."""
    audits = {audit.record: audit.transaction for audit in history.audits}
    records = {consent.record: consent.transaction for consent in history.consents}
    for record, transaction in records.items():
        if record not in audits:
            yield f"consent record {record} has no audit entry"
        elif audits[record] != transaction:
            yield f"consent record {record} and its audit entry are of two transactions"
    for record in audits.keys() - records.keys():
        yield f"an audit entry speaks of consent record {record}, which is not there"


@rule("I13")
def the_attempt_is_all_they_know(history: History) -> Iterator[str]:
    """What arrived carries one sealed attempt of ours for this very person, and no other id."""
    people = {row.delivery: row.person for row in history.rows}
    for arrival in history.arrivals:
        if not ATTEMPT.fullmatch(arrival.attempt) or not arrival.delivery:
            yield "an attempt is not one of ours"
        elif people.get(arrival.delivery) != arrival.to:
            yield f"the attempt of delivery {arrival.delivery} went to somebody else"
        elif more := arrival.fields - ON_THE_WIRE:
            yield f"delivery {arrival.delivery} told the provider {sorted(more)}"


# --- Reading a history ---


def _steps(history: History) -> dict[int, list[Intent | Change]]:
    """Delivery -> its intents and changes as they were committed; results before new intents."""
    steps: dict[int, list[Intent | Change]] = defaultdict(list)
    both: list[Intent | Change] = [*history.changes, *history.intents]
    for step in sorted(both, key=_moment):
        steps[step.delivery].append(step)
    return steps


def _moment(step: Intent | Change | GivenBack) -> tuple[float, int]:
    return step.at, step.order


def _leads(change: Change) -> bool:
    """Whether the table leads there; an attempt that is to be repeated leaves the state."""
    return change.old == change.new or change.new in TABLE.get(change.old, ())


def _is_taken(answer: object, kind: str) -> bool:
    return getattr(answer, "kind", "") == kind and getattr(answer, "status", 0) == 200


UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _is_id(value: object) -> bool:
    if value is None or isinstance(value, bool | int | float):
        return True
    return bool(UUID.fullmatch(str(value)))


def _values(body: object) -> Iterable[object]:
    """What a task was given: Celery's body is [args, kwargs, embed]."""
    args, kwargs, _ = body if isinstance(body, list) and len(body) == 3 else ([body], {}, {})
    return [*args, *kwargs.values()]


# --- The figures of a run ---


def tally(history: History) -> dict[str, int]:
    """What the table of a run shows beside the rules."""
    arrived = Counter(arrival.delivery for arrival in history.arrivals)
    rows = history.recipients
    lost = sum(row.status in (*ARRIVED, *UNDECIDED) and not arrived[row.delivery] for row in rows)
    causes = Counter(change.cause for change in history.changes if change.new == "in_doubt")
    crashes = causes.pop("worker_lost", 0)
    return {
        "arrived": sum(bool(arrived[row.delivery]) for row in rows),
        "lost": lost,
        "doubled": sum(number - 1 for number in arrived.values()),
        "doubts by our crashes": crashes,
        "doubts by the provider": sum(causes.values()),
        "doubts that are left": sum(row.status == "in_doubt" for row in rows),
        "stops": sum(_is_taken(answer, "stop") for answer in history.answers),
        "receipts": sum(_is_taken(answer, "receipt") for answer in history.answers),
    }
