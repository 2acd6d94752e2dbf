"""A request comes in: number, clock, and for an erasure the stop that must not wait."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import Controller, DataSubject, Request
from privacy.requests import deadlines
from privacy.requests.closing import close_unknown
from privacy.requests.notes import WISH, add_note
from privacy.requests.numbers import next_number
from privacy.requests.states import ANSWERED, advance
from privacy.requests.verbs import block_everywhere
from privacy.requests.watch import warn_others

LONGEST_WISH = 4000  # characters


@transaction.atomic
def open_request(
    *,
    subject: UUID | None,
    kind: str,
    origin: str,
    verified: bool,
    received_at: datetime,
    actor: Actor,
    channel_id: UUID | None = None,
    address_id: UUID | None = None,
) -> Request:
    """Write down what a person asks for; the clock runs from `received_at`.

    Asking again for what is still open returns the open request; if it was not proven and this is,
    it is proven now, and counts as made where it was proven. A verified request of somebody of
    whom nothing is stored (`subject` None) is answered with that and closed. A verified erasure
    stops everything that is under way to the person in the same transaction.
    """
    if actor.kind in ("staff", "token"):
        require(actor, "request.work")
    standing = _standing(subject, kind)
    if standing:
        if verified and not standing.is_verified:
            prove(
                standing, actor, origin=Request.Origin(origin), **_asked_at(channel_id, address_id)
            )
        return standing
    request = Request.objects.create(
        number=next_number(_local(received_at).year),
        kind=Request.Kind(kind),
        origin=Request.Origin(origin),
        subject=subject,
        channel=channel_id,
        address=address_id,
        is_verified=verified,
        received_at=received_at,
        due_at=due_at(received_at),
    )
    facts: dict[str, int | str | bool] = {"kind": kind, "origin": origin, "verified": verified}
    record("request.opened", actor=actor, obj="request", ref=request.pk, facts=facts)
    _begin(request, actor)
    return request


@transaction.atomic
def add_wish(*, request: Request, text: str, actor: Actor) -> None:
    """What the person wants corrected or restricted, in their own words; sealed."""
    held = Request.objects.select_for_update().get(pk=request.pk)
    if text.strip() and held.status not in ANSWERED:
        add_note(held, WISH, text[:LONGEST_WISH])
        record("request.noted", actor=actor, obj="request", ref=held.pk)


def due_at(
    received_at: datetime, *, months: int = deadlines.FIRST_MONTHS, paused: int = 0
) -> datetime:
    """The end of the term, by the controller's Land and time zone."""
    controller = Controller.objects.filter(pk=1).first()
    return deadlines.due_at(
        received_at,
        zone=settings.DISPLAY_TIME_ZONE,
        months=months,
        land=controller.land if controller else "",
        paused=paused,
    )


def prove(request: Request, actor: Actor, **changes: object) -> None:
    """It is known to be theirs: a clock that stood runs on, and what they want stopped stops.

    The caller holds the row or the person.
    """
    if request.status == Request.Status.VERIFYING:
        run_on(request, timezone.now(), is_verified=True, **changes)
    else:
        Request.objects.filter(pk=request.pk).update(is_verified=True, **changes)
        request.refresh_from_db()
    record("request.identity_proven", actor=actor, obj="request", ref=request.pk)
    if request.kind in STOPS:
        stop_at_once(request, actor)
    if request.subject:
        warn_others(request, actor)


def run_on(request: Request, now: datetime, **changes: object) -> None:
    """Start the clock again, later by the days that it stood still."""
    assert request.paused_at
    days = request.paused_days + max(0, (now - request.paused_at).days)
    months = deadlines.EXTENDED_MONTHS if request.extended_at else deadlines.FIRST_MONTHS
    advance(
        request,
        Request.Status.RECEIVED,
        proof_hash=None,
        paused_at=None,
        paused_days=days,
        due_at=due_at(request.received_at, months=months, paused=days),
        **changes,
    )


def _begin(request: Request, actor: Actor) -> None:
    if request.is_verified and request.subject is None:
        close_unknown(request, actor)
    elif request.is_verified:
        if request.kind in STOPS:
            stop_at_once(request, actor)
        warn_others(request, actor)


# What a person wants stopped, stops when the request is known to be theirs, not when we get to it.
STOPS = {
    Request.Kind.ERASURE: "erased",
    Request.Kind.RESTRICTION: "restricted",
    Request.Kind.OBJECTION: "objected",
}


def stop_at_once(request: Request, actor: Actor) -> None:
    """Stop everything to the person, and write it down."""
    facts: dict[str, int | str | bool] = {"closed": block(request)}
    record("request.blocked", actor=actor, obj="request", ref=request.pk, facts=facts)


def block(request: Request) -> int:
    """Close every gate of the person, empty their queue, restrict them; how many were open."""
    assert request.subject
    if request.kind != Request.Kind.OBJECTION:
        people = DataSubject.objects.filter(pk=request.subject, status=DataSubject.Status.ACTIVE)
        people.update(status=DataSubject.Status.RESTRICTED)
    return block_everywhere(request.subject, STOPS[Request.Kind(request.kind)])


def _standing(subject: UUID | None, kind: str) -> Request | None:
    """The same person's open request of this kind, if there is one; serialised by person."""
    if subject is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [str(subject)])
    open_ones = Request.objects.filter(subject=subject, kind=kind).exclude(status__in=ANSWERED)
    return open_ones.select_for_update().order_by("received_at").first()


def _asked_at(channel_id: UUID | None, address_id: UUID | None) -> dict[str, UUID]:
    """Where the person can be answered, as far as it is known."""
    given = {"channel": channel_id, "address": address_id}
    return {name: one for name, one in given.items() if one}


def _local(moment: datetime) -> datetime:
    return moment.astimezone(ZoneInfo(settings.DISPLAY_TIME_ZONE))
