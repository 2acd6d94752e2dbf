"""Every place that could hold something of a person, each read in slices."""

from collections.abc import Iterator

from privacy.requests.erasure.places.base import Look, Place, Seekers
from privacy.requests.erasure.places.folders import folders
from privacy.requests.erasure.places.memory import memories
from privacy.requests.erasure.places.sealed import sealed_columns
from privacy.requests.erasure.places.tables import tables_of

__all__ = ["Look", "Place", "Seekers", "all_places", "kinds_of"]


def all_places() -> list[Place]:
    """In the order of their names, which is the order in which a sweep reads them."""
    return sorted(_each(), key=lambda place: place.name)


def kinds_of(places: list[Place]) -> list[str]:
    """What was looked at, for the certificate: `tables`, `keystore`, `exports` …"""
    return sorted({place.kind for place in places})


def _each() -> Iterator[Place]:
    yield from tables_of("default", "tables")
    yield from tables_of("keystore", "keystore")
    yield from sealed_columns()
    yield from folders()
    yield from memories()
