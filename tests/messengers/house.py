"""The smallest valid things of this room, for its tests."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from messengers.addresses import get_or_create_address
from messengers.channels import create_channel
from messengers.contract import Content
from messengers.gates import open_gate
from messengers.models import Address, Channel, Delivery, Dispatch
from messengers.outbox import content_hash, start_dispatch
from privacy.access import Actor
from privacy.ids import uuid7

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
        kind=kind, name="Test", settings=settings, secrets=secrets, actor=SYSTEM, **facts
    )


def phone(number: int) -> str:
    return f"+4917600{number:06d}"


def make_people(channel: Channel, number: int, first: int = 0) -> list[tuple[Address, UUID]]:
    """`number` addresses, each with an open gate: (address, gate id)."""
    people = []
    for index in range(first, first + number):
        address = get_or_create_address(channel, phone(index), name=f"Ada Nr{index}")
        gate = uuid7()
        open_gate(gate, subject=address.subject, address_id=address.id)
        people.append((address, gate))
    return people


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
