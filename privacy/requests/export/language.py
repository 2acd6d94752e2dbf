"""Which language a person reads, as far as their own data say so."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings


def language_of(data: dict[str, Any]) -> str:
    """The first language that any row of the person names; else that of the installation."""
    offered = {code for code, _name in settings.LANGUAGES}
    named = (str(row.get("language", "")) for row in _rows(data["data"]))
    return next((language for language in named if language in offered), settings.LANGUAGE_CODE)


def _rows(data: dict[str, dict[str, list[dict[str, Any]]]]) -> Iterator[dict[str, Any]]:
    for tables in data.values():
        for rows in tables.values():
            yield from rows
