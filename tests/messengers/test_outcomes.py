"""What each kind of answer means, and the ids that providers see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messengers.attempts import CHARACTERS, open_attempt, seal_attempt
from messengers.contract import (
    ATTEMPT,
    Accepted,
    InDoubt,
    Lost,
    NotSent,
    Reason,
    Refused,
)
from messengers.engine.outcomes import MAX_ATTEMPTS, MAX_UNKNOWN_ATTEMPTS, Effect, judge, token
from messengers.models import Delivery

R = Reason


@pytest.mark.parametrize(
    ("answer", "status", "effect"),
    [
        (Accepted("id"), "accepted", Effect.NONE),
        (InDoubt("http 500"), "in_doubt", Effect.NONE),
        (Lost("timeout"), "in_doubt", Effect.NONE),
        (NotSent("dns"), "queued", Effect.PAUSE_CHANNEL),
        (Refused(R.PERMANENT_RECIPIENT), "failed", Effect.BOUNCED),
        (Refused(R.OPTED_OUT), "failed", Effect.OPTED_OUT),
        (Refused(R.POLICY_WINDOW), "failed", Effect.NONE),
        (Refused(R.AUTH_CONFIG, scope="account"), "queued", Effect.PAUSE_DISPATCH),
        (Refused(R.THROTTLED, scope="account"), "queued", Effect.PAUSE_CHANNEL),
        (Refused(R.THROTTLED, scope="sender"), "queued", Effect.PAUSE_CHANNEL),
        (Refused(R.THROTTLED, scope="app"), "queued", Effect.PAUSE_APP),
        (Refused(R.THROTTLED, scope="recipient"), "queued", Effect.NONE),
        (Refused(R.THROTTLED, scope="account", stops=True), "queued", Effect.PAUSE_DISPATCH),
        (Refused(R.TEMPORARY, scope="account"), "queued", Effect.PAUSE_CHANNEL),
        (Refused(R.TEMPORARY), "queued", Effect.NONE),
        (Refused(R.UNKNOWN), "queued", Effect.NONE),
    ],
)
def test_every_answer_has_its_meaning(answer, status: str, effect: Effect) -> None:
    verdict = judge(answer, attempts=0)

    assert (verdict.status, verdict.effect) == (status, effect)
    assert status in Delivery.TRANSITIONS["sending"]


@pytest.mark.parametrize(
    ("reason", "limit"), [(R.TEMPORARY, MAX_ATTEMPTS), (R.UNKNOWN, MAX_UNKNOWN_ATTEMPTS)]
)
def test_attempts_are_bounded_and_waits_grow(reason: Reason, limit: int) -> None:
    verdicts = [judge(Refused(reason), attempts) for attempts in range(limit)]

    assert [verdict.status for verdict in verdicts] == ["queued"] * (limit - 1) + ["failed"]
    waits = [verdict.wait for verdict in verdicts[:-1]]
    assert waits == sorted(waits)
    assert waits[0] >= 1


def test_throttling_never_uses_up_attempts() -> None:
    for scope in ("recipient", "sender", "account", "app"):
        verdict = judge(Refused(R.THROTTLED, scope=scope, retry_after=7), attempts=100)
        assert (verdict.status, verdict.is_attempt) == ("queued", False)
        assert 7 <= (verdict.wait or verdict.effect_wait or 0) <= 7 * 1.25


def test_waits_are_spread_and_never_shorter_than_asked_for() -> None:
    waits = {judge(Refused(R.THROTTLED, retry_after=8), 0).wait for _ in range(50)}

    assert len(waits) > 25
    assert all(wait is not None and 8 <= wait <= 10 for wait in waits)


def test_no_time_at_all_is_not_no_wait() -> None:
    """A Retry-After of nought would have all workers knock again at once."""
    assert judge(Refused(R.THROTTLED, scope="account", retry_after=0), 0).effect_wait is None
    assert (judge(Refused(R.THROTTLED, retry_after=0), 0).wait or 0) >= 6


def test_an_unsure_answer_is_never_queued_again() -> None:
    for cause in ("timeout", "reset", "http 502", "garbage"):
        assert judge(Lost(cause), 0).status == judge(InDoubt(cause), 0).status == "in_doubt"


@given(st.text())
def test_a_cause_is_one_short_word(text: str) -> None:
    found = token(text)

    assert 0 < len(found) <= 48
    assert all(c.isalnum() or c == "_" for c in found)
    assert found.isascii()


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_an_attempt_opens_to_its_pair_and_fits_everywhere(delivery: int, fence: int) -> None:
    sealed = seal_attempt(delivery, fence)

    assert open_attempt(sealed) == (delivery, fence)
    assert ATTEMPT.fullmatch(sealed)
    assert len(sealed) == CHARACTERS


def test_neighbouring_attempts_have_nothing_in_common() -> None:
    one, other = seal_attempt(1, 1), seal_attempt(2, 1)

    same = sum(a == b for a, b in zip(one, other, strict=True))
    assert same < 16


@given(st.text(alphabet="abcdef0123456789", min_size=CHARACTERS, max_size=CHARACTERS))
def test_nobody_can_make_an_attempt_up(text: str) -> None:
    assert open_attempt(text) is None


@given(st.text(max_size=60))
def test_garbage_is_no_attempt_and_no_error(text: str) -> None:
    assert open_attempt(text) is None


def test_one_changed_character_is_noticed() -> None:
    sealed = seal_attempt(7, 8)

    for position in range(CHARACTERS):
        changed = "b" if sealed[position] == "a" else "a"
        assert open_attempt(sealed[:position] + changed + sealed[position + 1 :]) is None
