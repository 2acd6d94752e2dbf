"""What a place is: something with a name that can be read slice by slice."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from privacy.requests.erasure.needles import Sought
from privacy.requests.erasure.spellings import Finder

Whose = Hashable


class Seekers:
    """What several erasures look for together: identifiers in all spellings, numbers of rows."""

    def __init__(self, sought: Mapping[Any, Sought]) -> None:
        self.finder = Finder({whose: one.identifiers for whose, one in sought.items()})
        self.rows: dict[UUID, set[Whose]] = {}
        for whose, one in sought.items():
            for row in one.rows:
                self.rows.setdefault(row, set()).add(whose)

    def owners_of(self, rows: Iterable[UUID]) -> set[Whose]:
        return {whose for row in rows for whose in self.rows.get(row, ())}


@dataclass(frozen=True)
class Look:
    """What one slice has shown. `at`: where to go on, None at the end of the place."""

    found: frozenset[Whose]
    at: str | None
    size: int


class Place(Protocol):
    """`name` is shown where something was found; it never holds anything of a person."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    def size(self) -> int:
        """About how many bytes there are to read."""
        ...

    def look(self, at: str, seekers: Seekers) -> Look:
        """Read one slice from `at` on; an empty text is the beginning."""
        ...
