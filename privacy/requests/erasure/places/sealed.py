"""What the house itself can open: values sealed for the installation, and sessions.

Sealed bytes show nothing to whoever reads a table, but whoever holds the root key reads a note of
staff or an uploaded list: an erased person must not stand in there either.
"""

import base64
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps as django_apps
from django.contrib.sessions.models import Session
from django.db import models

from privacy.access.sessions import PLACE as SESSION
from privacy.inventory import Field, Klass
from privacy.requests.erasure.places.base import Look, Seekers, Whose
from privacy.requests.erasure.places.tables import classification
from privacy.vault import SealBroken, Where, open_system
from privacy.vault.envelope import VERSION, Kind

logger = logging.getLogger("jawort.requests")
ROWS_AT_A_TIME = 200
ABOUT_BYTES = 1000  # what a value is taken to be, for the progress bar
BY_THE_HOUSE = bytes((VERSION, Kind.SYSTEM))


@dataclass(frozen=True)
class SealedColumn:
    """A column of values that the key of the installation opens."""

    model: type[models.Model]
    column: str
    kind: str = "sealed"

    @property
    def name(self) -> str:
        return f"sealed in {self.model._meta.db_table}"

    def size(self) -> int:
        return self._rows().count() * ABOUT_BYTES

    def look(self, at: str, seekers: Seekers) -> Look:
        rows = self._rows()
        if at:
            rows = rows.filter(pk__gt=at)
        some = list(rows.values_list("pk", self.column)[:ROWS_AT_A_TIME])
        found: set[Whose] = set()
        size = 0
        for pk, sealed in some:
            plain = self._opened(pk, sealed)
            found |= seekers.finder.in_writing(plain)
            size += len(plain)
        is_end = len(some) < ROWS_AT_A_TIME
        return Look(frozenset(found), None if is_end else str(some[-1][0]), size)

    def _rows(self) -> "models.QuerySet[models.Model]":
        every = self.model._default_manager.exclude(**{self.column: None})
        return every.order_by("pk")

    def _opened(self, pk: object, sealed: bytes | str) -> bytes:
        """Empty for what another key seals: that one is a person's, and has its own end."""
        if self.model is Session:
            place, raw = SESSION, _decoded(str(sealed))
        else:
            assert not isinstance(sealed, str)
            place, raw = Where(self.model._meta.db_table, self.column, pk), bytes(sealed)  # type: ignore[arg-type]
        if not raw.startswith(BY_THE_HOUSE):
            return b""
        try:
            return open_system(place, raw)
        except SealBroken:
            logger.warning("a sealed value was not read", extra={"place": self.name})
            return b""


def sealed_columns() -> Iterator[SealedColumn]:
    """By the inventory: what is sealed and about people, but for the accounts of staff."""
    known = classification()
    for model in django_apps.get_models():
        for field in model._meta.local_concrete_fields:
            said = known.get((model._meta.db_table, str(field.column)))
            is_theirs = isinstance(said, Field) and said.sealed and said.klass != Klass.STAFF
            if is_theirs and isinstance(field, models.BinaryField) and field.column:
                yield SealedColumn(model, field.column)
    yield SealedColumn(Session, "session_data", "sessions")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""
