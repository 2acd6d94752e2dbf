"""A rendered text with holes: filling it for one person is a join of prepared pieces.

A renderer writes a string in which `hole()` left marks; `Template` cuts it there once. What fills a
hole is cleaned and escaped for the very place it stands in, and never looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from messengers.contract import RenderError
from messengers.markdown import MARK, MARK_CLOSE, MARK_OPEN, is_safe_url
from messengers.placeholders import Slot, parse

Escape = Callable[[str], str]

# Control characters, direction overrides (a name could turn the rest of the line around), marks of
# our own, and doubled spaces.
_UNCLEAN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ue000\ue001]|\s\s"
)
_DROPPED = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ue000\ue001]"
)
# Values that are one line by nature; others (of replies) keep their line breaks.
ONE_LINE = frozenset({"first_name", "last_name", "newsletter"})
# What a value may need, when a text is measured before anybody's values are known.
ALLOWANCE = {"newsletter": 40, "preferences_url": 120, "unsubscribe_url": 120}


def one_line(value: str) -> str:
    """The value without control characters, on one line."""
    if not _UNCLEAN.search(value):
        return value.strip()
    return " ".join(_DROPPED.sub("", value).split())


def lines(value: str) -> str:
    """The value without control characters; its line breaks stay."""
    return "\n".join(one_line(line) for line in value.splitlines())


def web_address(value: str) -> str:
    """The value if it is a whole, safe link. Raises `RenderError`."""
    if not is_safe_url(value):
        raise RenderError("bad_link", "A placeholder for a link was given something else.")
    return value


@dataclass(frozen=True, slots=True)
class Hole:
    """One place to fill: which slot, and how its cleaned value is escaped there."""

    slot: Slot
    escape: Escape

    def default(self) -> str | None:
        """What stands there for somebody without this value; None if the text does not say."""
        fallback = self.slot.fallback
        return None if fallback is None else self.escape(one_line(fallback))

    @property
    def clean(self) -> Escape:
        """What makes any value fit to stand there."""
        if self.slot.is_url:
            return web_address
        return one_line if self.slot.name in ONE_LINE else lines


class Holes:
    """Collects the holes while a text is rendered."""

    def __init__(self) -> None:
        self._holes: list[Hole] = []

    def mark(self, slot: Slot, escape: Escape) -> str:
        """The mark to write where the value will stand."""
        self._holes.append(Hole(slot, escape))
        return f"{MARK_OPEN}{len(self._holes) - 1}{MARK_CLOSE}"

    def template(self, text: str) -> Template:
        """The text cut at its marks."""
        parts = MARK.split(text)
        return Template(parts[::2], [self._holes[int(number)] for number in parts[1::2]])


class Template:
    """Literal pieces with a hole between each two of them."""

    __slots__ = ("_holes", "_parts")

    def __init__(self, literals: list[str], holes: list[Hole]) -> None:
        self._parts = [""] * (2 * len(literals) - 1)
        self._parts[::2] = literals
        self._holes = [
            (2 * n + 1, hole.slot.name, hole.default(), hole.clean, hole.escape)
            for n, hole in enumerate(holes)
        ]

    @property
    def is_fixed(self) -> bool:
        """Whether it has no holes."""
        return not self._holes

    def fill(self, values: Mapping[str, str]) -> str:
        """The finished text. Raises `RenderError` for a missing value or an unusable link."""
        if not self._holes:
            return self._parts[0]
        parts = self._parts.copy()
        for index, name, default, clean, escape in self._holes:
            try:
                value = values[name]
            except KeyError:
                value = None
            if value:
                parts[index] = escape(clean(value))
            elif default is not None:
                parts[index] = default
            elif value is None:
                raise RenderError("missing_value", f"No value and no fallback for {{{name}}}.")
        return "".join(parts)

    def measure(self) -> str:
        """A text as long as it gets: fallbacks, and room for the values that have none."""
        parts = self._parts.copy()
        for index, name, default, _, _ in self._holes:
            parts[index] = max(default or "", "x" * ALLOWANCE.get(name, 0), key=len)
        return "".join(parts)


def plain(value: str) -> str:
    """No escaping: for places where text is only ever text (subjects, button labels)."""
    return value


def line_template(text: str, *, allowed: frozenset[str] | None = None) -> Template:
    """A one-line text with placeholders and no markup. Raises `PlaceholderErrors`."""
    holes = Holes()
    marked = [
        holes.mark(segment, plain) if isinstance(segment, Slot) else one_line_keep(segment)
        for segment in parse(text, allowed=allowed)
    ]
    return holes.template("".join(marked))


def one_line_keep(text: str) -> str:
    """A literal piece of one line: control characters gone, its outer spaces kept."""
    return re.sub(r"\s+", " ", _DROPPED.sub("", text))
