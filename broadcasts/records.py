"""What the breach workspace asks of this floor: broadcasts that left, and to whom."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from broadcasts.models import Broadcast
from messengers.models import Address, Delivery

Told = tuple[str, UUID, str, str]
SHOWN = 200
Status = Delivery.Status
# These never left this house.
STAYED = (Status.QUEUED, Status.SUPPRESSED, Status.CANCELLED, Status.EXPIRED)


def offers() -> Iterator[Told]:
    """The last broadcasts that were started, with their day."""
    rows = Broadcast.objects.exclude(started_at=None).order_by("-started_at")[:SHOWN]
    for row in rows:
        day = row.started_at.date().isoformat() if row.started_at else ""
        yield "broadcast", row.pk, row.title, day


def people_of(kind: str, ref: UUID, since: datetime | None, until: datetime | None) -> set[UUID]:
    """Whoever it was sent to, as long as delivery records are kept."""
    if kind != "broadcast":
        return set()
    dispatch = Broadcast.objects.filter(pk=ref).values_list("dispatch", flat=True).first()
    sent = Delivery.objects.filter(dispatch=dispatch).exclude(status__in=STAYED)
    rows = Address.objects.filter(id__in=sent.values("address"))
    return set(rows.values_list("subject", flat=True))
