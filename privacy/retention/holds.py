"""Legal holds: what must stay although its time is over, for whom, why, and when to look again.

A hold names a person, a class of data, or a class of one person. The reason is sealed, because it
may name people. Erasure and retention both ask here; neither removes what is held.
"""

from datetime import date
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from privacy.access import Actor
from privacy.audit import record
from privacy.ids import uuid7
from privacy.models import LegalHold, User
from privacy.retention.defaults import DATA_CLASSES
from privacy.vault import Where, open_system, seal_system


class HoldRefused(ValueError):
    """A hold that says nothing, or that nobody could ever end; the text is for the page."""


def is_held(subject: UUID, data_class: str) -> bool:
    """Whether this person's data of this class must stay."""
    return _open(data_class).filter(Q(subject=subject) | Q(subject=None)).exists()


def held(data_class: str) -> set[UUID]:
    """The people whose data of this class must stay. Whole classes: ask `is_class_held`."""
    people = _open(data_class).exclude(subject=None).values_list("subject", flat=True)
    return {subject for subject in people if subject}


def is_class_held(data_class: str) -> bool:
    """Whether everybody's data of this class must stay."""
    return _open(data_class).filter(subject=None).exists()


def concerns(subject: UUID) -> bool:
    """Whether anything of this person is held, so that their keys must stay."""
    return LegalHold.objects.filter(subject=subject, ended_at=None).exists()


def of(subject: UUID) -> list[LegalHold]:
    """The open holds that concern this person, the oldest first."""
    mine = LegalHold.objects.filter(Q(subject=subject) | Q(subject=None), ended_at=None)
    return list(mine.order_by("since"))


def due_for_review(today: date) -> list[LegalHold]:
    """Open holds that somebody must look at again by now."""
    return list(LegalHold.objects.filter(ended_at=None, review_at__lte=today).order_by("review_at"))


def reason_of(hold: LegalHold) -> str:
    return open_system(_where(hold.pk), bytes(hold.reason_sealed)).decode()


@transaction.atomic
def place(
    *, subject: UUID | None, data_class: str, reason: str, owner: User, review_at: date
) -> LegalHold:
    """Keep data of a person, of a class, or both, until somebody ends it. Raises `HoldRefused`."""
    _check(subject, data_class, reason, review_at)
    pk = uuid7()
    hold = LegalHold.objects.create(
        pk=pk,
        subject=subject,
        data_class=data_class,
        reason_sealed=seal_system(_where(pk), reason.strip().encode()),
        owner=owner,
        since=timezone.now(),
        review_at=review_at,
    )
    _write_down("hold.placed", hold, owner)
    return hold


@transaction.atomic
def review(hold: LegalHold, *, actor: User, review_at: date) -> None:
    """Looked at and still needed: until this day. Raises `HoldRefused`."""
    if review_at <= timezone.localdate():
        raise HoldRefused(_("The next review must be after today."))
    if LegalHold.objects.filter(pk=hold.pk, ended_at=None).update(review_at=review_at):
        _write_down("hold.reviewed", hold, actor)


@transaction.atomic
def end(hold: LegalHold, *, actor: User) -> None:
    """The data follow their rules again from the next night on. A second time changes nothing."""
    if LegalHold.objects.filter(pk=hold.pk, ended_at=None).update(ended_at=timezone.now()):
        _write_down("hold.ended", hold, actor)


def _open(data_class: str) -> QuerySet[LegalHold]:
    named = Q(data_class=data_class) | Q(data_class="")
    return LegalHold.objects.filter(named, ended_at=None)


def _check(subject: UUID | None, data_class: str, reason: str, review_at: date) -> None:
    if subject is None and not data_class:
        raise HoldRefused(_("Name a person, a class of data, or both."))
    if data_class and data_class not in DATA_CLASSES:
        raise HoldRefused(_("There is no such class of data."))
    if not reason.strip():
        raise HoldRefused(_("Say why the data must stay."))
    if review_at <= timezone.localdate():
        raise HoldRefused(_("The next review must be after today."))


def _write_down(action: str, hold: LegalHold, actor: User) -> None:
    facts: dict[str, int | str | bool] = {"has_subject": hold.subject is not None}
    if hold.data_class:
        facts["data_class"] = hold.data_class
    record(action, actor=Actor.staff(actor), obj="hold", ref=hold.pk, facts=facts)


def _where(pk: UUID) -> Where:
    return Where("privacy_legalhold", "reason_sealed", pk)
