"""What may stand in an audit entry: small words, ids and counts. Nobody's name, number or text."""

import re
from uuid import UUID

from privacy.audit.errors import NotForTheLog

WORD = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,63}")
FACT = re.compile(r"[a-z][a-z0-9_]{0,31}")
ACTION = re.compile(r"[a-z_]+(\.[a-z_]+)+")
HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
REQUEST_NUMBER = re.compile(r"20\d{2}-\d{4,6}")
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}t\d{2}:\d{2}:\d{2}(\.\d{3})?z")
# The shortest run of digits that could be somebody's telephone number.
PHONE_DIGITS = re.compile(r"\d{7}")
LARGEST_COUNT = 2**31


def action(text: str) -> str:
    """Such as `request.received`: what it was about, and what happened, in the past."""
    if len(text) > 64 or not ACTION.fullmatch(text):
        raise NotForTheLog("an action is written like `request.received`.")
    return text


def word(name: str, text: str, *, may_be_empty: bool = False) -> str:
    """A word of ours: lower case, no spaces, and not a number somebody could be called at."""
    if not text and may_be_empty:
        return text
    if _is_id(text) or (WORD.fullmatch(text) and not _could_be_a_phone_number(text)):
        return text
    raise NotForTheLog(f"{name} must be one short lower-case word, an id or a hash.")


def facts(given: dict[str, int | str | bool]) -> dict[str, int | str | bool]:
    """The facts, each checked; the error names the fact and not its value."""
    for name, value in given.items():
        if not FACT.fullmatch(name):
            raise NotForTheLog("the name of a fact is one short lower-case word.")
        if isinstance(value, str):
            word(f"the fact {name}", value)
        elif not isinstance(value, int) or abs(value) >= LARGEST_COUNT:
            raise NotForTheLog(f"the fact {name} must be a word, a count, or yes or no.")
    return given


def _is_id(text: str) -> bool:
    if any(shape.fullmatch(text) for shape in (HASH, DATE, MOMENT, REQUEST_NUMBER)):
        return True
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _could_be_a_phone_number(text: str) -> bool:
    return PHONE_DIGITS.search(re.sub(r"[_.:-]", "", text)) is not None
