"""The smallest valid things of this room, for its tests."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction
from django.utils import timezone

from messengers.addresses import digest_of
from messengers.channels import create_channel
from messengers.contract import Content
from messengers.models import Address, AddressIndex, Channel, Delivery, Dispatch, Gate
from messengers.outbox import content_hash, start_dispatch
from privacy.access import Actor
from privacy.ids import uuid7
from privacy.vault import KeyRing, Where, new_subjects
from tests.profiles import OWN_HOUSE

SYSTEM = Actor.system("tests")
RECIPIENTS = """
    SELECT g.address, g.id, a.channel_id FROM messengers_gate g
      JOIN messengers_address a ON a.id = g.address WHERE g.id = ANY(%s)"""


def make_channel(**facts: Any) -> Channel:
    settings = {"base_url": "http://127.0.0.1:9", "call_seconds": 5} | facts.pop("settings", {})
    secrets = facts.pop("secrets", {"token": "t" * 32, "webhook_secret": "w" * 32})
    kind = facts.pop("kind", "simulator")
    facts.setdefault("rate_per_second", 100_000.0)
    return create_channel(
        kind=kind,
        name="Test",
        settings=settings,
        secrets=secrets,
        profile=OWN_HOUSE,
        actor=SYSTEM,
        **facts,
    )


def phone(number: int) -> str:
    """Distinct numbers; the last digits 0403 and 0404 mean something to the stand-in."""
    return f"+4917{number:06d}55"


def make_people(channel: Channel, number: int, first: int = 0) -> list[tuple[Address, UUID]]:
    """`number` addresses, each with an open gate: (address, gate id); written in bulk."""
    subjects = new_subjects(number)
    ring = KeyRing.load(subjects)
    people, indexes, gates = [], [], []
    for index, subject in enumerate(subjects, first):
        address = Address(channel=channel, subject=subject)
        where = Where("messengers_address", "sealed", address.id)
        address.sealed = ring.seal(subject, where, phone(index).encode())
        where = Where("messengers_address", "profile_sealed", address.id)
        names = {"first_name": "Ada", "last_name": f"Nr{index}"}
        address.profile_sealed = ring.seal(subject, where, orjson.dumps(names))
        digest = digest_of(channel.id, phone(index))
        indexes.append(AddressIndex(channel=channel, digest=digest, address=address))
        gates.append(open_gate_row(address))
        people.append((address, gates[-1].id))
    Address.objects.bulk_create([address for address, _ in people], batch_size=2000)
    AddressIndex.objects.bulk_create(indexes, batch_size=2000)
    Gate.objects.bulk_create(gates, batch_size=2000)
    return people


def open_gate_row(address: Address) -> Gate:
    return Gate(
        id=uuid7(),
        subject=address.subject,
        address=address.id,
        is_open=True,
        changed_at=timezone.now(),
    )


def make_content(text: str = "Guten Morgen, {first_name|Leserin}!") -> Content:
    return Content(markdown=text, language="de")


def make_dispatch(gates: Sequence[UUID], **facts: Any) -> Dispatch:
    """A running broadcast to the addresses of these gates."""
    content = facts.pop("content", make_content())
    facts.setdefault("kind", Dispatch.Kind.BROADCAST)
    with transaction.atomic():
        dispatch = Dispatch.objects.create(
            content=content.to_json(), content_sha256=content_hash(content), **facts
        )
        start_dispatch(dispatch=dispatch, recipients_sql=RECIPIENTS, params=[list(gates)])
    return dispatch


def states(dispatch: Dispatch) -> dict[str, int]:
    """State -> number, counted from the rows themselves and without any nought."""
    found: dict[str, int] = {}
    for status in Delivery.objects.filter(dispatch=dispatch).values_list("status", flat=True):
        found[status] = found.get(status, 0) + 1
    return found
