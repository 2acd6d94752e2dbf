"""How long a session lives: idle, and at all. Whoever sees people is signed out sooner."""

import time
from dataclasses import dataclass

from django.http import HttpRequest

from privacy.access.actors import Actor
from privacy.access.doors import can

BEGAN, SEEN = "jawort_began", "jawort_seen"
# How exactly we remember the last act: one write per minute, not one per request.
STEP_SECONDS = 60


@dataclass(frozen=True)
class Ages:
    idle_seconds: int
    absolute_seconds: int


STAFF = Ages(idle_seconds=30 * 60, absolute_seconds=12 * 3600)
SEES_PEOPLE = Ages(idle_seconds=15 * 60, absolute_seconds=8 * 3600)


def begin(request: HttpRequest) -> None:
    """A sign-in starts both clocks."""
    request.session[BEGAN] = request.session[SEEN] = int(time.time())


def is_over(request: HttpRequest, actor: Actor) -> bool:
    """Whether this session has lived too long or has been idle too long."""
    ages = SEES_PEOPLE if can(actor, "person.read") else STAFF
    now = int(time.time())
    began, seen = int(request.session.get(BEGAN, 0)), int(request.session.get(SEEN, 0))
    return now - began >= ages.absolute_seconds or now - seen >= ages.idle_seconds


def renew(request: HttpRequest) -> None:
    """Somebody did something. A page that reloads a part of itself does not count."""
    asks_by_itself = request.method == "GET" and "HX-Request" in request.headers
    now = int(time.time())
    if not asks_by_itself and now - request.session.get(SEEN, 0) >= STEP_SECONDS:
        request.session[SEEN] = now
