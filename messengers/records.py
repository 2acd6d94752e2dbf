"""What register and breach workspace ask of this floor: its channels, and who is on them."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from messengers.channels import adapter_of
from messengers.contract import BadAddress
from messengers.models import Address, Channel

Told = tuple[str, UUID, str, str, bool]


def offers() -> Iterator[Told]:
    """Every channel: ("channel", id, name, kind of messenger, whether it is stopped)."""
    for channel in Channel.objects.order_by("name", "id"):
        is_stopped = channel.status == Channel.Status.STOPPED
        yield "channel", channel.id, channel.name, channel.kind, is_stopped


def people_of(kind: str, ref: UUID, since: datetime | None, until: datetime | None) -> set[UUID]:
    """Whoever had an address on the channel by `until`, and still has one."""
    if kind != "channel":
        return set()
    rows = Address.objects.filter(channel=ref)
    if until:
        rows = rows.filter(created_at__lte=until)
    return set(rows.values_list("subject", flat=True))


def canonical(kind: str, typed: str) -> str | None:
    """How the messenger `kind` spells this address; None where it cannot be one."""
    channel = Channel.objects.filter(kind=kind).order_by("id").first()
    if channel is None:
        return None
    try:
        return adapter_of(channel).canonical(typed)
    except BadAddress:
        return None
