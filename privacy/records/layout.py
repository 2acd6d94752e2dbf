"""The shape that register, assessment and report share: sections of rows of lines.

A document is plain data, the same for page, PDF and JSON, so that what is read is what is stored.
Keys are the same in every language; a comparison goes by them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

SCHEMA = "jawort/record/1"


@dataclass
class Row:
    key: str
    label: str
    items: list[str] = field(default_factory=list)


@dataclass
class Section:
    key: str
    title: str
    rows: list[Row] = field(default_factory=list)

    def add(self, key: str, label: str, items: Iterable[str] | str) -> None:
        """A row; empty lines are left out, and so is a row without any."""
        lines = [items] if isinstance(items, str) else list(items)
        kept = [line.strip() for line in lines if line.strip()]
        if kept:
            self.rows.append(Row(key, label, kept))


@dataclass
class Document:
    kind: str
    language: str
    title: str
    sections: list[Section] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "language": self.language,
            "title": self.title,
            "sections": [
                {
                    "key": section.key,
                    "title": section.title,
                    "rows": [
                        {"key": row.key, "label": row.label, "items": row.items}
                        for row in section.rows
                    ],
                }
                for section in self.sections
                if section.rows
            ],
        }


@dataclass(frozen=True)
class Change:
    """One row that reads otherwise: what it said and what it says."""

    section: str
    row: str
    removed: list[str]
    added: list[str]


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """What differs between two documents of one kind and language, row by row, line by line."""
    old, new = _rows(before), _rows(after)
    changes = []
    for place in dict.fromkeys([*new, *old]):
        was, now = old.get(place, ("", "", [])), new.get(place, ("", "", []))
        removed = [line for line in was[2] if line not in now[2]]
        added = [line for line in now[2] if line not in was[2]]
        if removed or added:
            changes.append(Change(now[0] or was[0], now[1] or was[1], removed, added))
    return changes


def _rows(document: dict[str, Any]) -> dict[tuple[str, str], tuple[str, str, list[str]]]:
    return {
        (section["key"], row["key"]): (section["title"], row["label"], row["items"])
        for section, row in _pairs(document)
    }


def _pairs(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for section in document.get("sections", []):
        for row in section["rows"]:
            yield section, row


def lines_of(document: dict[str, Any], section: str, row: str) -> list[str]:
    """The lines of one row; none if there is no such row."""
    return _rows(document).get((section, row), ("", "", []))[2]
