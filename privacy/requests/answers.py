"""Answering an access request: make the package, look at it, hand it over."""

import secrets
from collections.abc import Callable, Collection
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import ExportPackage, Request
from privacy.requests import approvals, quota
from privacy.requests.closing import finish
from privacy.requests.delivery import answer, day_of, link_to, tell
from privacy.requests.errors import (
    IllegalTransition,
    NobodyConcerned,
    NotApproved,
    NothingToDeliver,
    NotVerified,
    WrongKind,
)
from privacy.requests.export import package as packages
from privacy.requests.export.collect import collect
from privacy.requests.export.language import language_of
from privacy.requests.export.redact import redacted
from privacy.requests.states import TRANSITIONS, Status, advance
from privacy.requests.watch import other_contacts
from privacy.retention.rules import ends_at
from privacy.vault import new_token, token_hash

PACKAGED = (Request.Kind.ACCESS, Request.Kind.PORTABILITY)
Outcome = Request.Outcome


def complete_access(*, request: Request, actor: Actor) -> ExportPackage:
    """Make the package and hand it over, for whoever needs no look at it in between."""
    make_package(request=request, actor=actor)
    return deliver_package(request=request, actor=actor)


def make_package(
    *,
    request: Request,
    actor: Actor,
    redact: Collection[str] = (),
    progress: Callable[[int], object] = lambda percent: None,
    on_made: Callable[[], object] = lambda: None,
) -> ExportPackage:
    """Gather everything and seal it into a file; the request waits for a look by the DPO.

    `redact`: words that concern somebody else and are blotted out (Art. 15(4)). An earlier package
    of the request goes. Nothing is sent yet. Raises `NobodyConcerned`, `NotVerified`, `WrongKind`
    or `QuotaReached`. A crash leaves at most a file that nobody can open or find. `on_made` is
    called in the transaction that stores the package.
    """
    require(actor, "person.export")
    request.refresh_from_db()
    check_package(request)
    quota.spend(actor)
    assert request.subject
    progress(5)
    data = redacted(collect(request), redact)
    progress(40)
    made, packed = _sealed(request, data)
    progress(90)
    with transaction.atomic():
        held = Request.objects.select_for_update().get(pk=request.pk)
        on_made()
        for earlier in held.packages.filter(destroyed_at=None):
            packages.destroy(earlier)
        _save(made, held, packed)
        advance(held, Status.REVIEW)
        _record_made(made, actor, data["redactions"])
        if needs_second(made):
            approvals.ask(EXPORT, made.pk, actor, {"request": held.number, "sha256": made.sha256})
    request.refresh_from_db()
    return made


@transaction.atomic
def deliver_package(*, request: Request, actor: Actor, without_code: bool = False) -> ExportPackage:
    """Send the person the link to their package: seven days, one download. The clock stops.

    Somebody with several channels needs a code besides, which goes to the others; `without_code`
    if they have lost those. That, and a request which did not come from a channel of theirs, needs
    a second person: `NotApproved`.
    """
    require(actor, "person.export")
    held = Request.objects.select_for_update().get(pk=request.pk)
    package = held.packages.filter(destroyed_at=None).order_by("-created_at").first()
    if package is None or held.subject is None:
        raise NothingToDeliver
    others = other_contacts(held)
    if needs_second(package) or (others and without_code):
        _demand_approval(package, actor)
    token = new_token()
    package.token_hash = token_hash("package", token)
    package.expires_at = ends_at("export_package", timezone.now())
    package.code_hash = None if without_code else _send_code(held, package, others)
    package.save(update_fields=["token_hash", "expires_at", "code_hash"])
    advance(held, Status.DELIVERED, outcome=Outcome.FULFILLED, closed_at=timezone.now())
    tell(
        held,
        "package_ready",
        link=link_to("package", token),
        until=day_of(package.expires_at),
        has_code="yes" if package.code_hash else "",
    )
    facts: dict[str, int | str | bool] = {"code": bool(package.code_hash)}
    record("request.delivered", actor=actor, obj="request", ref=held.pk, facts=facts)
    request.refresh_from_db()
    return package


@transaction.atomic
def ask_without_code(*, request: Request, actor: Actor) -> approvals.Approval:
    """The person has lost the other channel: may the package leave without its code?"""
    require(actor, "person.export")
    package = request.packages.filter(destroyed_at=None).order_by("-created_at").first()
    if package is None:
        raise NothingToDeliver
    return approvals.ask(EXPORT, package.pk, actor, {"request": request.number, "code": False})


def needs_second(package: ExportPackage) -> bool:
    """Whether a second person has to agree before it leaves: staff entered the request."""
    return package.request.origin == Request.Origin.STAFF


def is_held_back(package: ExportPackage) -> bool:
    """Whether a second person is being waited for."""
    return needs_second(package) and not approvals.is_approved(EXPORT, package.pk)


def fetch_package(*, token: str, code: str = "") -> tuple[ExportPackage, bytes]:
    """The person's one download; `PackageGone` for everybody who comes later.

    `WrongCode` where one was sent to the person's other channels; the fifth destroys the package.
    """
    packages.check_code(token, code)
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
    quota.spend(actor)
    with transaction.atomic():
        packed = packages.staff_copy(packages.read(package), package.request.number, str(actor))
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


EXPORT = "export.staff"
CODE_DIGITS = 8


def _page_of(ref: str) -> str:
    package = ExportPackage.objects.filter(pk=ref).first()
    return reverse("privacy:request", args=[package.request_id]) if package else ""


approvals.register(EXPORT, _("Give out a package"), page=_page_of)


def _demand_approval(package: ExportPackage, actor: Actor) -> None:
    if not approvals.is_approved(EXPORT, package.pk):
        raise NotApproved


def _send_code(request: Request, package: ExportPackage, others: list[Any]) -> bytes | None:
    """A code to every other channel of the person; what is kept of it. None if there is none."""
    if not others or request.subject is None:
        return None
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    for point in others:
        answer(
            request.subject,
            "package_code",
            address=point.address_id,
            number=request.number,
            code=code,
        )
    return packages.code_hash(package, code)


def check_package(request: Request) -> None:
    """Raise unless a package may be made for the request as it stands."""
    if request.kind not in PACKAGED:
        raise WrongKind
    if Status.REVIEW not in TRANSITIONS[request.status]:
        raise IllegalTransition
    if request.subject is None:
        raise NobodyConcerned
    if not request.is_verified:
        raise NotVerified


def _sealed(request: Request, data: dict[str, Any]) -> tuple[ExportPackage, bytes]:
    """The package as a sealed file with its row, not yet saved; and the ZIP."""
    assert request.subject
    with translation.override(language_of(data)):
        is_portable = request.kind == Request.Kind.PORTABILITY
        packed = packages.build_portable(data) if is_portable else packages.build(data)
    return packages.store(request.subject, packed), packed


def _save(made: ExportPackage, request: Request, packed: bytes) -> None:
    """Store the row. Until delivery its link is a token that nobody ever saw."""
    made.request = request
    made.sha256 = packages.digest(packed)
    made.token_hash = token_hash("package", new_token())
    made.expires_at = ends_at("export_package", timezone.now())
    made.save(force_insert=True)


def _record_made(made: ExportPackage, actor: Actor, redactions: int) -> None:
    facts: dict[str, int | str | bool] = {
        "bytes": made.size_bytes,
        "sha256": made.sha256,
        "redactions": redactions,
    }
    record("package.made", actor=actor, obj="request", ref=made.request_id, facts=facts)


def _close(request: Request, actor: Actor) -> None:
    """The outcome stands since delivery; closing only says that nothing more will happen."""
    answered_at = request.closed_at
    finish(request, request.outcome, actor)
    Request.objects.filter(pk=request.pk).update(closed_at=answered_at)
