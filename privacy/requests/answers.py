"""Answering an access request: make the package, look at it, hand it over."""

from django.db import transaction
from django.utils import timezone, translation

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import ExportPackage, Request
from privacy.requests.closing import close_request, finish
from privacy.requests.delivery import answer, day_of, link_to
from privacy.requests.errors import (
    IllegalTransition,
    NobodyConcerned,
    NothingToDeliver,
    NotVerified,
    WrongKind,
)
from privacy.requests.export import package as packages
from privacy.requests.export.collect import collect
from privacy.requests.export.language import language_of
from privacy.requests.states import TRANSITIONS, Status, advance
from privacy.vault import new_token, token_hash

PACKAGED = (Request.Kind.ACCESS, Request.Kind.PORTABILITY)
Outcome = Request.Outcome


def complete_access(*, request: Request, actor: Actor) -> ExportPackage:
    """Make the package and hand it over, for whoever needs no look at it in between."""
    make_package(request=request, actor=actor)
    return deliver_package(request=request, actor=actor)


def make_package(*, request: Request, actor: Actor) -> ExportPackage:
    """Gather everything and seal it into a file; the request waits for a look by the DPO.

    An earlier package of the request goes. Nothing is sent yet. Raises `NobodyConcerned`,
    `NotVerified` or `WrongKind`. A crash leaves at most a file that nobody can open or find.
    """
    require(actor, "person.export")
    request.refresh_from_db()
    _check(request)
    assert request.subject
    data = collect(request)
    with translation.override(language_of(data)):
        packed = packages.build(data)
    made = packages.store(request.subject, packed)
    with transaction.atomic():
        held = Request.objects.select_for_update().get(pk=request.pk)
        for earlier in held.packages.filter(destroyed_at=None):
            packages.destroy(earlier)
        _save(made, held, packed)
        advance(held, Status.REVIEW)
        _record_made(made, actor)
    request.refresh_from_db()
    return made


@transaction.atomic
def deliver_package(*, request: Request, actor: Actor) -> ExportPackage:
    """Send the person the link to their package: seven days, one download. The clock stops."""
    require(actor, "person.export")
    held = Request.objects.select_for_update().get(pk=request.pk)
    package = held.packages.filter(destroyed_at=None).order_by("-created_at").first()
    if package is None or held.subject is None:
        raise NothingToDeliver
    token = new_token()
    package.token_hash = token_hash("package", token)
    package.expires_at = timezone.now() + packages.TERM
    package.save(update_fields=["token_hash", "expires_at"])
    advance(held, Status.DELIVERED, outcome=Outcome.FULFILLED, closed_at=timezone.now())
    answer(
        held.subject,
        "package_ready",
        number=held.number,
        link=link_to("package", token),
        until=day_of(package.expires_at),
    )
    record("request.delivered", actor=actor, obj="request", ref=held.pk)
    request.refresh_from_db()
    return package


def fetch_package(*, token: str) -> tuple[ExportPackage, bytes]:
    """The person's one download; `PackageGone` for everybody who comes later."""
    with transaction.atomic():
        package, packed = packages.take(token)
        actor = Actor.subscriber(package.subject)
        record("package.downloaded", actor=actor, obj="request", ref=package.request_id)
        if package.request.status == Status.DELIVERED:
            _close(package.request, actor)
    return package, packed


def read_package(*, package: ExportPackage, purpose: str, actor: Actor) -> bytes:
    """The DPO's own look at a package: as often as needed, each time with a purpose in the log."""
    require(actor, "person.export")
    with transaction.atomic():
        packed = packages.read(package)
        facts: dict[str, int | str | bool] = {"request": str(package.request_id)}
        record(
            "person.exported",
            actor=actor,
            obj="person",
            ref=package.subject,
            purpose=purpose,
            facts=facts,
        )
    return packed


def close_delivered() -> int:
    """Close what was delivered and can no longer be fetched; how many."""
    over = packages.unclosed(timezone.now())
    for request in over:
        with transaction.atomic():
            held = Request.objects.select_for_update().get(pk=request.pk)
            if held.status == Status.DELIVERED:
                _close(held, Actor.system("requests"))
    return len(over)


def refuse(*, request: Request, reasons: str, actor: Actor) -> Request:
    """Refuse, with reasons that are kept and told (Art. 12(4), 12(5)). Never automatic."""
    return close_request(request=request, outcome=Outcome.REFUSED, reasons=reasons, actor=actor)


def _check(request: Request) -> None:
    if request.kind not in PACKAGED:
        raise WrongKind
    if Status.REVIEW not in TRANSITIONS[request.status]:
        raise IllegalTransition
    if request.subject is None:
        raise NobodyConcerned
    if not request.is_verified:
        raise NotVerified


def _save(made: ExportPackage, request: Request, packed: bytes) -> None:
    """Store the row. Until delivery its link is a token that nobody ever saw."""
    made.request = request
    made.sha256 = packages.digest(packed)
    made.token_hash = token_hash("package", new_token())
    made.expires_at = timezone.now() + packages.TERM
    made.save(force_insert=True)


def _record_made(made: ExportPackage, actor: Actor) -> None:
    facts: dict[str, int | str | bool] = {"bytes": made.size_bytes, "sha256": made.sha256}
    record("package.made", actor=actor, obj="request", ref=made.request_id, facts=facts)


def _close(request: Request, actor: Actor) -> None:
    """The outcome stands since delivery; closing only says that nothing more will happen."""
    answered_at = request.closed_at
    finish(request, request.outcome, actor)
    Request.objects.filter(pk=request.pk).update(closed_at=answered_at)
