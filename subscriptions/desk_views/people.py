"""How persons appear at the desk: masked, many at once, and never more than that."""

from collections.abc import Iterable
from uuid import UUID

from django.utils.translation import gettext as _

from messengers.channels import adapter_of
from messengers.models import Address, Channel
from privacy.vault import KeyDestroyed, KeyRing, Where


def masked(addresses: Iterable[Address]) -> dict[UUID, str]:
    """Each address masked, by its id: one query for the keys, one for the channels."""
    found = list(addresses)
    ring = KeyRing.load(address.subject for address in found)
    channels = Channel.objects.filter(pk__in={address.channel_id for address in found})
    masks = {channel.pk: adapter_of(channel).mask for channel in channels}
    shown = {}
    for address in found:
        try:
            where = Where("messengers_address", "sealed", address.pk)
            clear = ring.open(address.subject, where, bytes(address.sealed)).decode()
            shown[address.pk] = masks[address.channel_id](clear)
        except KeyDestroyed:
            shown[address.pk] = _("erased")
    return shown
