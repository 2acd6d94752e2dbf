"""Who else gets the data, in which role and country, and what protects it there (Art. 15(2))."""

from typing import Any
from uuid import UUID

from django.db.models import Q

from privacy.models import Processor
from privacy.requests.verbs import contacts_of


def transfers_of(subject: UUID) -> list[dict[str, Any]]:
    """The providers of the person's own channels, and whoever works for the whole house."""
    channels = {point.channel_id for point in contacts_of(subject)}
    concerned = Processor.objects.filter(Q(channel=None) | Q(channel__in=channels), ended_on=None)
    return [_told(one) for one in concerned.order_by("name", "id")]


def _told(one: Processor) -> dict[str, Any]:
    return {
        "name": one.name,
        "service": str(one.get_service_display()),
        "role": str(one.get_role_display()) if one.role else "",
        "country": one.country,
        "safeguard": str(one.get_transfer_display()) if one.transfer else "",
        "sub_processors": one.sub_processors,
        "retention": one.retention,
    }
