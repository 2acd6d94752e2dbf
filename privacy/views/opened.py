"""Who is open in this session, for which purpose and how long; and rows of theirs as words."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone

from privacy.requests.export.labels import label, value_text
from privacy.requests.export.words import decoded

# How long a person stays open after a purpose was chosen; then it has to be chosen again.
OPEN_SECONDS = 15 * 60
SESSION_KEY = "opened_people"


def opened_for(request: HttpRequest, subject: UUID) -> str:
    """The purpose this person is open for now; "" if they are masked."""
    return str(_still_open(request).get(str(subject), [""])[0])


def open_for(request: HttpRequest, subject: UUID, purpose: str) -> None:
    opened = _still_open(request)
    opened[str(subject)] = [purpose, timezone.now().timestamp()]
    request.session[SESSION_KEY] = opened


def mask(request: HttpRequest, subject: UUID) -> None:
    opened = _still_open(request)
    opened.pop(str(subject), None)
    request.session[SESSION_KEY] = opened


def facts_of(row: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, value) of what is not empty, in words."""
    return [
        (label(key), value_text(decoded(key, value)))
        for key, value in row.items()
        if value not in (None, "", [], {})
    ]


def _still_open(request: HttpRequest) -> dict[str, list[Any]]:
    kept: dict[str, list[Any]] = request.session.get(SESSION_KEY, {})
    now = timezone.now().timestamp()
    return {one: opened for one, opened in kept.items() if now - opened[1] < OPEN_SECONDS}
