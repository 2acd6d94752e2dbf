"""Erasing again what a restored backup has brought back (Art. 17 GDPR reaches backups)."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from privacy.access import Actor
from privacy.audit import record
from privacy.models import DataSubject, Request, RequestStep
from privacy.requests.erasure import needles
from privacy.requests.export.package import destroy_all_of
from privacy.requests.states import ANSWERED
from privacy.requests.verbs import erase_everywhere
from privacy.vault import shred

ACTOR = Actor.system("erasure")


@transaction.atomic
def again(subject: UUID) -> dict[str, int]:
    """Delete whatever an older copy of the data holds of somebody who was erased; counts by table.

    Needs neither a request nor the person's keys, which are gone, and may run as often as one
    likes: what there is no more is not deleted. Nobody is told; the person was, when it was done.
    """
    counts = erase_everywhere(subject)
    counts["privacy.ExportPackage"] = destroy_all_of(subject)
    counts["privacy.Request"] = _end_requests(subject)
    people = DataSubject.objects.filter(pk=subject)
    alive = people.exclude(status=DataSubject.Status.ERASED)
    counts["privacy.DataSubject"] = alive.update(
        status=DataSubject.Status.ERASED, erased_at=timezone.now()
    )
    found = {table: count for table, count in sorted(counts.items()) if count}
    if found:
        facts: dict[str, Any] = {"rows": sum(found.values()), "tables": len(found)}
        record("erasure.replayed", actor=ACTOR, obj="subject", ref=subject, facts=facts)
    transaction.on_commit(lambda: shred(subject, "ops"))
    return found


def _end_requests(subject: UUID) -> int:
    """Requests that were open when the backup was made: there is nobody left to answer."""
    sealed = RequestStep.objects.filter(request__subject=subject).exclude(sealed=None)
    for step in sealed.filter(facts__has_key="keeper"):
        needles.forget(step)
    sealed.update(sealed=None)  # corrections and the like, under a key that is gone
    standing = Request.objects.filter(subject=subject).exclude(status__in=ANSWERED)
    return standing.update(
        status=Request.Status.CLOSED,
        outcome=Request.Outcome.FULFILLED,
        closed_at=timezone.now(),
        proof_hash=None,
        paused_at=None,
    )
