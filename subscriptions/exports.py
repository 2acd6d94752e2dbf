"""Subscribers as CSV, streamed: masked, unless somebody may see persons."""

import csv
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import QuerySet

from messengers.addresses import Profile
from messengers.channels import adapter_of
from messengers.contract import Adapter
from messengers.models import Channel
from privacy.access import Actor, can, require
from privacy.audit import record
from privacy.audit.canonical import timestamp
from privacy.vault import KeyRing, Where
from subscriptions.models import Subscription

READ, CLEAR = "subscription.read", "person.export"
ROWS_AT_A_TIME = 1_000
COLUMNS = [
    "newsletter", "channel", "address", "first_name", "last_name", "language", "topics", "status",
    "legal_basis", "source", "confirmed_at", "ended_at",
]  # fmt: skip
# How a table program recognises a formula; such a cell could call out to others (CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    """What csv.writer writes into: it gives each line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def subscribers_csv(rows: QuerySet[Subscription], *, actor: Actor) -> Iterator[str]:
    """The lines of a CSV file, made while they are fetched; memory does not grow with the list.

    Addresses and names are clear only with the right to export persons. Written to the audit log
    before the first line leaves; `NotAllowed` comes at once, not from within the download.
    """
    require(actor, READ)
    is_clear = can(actor, CLEAR)
    with transaction.atomic():
        facts: dict[str, int | str | bool] = {"rows": rows.count(), "clear": is_clear}
        record("subscription.exported", actor=actor, obj="subscription", ref="", facts=facts)
    return _lines(rows, is_clear)


def _lines(rows: QuerySet[Subscription], is_clear: bool) -> Iterator[str]:
    writer = csv.writer(_Echo(), delimiter=";")
    yield "\ufeff" + writer.writerow(COLUMNS)
    adapters = {channel.pk: adapter_of(channel) for channel in Channel.objects.all()}
    for some in _pages(rows):
        ring = KeyRing.load(one.subscriber_id for one in some)
        for one in some:
            cells = _cells(one, ring, adapters, is_clear)
            yield writer.writerow([harmless(cell) for cell in cells])


def harmless(cell: str) -> str:
    """The cell with a quote in front if a table program would run it."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _pages(rows: QuerySet[Subscription]) -> Iterator[list[Subscription]]:
    """By key, so that each page is a short query and no cursor stays open during a download."""
    wanted = (
        rows.select_related("newsletter", "channel", "address")
        .prefetch_related("topics")
        .order_by("pk")
    )
    last = UUID(int=0)
    while page := list(wanted.filter(pk__gt=last)[:ROWS_AT_A_TIME]):
        yield page
        last = page[-1].pk


def _cells(
    one: Subscription, ring: KeyRing, adapters: dict[UUID, Adapter], is_clear: bool
) -> list[str]:
    address, profile = _opened(one, ring)
    if not is_clear:
        address = adapters[one.channel_id].mask(address) if address else ""
        profile = Profile()
    return [
        one.newsletter.name,
        one.channel.name,
        address,
        profile.first_name,
        profile.last_name,
        one.language,
        ",".join(sorted(topic.slug for topic in one.topics.all())),
        one.status,
        one.legal_basis,
        one.source,
        *(timestamp(moment) if moment else "" for moment in (one.confirmed_at, one.ended_at)),
    ]


def _opened(one: Subscription, ring: KeyRing) -> tuple[str, Profile]:
    """The address and names; empty for somebody whose key was destroyed while we were at it."""
    subject, place = one.subscriber_id, one.address
    if not ring.has(subject):
        return "", Profile()
    where = Where("messengers_address", "sealed", place.pk)
    address = ring.open(subject, where, bytes(place.sealed)).decode()
    if place.profile_sealed is None:
        return address, Profile()
    where = Where("messengers_address", "profile_sealed", place.pk)
    names: dict[str, Any] = orjson.loads(ring.open(subject, where, bytes(place.profile_sealed)))
    return address, Profile(**names)
