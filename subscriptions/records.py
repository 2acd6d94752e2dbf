"""What the register, the breach workspace and the suppression page ask of this floor."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q

from privacy.records.places import newest_id_of
from subscriptions.imports.check import CODES
from subscriptions.models import Newsletter, Subscription

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Told = tuple[str, UUID, str]


def offers() -> Iterator[Told]:
    """Every newsletter."""
    for pk, name in Newsletter.objects.order_by("name", "id").values_list("id", "name"):
        yield "newsletter", pk, name


def people_of(kind: str, ref: UUID, since: datetime | None, until: datetime | None) -> set[UUID]:
    """Whoever was subscribed at some time between `since` and `until`."""
    if kind != "newsletter":
        return set()
    rows = Subscription.objects.filter(newsletter=ref)
    if until:
        rows = rows.filter(pk__lte=newest_id_of(until))
    if since:
        rows = rows.filter(Q(ended_at=None) | Q(ended_at__gte=since))
    return set(rows.values_list("subscriber", flat=True))


def import_rules() -> list[tuple[str, "StrOrPromise"]]:
    """What the check of a list says of a row, by code: everything but `good` is not written to."""
    return list(CODES.items())
