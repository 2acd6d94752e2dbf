"""The closed placeholder grammar: `{name}`, `{name|fallback}`, and `{{` for a literal brace.

There is no expression, no attribute, no format and no nesting, so that neither an editor's slip
nor a subscriber's name can ever be evaluated. A name is one of a fixed list; a fallback is plain
text up to the closing brace. A lone `}` stays what it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

NAMES = frozenset({"first_name", "last_name", "newsletter", "preferences_url", "unsubscribe_url"})
# Not everybody told a name, so a text that uses one has to say what stands there instead.
OPTIONAL = frozenset({"first_name", "last_name"})
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
FALLBACK_MAX = 100


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a value. `fallback` is None when the text gives none."""

    name: str
    fallback: str | None = None

    @property
    def is_url(self) -> bool:
        """Whether the value is a whole web address."""
        return self.name.endswith("_url")


Segment = str | Slot


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake: `position` counts characters from 0, `line` and `column` from 1."""

    code: str
    position: int
    line: int
    column: int
    found: str
    allowed: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(self.allowed)
        return (
            f"line {self.line}, column {self.column}: {_MESSAGES[self.code]} "
            f"Allowed names: {names}; write {{{{ for a brace."
        )


_MESSAGES = {
    "unclosed": "A placeholder is opened with { and never closed.",
    "bad_name": "A placeholder needs a name of small letters, like {first_name}.",
    "unknown_name": "There is no placeholder of this name.",
    "bad_fallback": f"A fallback is plain text without braces, at most {FALLBACK_MAX} characters.",
    "double_braces": "A placeholder has single braces.",
}


class PlaceholderErrors(ValueError):
    """The text does not follow the grammar; `faults` lists every mistake in order."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(faults)


def parse(text: str, *, allowed: Collection[str] | None = NAMES) -> tuple[Segment, ...]:
    """Split `text` into literal strings and slots; adjacent literals are one.

    `allowed=None` takes any well-formed name (replies bring their own values). Raises
    `PlaceholderErrors` with all mistakes.
    """
    segments: list[Segment] = []
    faults: list[Fault] = []
    literal: list[str] = []
    position = 0
    while (brace := text.find("{", position)) >= 0:
        literal.append(text[position:brace])
        if text.startswith("{{", brace):
            if code := _double(text, brace, allowed):
                faults.append(_fault(code, text, brace, allowed))
            literal.append("{")
            position = brace + 2
            continue
        end = text.find("}", brace)
        slot = _slot(text[brace + 1 : end] if end >= 0 else None, allowed)
        if isinstance(slot, Slot):
            segments += (*_joined(literal), slot)
            position = end + 1
        else:
            faults.append(_fault(slot, text, brace, allowed))
            position = brace + 1
    if faults:
        raise PlaceholderErrors(faults)
    literal.append(text[position:])
    return (*segments, *_joined(literal))


def escape(text: str) -> str:
    """`text` so that `parse` gives it back as one literal."""
    return text.replace("{", "{{")


def _joined(literal: list[str]) -> list[str]:
    """The collected literal as a list of one string, or none; empties the collection."""
    text = "".join(literal)
    literal.clear()
    return [text] if text else []


def _slot(inner: str | None, allowed: Collection[str] | None) -> Slot | str:
    """The slot between the braces, or the code of what is wrong with it."""
    if inner is None:
        return "unclosed"
    name, bar, fallback = inner.partition("|")
    if not NAME.fullmatch(name):
        return "bad_name"
    if allowed is not None and name not in allowed:
        return "unknown_name"
    if "{" in fallback or "\n" in fallback or len(fallback) > FALLBACK_MAX:
        return "bad_fallback"
    return Slot(name, fallback if bar else None)


def _double(text: str, brace: int, allowed: Collection[str] | None) -> str:
    """Recognise `{{first_name}}`, as other systems write it: it would show up as text."""
    end = text.find("}}", brace)
    name = text[brace + 2 : end].strip().partition("|")[0] if end >= 0 else ""
    return "double_braces" if name in (NAMES if allowed is None else allowed) else ""


def _fault(code: str, text: str, position: int, allowed: Collection[str] | None) -> Fault:
    before = text[:position]
    return Fault(
        code=code,
        position=position,
        line=before.count("\n") + 1,
        column=position - (before.rfind("\n") + 1) + 1,
        found=text[position : position + 30].split("\n")[0],
        allowed=tuple(sorted(NAMES if allowed is None else allowed)),
    )
