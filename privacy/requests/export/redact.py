"""Taking out what concerns somebody else (Art. 15(4) GDPR): a person decides what that is."""

import re
from collections.abc import Collection
from typing import Any

INSTEAD = "[…]"


def redacted(data: dict[str, Any], words: Collection[str]) -> dict[str, Any]:
    """`data` with each of `words` blotted out of its texts, however they are written.

    Only of what is stored, never of keys or of what we say ourselves; `redactions` counts them.
    """
    wanted = sorted({word.strip() for word in words if word.strip()}, key=len, reverse=True)
    if not wanted:
        return data
    pattern = re.compile("|".join(map(re.escape, wanted)), re.IGNORECASE)
    blot = _Blot(pattern)
    return {
        **data,
        "data": blot.out(data["data"]),
        "portable": blot.out(data["portable"]),
        "redactions": blot.count,
    }


class _Blot:
    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern
        self.count = 0

    def out(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.out(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.out(item) for item in value]
        if not isinstance(value, str):
            return value
        text, count = self.pattern.subn(INSTEAD, value)
        self.count += count
        return text
