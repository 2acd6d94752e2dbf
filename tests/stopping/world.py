"""A newsletter, its readers, and broadcasts enough to keep every worker busy."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from config.demo.newsroom import CONTROLLER, NEWSLETTER, TOPICS
from messengers.instance import current
from messengers.sql import rows
from privacy.access import Actor
from privacy.models import Controller
from subscriptions.actions import create_newsletter
from subscriptions.models import Subscriber, Subscription
from tests.messengers.house import make_channel, make_dispatch, make_people, phone
from tests.standins.http_provider import TOKEN

SYSTEM = Actor.system("stopping")
HOOK_SECRET = "hook-secret-of-the-stopping-house"
RATE = 100_000.0  # messages per second: the machine is the limit
CALL_SECONDS = 5.0
# Somebody who would be written to next, or within the next moments: what a stop has to overtake.
WORKING = "SELECT array_agg(DISTINCT dispatch_id) FROM messengers_batch WHERE status = 'working'"
NEXT_IN_LINE = """
    SELECT d.gate, d.dispatch_id FROM messengers_batch b
      JOIN messengers_delivery d ON d.dispatch_id = b.dispatch_id AND d.batch_id = b.id
     WHERE b.status = 'working' AND d.dispatch_id = ANY(%s) AND d.status = 'queued'
       AND d.position <> ALL(b.on_wire)
     ORDER BY random() LIMIT 8"""
WAITING = "SELECT count(*) FROM messengers_batch WHERE status = 'waiting'"


class World:
    """`people` maps a gate to its (person, phone number); whoever was stopped is taken out."""

    def __init__(self, base_url: str, people: int) -> None:
        Controller.objects.update_or_create(pk=1, defaults=CONTROLLER)
        self.channel = make_channel(
            settings={"base_url": base_url, "bulk": 1, "call_seconds": CALL_SECONDS}
            | {"number": "+4917604069000", "region": "DE"},
            secrets={"token": TOKEN, "hook_secret": HOOK_SECRET},
            rate_per_second=RATE,
        )
        newsletter = create_newsletter(
            actor=SYSTEM,
            topics=TOPICS,
            channels=[self.channel],
            **NEWSLETTER | {"slug": f"s{uuid4().hex}"},
        )
        current()  # several workers at their very first start would all want to begin an epoch
        self.people: dict[UUID, tuple[UUID, str]] = {}
        made = make_people(self.channel, people)
        Subscriber.objects.bulk_create([Subscriber(id=address.subject) for address, _ in made])
        Subscription.objects.bulk_create(
            Subscription(
                id=gate,
                subscriber_id=address.subject,
                newsletter=newsletter,
                channel=self.channel,
                address=address,
                status=Subscription.Status.CONFIRMED,
                source="chat",
                confirmed_at=timezone.now(),
            )
            for address, gate in made
        )
        for index, (address, gate) in enumerate(made):
            self.people[gate] = (address.subject, phone(index))

    def broadcast(self, gates: Sequence[UUID]) -> Any:
        return make_dispatch(list(gates))


def next_in_line() -> list[tuple[UUID, UUID]]:
    """Some (gate, dispatch) of whom a worker has in its hands just now."""
    working = rows(WORKING)[0][0] or []
    found = rows(NEXT_IN_LINE, [working])
    return [(gate, dispatch) for gate, dispatch in found if gate]


def waiting_batches() -> int:
    return int(rows(WAITING)[0][0])
