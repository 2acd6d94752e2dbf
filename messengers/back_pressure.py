"""What providers say when we are too fast: how long to wait, and what has to wait. Pure.

Read by the adapters, so that all of them understand the same things in the same way. Sources: RFC
9110 (Retry-After); Telegram Bot API, ResponseParameters; Matrix client-server API, 429; Meta Graph
API, error codes and the header X-Business-Use-Case-Usage.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from messengers.contract import HttpResponse, Reason, Refused, Scope

LONGEST = 86_400.0  # seconds; whoever asks for more than a day has broken something
META_USAGE = "x-business-use-case-usage"


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a provider: what has to wait, and for how long if the answer names no time.

    `stops`: waiting does not help, a person has to look before a broadcast goes on.
    """

    scope: Scope
    wait: float | None = None
    stops: bool = False


# Meta's codes for too many messages; 4 and 80007 name their time in META_USAGE, others none.
META_LIMITS: dict[int, Limit] = {
    4: Limit("app"),
    80007: Limit("app"),
    130429: Limit("sender"),  # messages per second of one number
    131056: Limit("recipient", wait=6.0),  # one message in six seconds to one person
    131048: Limit("account", stops=True),  # too many people called our messages spam
    131064: Limit("account", stops=True),  # templates were wrongly classified
}


def wait_of(response: HttpResponse) -> float | None:
    """How many seconds the provider asks us to wait; None where it says nothing usable."""
    body = response.json()
    found = (
        seconds(response.headers.get("retry-after"), since=response.headers.get("date")),
        _of_telegram(body),
        _of_matrix(body),
        _of_meta(response.headers.get(META_USAGE, "")),
    )
    return next((wait for wait in found if wait is not None), None)


def seconds(value: object, since: object = None) -> float | None:
    """A waiting time in seconds, at most a day: a number, or a date to wait for (RFC 9110).

    `since` is the provider's own clock, the header Date of the same answer; ours without it.
    """
    number = _number(value)
    if number is not None:
        return _bounded(number)
    until = _date(value)
    if until is None:
        return None
    wait = (until - (_date(since) or datetime.now(UTC))).total_seconds()
    return _bounded(max(0.0, wait))  # it was meant, and is over


def meta_refusal(response: HttpResponse) -> Refused | None:
    """The refusal behind an error of Meta's Graph API that is about speed; None for any other."""
    body = response.json()
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    limit = META_LIMITS.get(code) if isinstance(code, int) else None
    if limit is None:
        return None
    wait = wait_of(response) or limit.wait
    return Refused(Reason.THROTTLED, str(code), wait, limit.scope, stops=limit.stops)


def _of_telegram(body: Any) -> float | None:
    parameters = body.get("parameters") if isinstance(body, dict) else None
    return seconds(parameters.get("retry_after")) if isinstance(parameters, dict) else None


def _of_matrix(body: Any) -> float | None:
    wait = _number(body.get("retry_after_ms")) if isinstance(body, dict) else None
    return None if wait is None else _bounded(wait / 1000)


def _of_meta(header: str) -> float | None:
    """The longest time that any of our accounts has to wait; the header tells it in minutes."""
    try:
        usage = orjson.loads(header) if header else {}
    except orjson.JSONDecodeError:
        return None
    entries = [entry for some in usage.values() for entry in some] if _is_usage(usage) else []
    minutes = [_number(entry.get("estimated_time_to_regain_access")) for entry in entries]
    longest = max((wait for wait in minutes if wait), default=0.0)
    return _bounded(longest * 60) if longest else None


def _is_usage(usage: Any) -> bool:
    return isinstance(usage, Mapping) and all(
        isinstance(some, list) and all(isinstance(entry, dict) for entry in some)
        for some in usage.values()
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if number == number else None  # not a number equals nothing


def _date(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _bounded(wait: float) -> float | None:
    """What is no time to wait, or asks for more than a day, is not believed."""
    return wait if 0 <= wait <= LONGEST else None
