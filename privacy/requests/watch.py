"""Watching over a request: every other channel of the person hears of it and can stop it.

Whoever holds one channel need not be the person: numbers are given to others, and SIM cards are
swapped. What is asked for on one channel is therefore told on all others that we know.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from privacy.access import Actor
from privacy.audit import record
from privacy.models import Request
from privacy.requests.closing import finish
from privacy.requests.delivery import answer, link_to
from privacy.requests.errors import TooLateToStop
from privacy.requests.export import package as packages
from privacy.requests.states import Status
from privacy.requests.verbs import contacts_of
from privacy.vault import LinkExpired, LinkInvalid, read_link, sign_link

PURPOSE = "not-me"
TERM = timedelta(days=30)
NEVER = "9999-12-31T00:00:00+00:00"


def other_contacts(request: Request) -> list[Any]:
    """The person's contact points other than the one where the request was made or proven."""
    if request.subject is None:
        return []
    points = contacts_of(request.subject)
    if request.address is None:
        return points[:-1]  # an answer goes to the last one, so that one knows already
    return [point for point in points if point.address_id != request.address]


def warn_others(request: Request, actor: Actor) -> int:
    """Tell every other channel, with the link that stops it; how many channels. The caller's
    transaction sends it.
    """
    assert request.subject
    others = other_contacts(request)
    for point in others:
        token = sign_link(PURPOSE, request.pk, timezone.now() + TERM)
        answer(
            request.subject,
            "not_me",
            address=point.address_id,
            number=request.number,
            kind=request.kind,
            link=link_to("not_me", token),
        )
    if others:
        facts: dict[str, int | str | bool] = {"channels": len(others)}
        record("request.others_told", actor=actor, obj="request", ref=request.pk, facts=facts)
    return len(others)


def watched_by(token: str) -> Request | None:
    """The request that this link may stop."""
    try:
        pk: UUID = read_link(PURPOSE, token)
    except (LinkInvalid, LinkExpired):
        return None
    return Request.objects.filter(pk=pk).first()


def may_stop(request: Request) -> bool:
    """Until the answer was fetched or the erasure has begun to delete."""
    if request.status == Status.CLOSED:
        return False
    if request.status == Status.DELIVERED:
        return request.packages.filter(downloaded_at=None, destroyed_at=None).exists()
    return not request.steps.filter(name="verify", done_at__isnull=False).exists()


@transaction.atomic
def stop_forged(*, request: Request) -> Request:
    """ "This was not me": nothing leaves, nothing is erased, and the request is closed.

    Whoever says so holds another channel of the same person, so their word stands against that of
    the one who asked; the officer sees both. Raises `TooLateToStop`.
    """
    held = Request.objects.select_for_update().get(pk=request.pk)
    if not may_stop(held):
        raise TooLateToStop
    assert held.subject
    for package in held.packages.filter(destroyed_at=None):
        packages.destroy(package)
    for step in held.steps.filter(name="verify", done_at=None):
        step.facts |= {"from": NEVER, "stopped": True}
        step.save(update_fields=["facts"])
    actor = Actor.subscriber(held.subject)
    record("request.identity_denied", actor=actor, obj="request", ref=held.pk, result="stopped")
    finish(held, Request.Outcome.NOT_IDENTIFIED, actor)
    return held
