"""The stage of a run: newsletter, people, a running broadcast, and the provider that takes it."""

import contextlib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connections

from tests.chaos.crew import CONTEXT
from tests.chaos.databases import die_with_parent
from tests.chaos.outside import Plan, World
from tests.standins.http_provider import TOKEN, Faults, Provider, forever

HOOK_SECRET = "chaos hook secret 0123456789"


@dataclass(frozen=True)
class Stage:
    """What was set up. `people`: address id -> number."""

    channel: UUID
    dispatch: UUID
    people: dict[UUID, str]


def set_stage(recipients: int, url: str, *, rate: float, call_seconds: float) -> Stage:
    """A newsletter, its channel, confirmed subscribers and a broadcast that runs at once."""
    from tests.broadcasts.house import make_newsletter
    from tests.messengers.house import make_channel, make_dispatch, make_people, phone

    channel = make_channel(
        settings={"base_url": url, "bulk": 1, "call_seconds": call_seconds},
        secrets={"token": TOKEN, "hook_secret": HOOK_SECRET},
        rate_per_second=rate,
    )
    newsletter = make_newsletter(f"chaos-{channel.id}", [channel])
    people = make_people(channel, recipients)
    _subscribe(newsletter, channel, people)
    numbers = {address.id: phone(index) for index, (address, _) in enumerate(people)}
    dispatch = make_dispatch([gate for _, gate in people])
    return Stage(channel.id, dispatch.id, numbers)


def _subscribe(newsletter: Any, channel: Any, people: list[tuple[Any, UUID]]) -> None:
    """Confirmed subscriptions, each with the id of its gate, in bulk."""
    from django.utils import timezone

    from subscriptions.models import Subscriber, Subscription

    Subscriber.objects.bulk_create(
        [Subscriber(id=address.subject) for address, _ in people],
        batch_size=2000,
    )
    confirmed = {
        "newsletter": newsletter,
        "channel": channel,
        "status": Subscription.Status.CONFIRMED,
        "source": "chat",
        "confirmed_at": timezone.now(),
    }
    Subscription.objects.bulk_create(
        [
            Subscription(id=gate, subscriber_id=address.subject, address=address, **confirmed)
            for address, gate in people
        ],
        batch_size=2000,
    )


# --- Those who are never killed ---


@contextlib.contextmanager
def provider(log: Path, faults: Faults) -> Iterator[str]:
    """The stand-in as a forked process; its address."""
    log.touch()
    reading, writing = os.pipe()
    connections.close_all()

    def run() -> None:
        import asyncio

        die_with_parent()
        os.dup2(writing, 1)  # it prints its address
        asyncio.run(forever(Provider(log, faults), 0))

    process = CONTEXT.Process(target=run, daemon=True)
    process.start()
    os.close(writing)
    with os.fdopen(reading) as told:
        url = told.readline().strip()
        try:
            yield url
        finally:
            process.kill()
            process.join()


@contextlib.contextmanager
def outside(plan: Plan) -> Iterator[None]:
    """The world outside; at the end everything it has to tell is told."""
    connections.close_all()

    def run() -> None:
        die_with_parent()
        World(plan).run()

    process = CONTEXT.Process(target=run, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()  # it hears that as "come to an end"
        process.join()


def stops_for(people: list[str], share: float, seed: int) -> list[tuple[float, str]]:
    """Who says STOP, and when: most of them before their turn has come."""
    rng = random.Random(seed)
    chosen = rng.sample(people, round(share * len(people)))
    return [(rng.uniform(0.05, 0.9), person) for person in chosen]
