"""The list of broadcasts: filtered by fields from this file and no others."""

from dataclasses import dataclass
from datetime import date

from django.db.models import OuterRef, QuerySet, Subquery

from broadcasts.models import Broadcast
from messengers.models import Dispatch
from privacy.access import Actor, visible_to

# What a list may be filtered by: the name in the address -> where it is looked up.
FILTERS = {
    "newsletter": "newsletter__slug",
    "status": "status",
    "q": "title__icontains",
    "from": "created_at__date__gte",
    "until": "created_at__date__lte",
}


@dataclass(frozen=True)
class DeskFilter:
    """What the reader of the list asks for; whatever is empty is not asked."""

    newsletter: str = ""
    status: str = ""
    q: str = ""
    since: date | None = None
    until: date | None = None


def desk(actor: Actor, asked: DeskFilter) -> QuerySet[Broadcast]:
    """The broadcasts this actor may see, newest first."""
    rows = visible_to(actor, Broadcast.objects.all(), "broadcast.read")
    lookups = {
        FILTERS["newsletter"]: asked.newsletter,
        FILTERS["status"]: asked.status,
        FILTERS["q"]: asked.q.strip(),
        FILTERS["from"]: asked.since,
        FILTERS["until"]: asked.until,
    }
    rows = rows.filter(**{path: value for path, value in lookups.items() if value})
    size = Dispatch.objects.filter(pk=OuterRef("dispatch")).values("size")
    return (
        rows.select_related("newsletter", "schedule")
        .annotate(size=Subquery(size))
        .order_by("-created_at", "pk")
    )
