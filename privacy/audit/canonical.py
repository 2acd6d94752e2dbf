"""One spelling for each statement, so that its hash means something years later.

JSON with sorted keys, no spaces, Unicode as such and in NFC; only text, whole numbers, yes and no,
lists and objects of these. No fractions and no nulls, because programs disagree about how they are
written. Times are RFC 3339 in UTC with milliseconds.
"""

import json
import unicodedata
from datetime import UTC, datetime
from uuid import UUID

Canonical = str | int | bool | datetime | UUID | list["Canonical"] | dict[str, "Canonical"]


def canonical(value: object) -> bytes:
    """The bytes of `value`; `TypeError` for anything that has no single spelling."""
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def timestamp(moment: datetime) -> str:
    """`2026-11-21T20:15:00.123Z`; `TypeError` for a time without a zone."""
    if moment.tzinfo is None:
        raise TypeError("a time needs its zone: use django.utils.timezone.now().")
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def _plain(value: object) -> object:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, bool | int):
        return value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return _plain_object(value)
    raise TypeError(f"{type(value).__name__} has no canonical form.")


def _plain_object(value: dict[object, object]) -> dict[str, object]:
    plain: dict[str, object] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError("the keys of an object are texts.")
        plain[unicodedata.normalize("NFC", key)] = _plain(item)
    if len(plain) != len(value):
        raise TypeError("two keys have the same canonical form.")
    return plain
