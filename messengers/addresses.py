"""Addresses: found by blind index, sealed under the person's key, shown masked."""

from dataclasses import dataclass
from uuid import UUID

import orjson
from django.db import IntegrityError, transaction

from messengers.channels import adapter_of
from messengers.models import Address, AddressIndex, Channel
from privacy.vault import Where, blind_index, new_subject, open_sealed, seal

TABLE = "messengers_address"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a person let us call them; both may be empty."""

    first_name: str = ""
    last_name: str = ""


def digest_of(channel_id: UUID, canonical: str) -> bytes:
    """What finds an address; two channels have different digests for the same identifier."""
    return blind_index("address", f"{channel_id}|{canonical}")


def find_address(channel: Channel, canonical: str) -> Address | None:
    return Address.objects.filter(
        indexes__channel=channel, indexes__digest=digest_of(channel.id, canonical)
    ).first()


def get_or_create_address(
    channel: Channel, canonical: str, name: str = "", subject: UUID | None = None
) -> Address:
    """The address of this identifier, made with a new person (key first) if it is unknown.

    `canonical` comes from the adapter's `canonical`; `name` is what the messenger shows, and is
    kept only for a new address. Two that come at once get the same row.
    """
    found = find_address(channel, canonical)
    if found:
        return found
    try:
        with transaction.atomic():
            # The key lives in another database: made before our rows, and swept if they never come.
            return _create(channel, canonical, name, subject or new_subject())
    except IntegrityError:
        first = find_address(channel, canonical)
        if first is None:
            raise
        return first


def add_identifier(address: Address, canonical: str) -> None:
    """Another identifier under which the same address is known (a messenger's own id)."""
    AddressIndex.objects.get_or_create(
        channel_id=address.channel_id,
        digest=digest_of(address.channel_id, canonical),
        defaults={"address": address},
    )


def reveal(address: Address) -> str:
    """The identifier in clear: for sending, and for the data-protection officer."""
    where = Where(TABLE, "sealed", address.id)
    return open_sealed(address.subject, "ops", where, bytes(address.sealed)).decode()


def masked(address: Address) -> str:
    """Enough to recognise the address on a screen, not enough to use it."""
    return adapter_of(address.channel).mask(reveal(address))


def profile_of(address: Address) -> Profile:
    if address.profile_sealed is None:
        return Profile()
    where = Where(TABLE, "profile_sealed", address.id)
    opened = open_sealed(address.subject, "ops", where, bytes(address.profile_sealed))
    return Profile(**orjson.loads(opened))


def set_profile(address: Address, profile: Profile) -> None:
    """Replace the names; empty ones erase them (Art. 16 GDPR)."""
    address.profile_sealed = sealed_profile(address.subject, address.id, profile)
    address.save(update_fields=["profile_sealed"])


def sealed_profile(subject: UUID, address_id: UUID, profile: Profile) -> bytes | None:
    if profile == Profile():
        return None
    where = Where(TABLE, "profile_sealed", address_id)
    return seal(subject, "ops", where, orjson.dumps(profile))


def _create(channel: Channel, canonical: str, name: str, subject: UUID) -> Address:
    address = Address(channel=channel, subject=subject)
    where = Where(TABLE, "sealed", address.id)
    address.sealed = seal(subject, "ops", where, canonical.encode())
    address.profile_sealed = sealed_profile(subject, address.id, split_name(name))
    address.save(force_insert=True)
    AddressIndex.objects.create(
        channel=channel, digest=digest_of(channel.id, canonical), address=address
    )
    return address


def split_name(name: str) -> Profile:
    """First word and the rest, as messengers show them."""
    first, _, last = " ".join(name.split())[:200].partition(" ")
    return Profile(first, last)
