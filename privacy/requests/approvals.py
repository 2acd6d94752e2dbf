"""Four eyes: what one person proposes counts only when another one has approved it.

    approvals.register("export.staff", _("Give out a package"), page="privacy:request")
    waiting = approvals.ask("export.staff", request.pk, actor, {"bytes": 4711})
    …
    if not approvals.is_approved("export.staff", request.pk): raise NotApproved

What is approved is named by an id, so the id has to name what cannot change afterwards: a version
of a rule, a refusal with its reasons, and not the thing that these belong to if it can be edited.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy

from privacy.access import Actor, require
from privacy.audit import record
from privacy.audit import words as audit_words
from privacy.models import SecondApproval
from privacy.requests.errors import AlreadyDecided, SamePerson

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Approval = SecondApproval
Status = SecondApproval.Status
Facts = dict[str, int | str | bool]
Decided = Callable[[SecondApproval, Actor], None]


@dataclass(frozen=True)
class Kind:
    """What is proposed, in words; the page that shows `ref`; what happens with the decision.

    Both functions run inside the transaction of the decision: if one raises, nothing was decided.
    """

    label: "StrOrPromise"
    page: str | Callable[[str], str] = ""
    on_approval: Decided | None = None
    on_refusal: Decided | None = None


KINDS: dict[str, Kind] = {
    "retention.rule": Kind(gettext_lazy("Change a retention rule")),
    "retention.outlier": Kind(gettext_lazy("Delete unusually much at once")),
    "wording.publish": Kind(gettext_lazy("Publish a wording")),
    "erasure.bulk": Kind(gettext_lazy("Erase several people")),
    "export.staff": Kind(gettext_lazy("Give out a package"), "privacy:request"),
    "request.refuse": Kind(gettext_lazy("Refuse a request"), "privacy:request"),
}


def register(
    kind: str,
    label: "StrOrPromise",
    *,
    page: str | Callable[[str], str] = "",
    on_approval: Decided | None = None,
    on_refusal: Decided | None = None,
) -> None:
    """Say what a kind is called, which page shows it (a URL's name that takes `ref`, or a function
    of `ref`), and what happens with the decision.
    """
    KINDS[kind] = Kind(label, page, on_approval, on_refusal)


@transaction.atomic
def ask(kind: str, ref: UUID | str, actor: Actor, facts: Facts | None = None) -> Approval:
    """Propose; what waits already under this kind and `ref` is returned as it stands.

    The caller has checked that `actor` may propose it. `facts` are counts, ids and short words:
    `NotForTheLog` for anything that might be about a person.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind} is no kind of approval; see privacy/requests/approvals.py.")
    waiting, is_new = SecondApproval.objects.get_or_create(
        kind=kind,
        ref=str(ref),
        status=Status.WAITING,
        defaults={
            "facts": audit_words.facts(facts or {}),
            "asked_by": str(actor),
            "asked_at": timezone.now(),
        },
    )
    if is_new:
        _record("approval.asked", waiting, actor)
    return waiting


def approve(approval: Approval, actor: Actor) -> Approval:
    """The second person says yes. `SamePerson` for the one who asked, `AlreadyDecided` later."""
    return _decide(approval, actor, Status.APPROVED)


def refuse(approval: Approval, actor: Actor) -> Approval:
    """The second person says no; what was proposed does not happen."""
    return _decide(approval, actor, Status.REFUSED)


def is_approved(kind: str, ref: UUID | str) -> bool:
    return SecondApproval.objects.filter(kind=kind, ref=str(ref), status=Status.APPROVED).exists()


def is_waiting(kind: str, ref: UUID | str) -> bool:
    return pending().filter(kind=kind, ref=str(ref)).exists()


def pending() -> QuerySet[SecondApproval]:
    """What waits, oldest first."""
    return SecondApproval.objects.filter(status=Status.WAITING).order_by("asked_at", "id")


def label_of(kind: str) -> str:
    return str(KINDS[kind].label) if kind in KINDS else kind


def page_of(approval: Approval) -> str:
    """Where the whole matter can be read; empty where there is no page for it."""
    page = KINDS[approval.kind].page if approval.kind in KINDS else ""
    if callable(page):
        return page(approval.ref)
    return reverse(page, args=[approval.ref]) if page else ""


@transaction.atomic
def _decide(approval: Approval, actor: Actor, status: Status) -> Approval:
    require(actor, "approval.give")
    held = SecondApproval.objects.select_for_update().get(pk=approval.pk)
    if held.status != Status.WAITING:
        raise AlreadyDecided
    if actor.kind != "staff" or held.asked_by == str(actor):
        raise SamePerson
    held.status, held.decided_by, held.decided_at = status, str(actor), timezone.now()
    held.save(update_fields=["status", "decided_by", "decided_at"])
    _record(f"approval.{status}", held, actor)
    kind = KINDS[held.kind]
    then = kind.on_approval if status == Status.APPROVED else kind.on_refusal
    if then:
        then(held, actor)
    return held


def _record(action: str, approval: Approval, actor: Actor) -> None:
    facts: Facts = {"kind": approval.kind, "about": approval.ref}
    record(action, actor=actor, obj="approval", ref=approval.pk, facts=facts)
