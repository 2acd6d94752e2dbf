"""What the floors above have: channels, newsletters, broadcasts. They tell it by fixed verbs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from privacy import inventory

CHANNEL: Final = "channel"
NEWSLETTER: Final = "newsletter"
BROADCAST: Final = "broadcast"


@dataclass(frozen=True)
class Place:
    """Something through which people's data went. `detail` of a channel is its messenger's kind."""

    kind: str
    ref: UUID
    name: str
    detail: str = ""
    is_stopped: bool = False


def places(kind: str = "") -> list[Place]:
    """All there are, or those of one kind, by name."""
    found = [place for place in _asked() if not kind or place.kind == kind]
    return sorted(found, key=lambda place: (place.kind, place.name, str(place.ref)))


def _asked() -> Iterator[Place]:
    for app in inventory.apps():
        told = inventory.verb(app, "offers")
        if told is not None:
            yield from (Place(*facts) for facts in told())


def people_of(
    kind: str, ref: UUID, since: datetime | None = None, until: datetime | None = None
) -> set[UUID]:
    """Whose data went through it in that time, as far as it is still known."""
    found: set[UUID] = set()
    for app in inventory.apps():
        told = inventory.verb(app, "people_of")
        if told is not None:
            found |= set(told(kind, ref, since, until))
    return found


def newest_id_of(moment: datetime) -> UUID:
    """The largest id that a row made at `moment` can have: ids are ordered by time (RFC 9562)."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=(milliseconds & ((1 << 48) - 1)) << 80 | ((1 << 80) - 1))
