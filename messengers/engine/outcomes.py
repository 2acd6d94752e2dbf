"""What an answer means for a delivery, its channel and its dispatch. Pure but for its jitter."""

import random
from enum import StrEnum

from messengers.contract import (
    Accepted,
    Answer,
    InDoubt,
    Lost,
    NotSent,
    Reason,
    Refused,
    small_value,
)

MAX_ATTEMPTS = 8
MAX_UNKNOWN_ATTEMPTS = 3  # a refusal that no table explains is hardly worth more
FIRST_WAIT = 2.0  # seconds; doubled with each attempt
LONGEST_WAIT = 300.0
THROTTLED_WAIT = 6.0  # seconds for a person whose messenger names no time
JITTER = 0.25  # so that those who were sent away together do not come back together
CAUSE_LENGTH = 48


class Effect(StrEnum):
    """What an answer does beyond its delivery."""

    NONE = ""
    PAUSE_CHANNEL = "pause_channel"
    PAUSE_APP = "pause_app"  # every channel that shares the app at the provider
    PAUSE_DISPATCH = "pause_dispatch"
    BOUNCED = "bounced"
    OPTED_OUT = "opted_out"


@small_value
class Verdict:
    """The delivery's next state. `wait`: seconds until a queued one may go again, None: at once."""

    status: str
    cause: str = ""
    provider_id: str = ""
    wait: float | None = None
    is_attempt: bool = True  # counts against MAX_ATTEMPTS
    effect: Effect = Effect.NONE
    effect_wait: float | None = None  # seconds the provider asked the channel to wait


# What spreads the waits; a simulation seeds it.
SPREAD = random.Random()

# Of most messages there is nothing more to say than this.
ACCEPTED = Verdict("accepted")
# Section 7(3) no. 4 UWG: to these people nothing leaves that does not say how to object.
FOOTER_MISSING = Verdict("suppressed", "footer_missing", is_attempt=False)


def judge(
    answer: Answer | NotSent | Lost, attempts: int, *, echoes_attempts: bool = False
) -> Verdict:
    """The verdict on an answer; `attempts` were made before this one.

    Where receipts name our own attempts, no provider's id is kept.
    """
    if isinstance(answer, Accepted):
        if echoes_attempts or not answer.provider_id:
            return ACCEPTED
        return Verdict("accepted", provider_id=answer.provider_id)
    match answer:
        case InDoubt(cause) | Lost(cause):
            return Verdict("in_doubt", token(cause))
        case NotSent(cause):
            # Nothing left this machine, so no person and no attempt is to blame.
            return _waiting(token(cause), Effect.PAUSE_CHANNEL, "unreachable")
        case Refused():
            return _refused(answer, attempts)


def _refused(answer: Refused, attempts: int) -> Verdict:
    match answer.reason:
        case Reason.PERMANENT_RECIPIENT:
            return Verdict("failed", "permanent_recipient", effect=Effect.BOUNCED)
        case Reason.OPTED_OUT:
            return Verdict("failed", "opted_out", effect=Effect.OPTED_OUT)
        case Reason.POLICY_WINDOW:
            return Verdict("failed", "policy_window")
        case Reason.AUTH_CONFIG:
            return _waiting("auth_config", Effect.PAUSE_DISPATCH, wait=LONGEST_WAIT)
        case Reason.THROTTLED if answer.stops:
            return _waiting("limit_reached", Effect.PAUSE_DISPATCH, wait=LONGEST_WAIT)
        case Reason.THROTTLED | Reason.TEMPORARY if answer.scope != "recipient":
            effect = Effect.PAUSE_APP if answer.scope == "app" else Effect.PAUSE_CHANNEL
            return _waiting(str(answer.reason), effect, wait=answer.retry_after or None)
        case Reason.THROTTLED:
            return _waiting("throttled", wait=jittered(answer.retry_after or THROTTLED_WAIT))
        case Reason.TEMPORARY:
            return _again("temporary", attempts, MAX_ATTEMPTS, answer.retry_after)
        case Reason.UNKNOWN:
            return _again("unknown", attempts, MAX_UNKNOWN_ATTEMPTS, answer.retry_after)


def _waiting(
    cause: str, effect: Effect = Effect.NONE, why: str = "", wait: float | None = None
) -> Verdict:
    """Back into the queue, without blaming anybody: nobody's attempts are used up."""
    rests = effect in (Effect.PAUSE_CHANNEL, Effect.PAUSE_APP)
    return Verdict(
        "queued",
        why or cause,
        wait=None if rests else wait,
        is_attempt=False,
        effect=effect,
        effect_wait=wait if rests else None,
    )


def _again(cause: str, attempts: int, limit: int, retry_after: float | None) -> Verdict:
    """Back into the queue for a while, or failed when it was tried often enough."""
    if attempts + 1 >= limit:
        return Verdict("failed", cause)
    return Verdict("queued", cause, wait=jittered(max(retry_after or 0.0, _backoff(attempts))))


def _backoff(attempts: int) -> float:
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0**attempts)


def jittered(wait: float) -> float:
    """As long, or up to a quarter longer; never shorter than somebody asked for."""
    return wait * (1.0 + SPREAD.random() * JITTER)


def token(cause: str) -> str:
    """A cause as one short word with underscores: it is stored, counted and shown."""
    kept = "".join(c if c.isascii() and c.isalnum() else "_" for c in cause.lower())
    return "_".join(part for part in kept.split("_") if part)[:CAUSE_LENGTH] or "unknown"
