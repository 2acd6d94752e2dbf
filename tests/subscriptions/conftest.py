"""The smallest newsroom: one newsletter with three topics on a simulator and a mail channel."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from messengers.channels import create_channel
from messengers.models import Channel, Delivery, Dispatch
from messengers.outbox.start import values_place
from privacy.access import Actor
from privacy.access.actions import create_staff, grant_role
from privacy.models import Grant, User
from subscriptions.actions import create_newsletter
from subscriptions.conversation import Incoming, answer
from subscriptions.models import Newsletter
from tests.profiles import OWN_HOUSE

SYSTEM = Actor.system("test")
PHONE = "+4917604069001"
OTHER_PHONE = "+4917604069002"
MAIL = "leserin@example.org"


@pytest.fixture(autouse=True)
def cheap_fingerprints(settings):
    settings.SUPPRESSION_ARGON2 = (8, 1)


@pytest.fixture
def chat(db) -> Channel:
    return create_channel(
        kind="simulator",
        name="Telefon der Redaktion",
        settings={},
        secrets={"token": "t", "hook_secret": "s"},
        profile=OWN_HOUSE,
        actor=SYSTEM,
        provider_name="Simulator",
        provider_country="DE",
    )


@pytest.fixture
def mail(db) -> Channel:
    return create_channel(
        kind="email",
        name="Post der Redaktion",
        settings={"from_address": "news@example.org", "host": "127.0.0.1", "port": "1025"},
        secrets={"hook_secret": "s"},
        profile=OWN_HOUSE,
        actor=SYSTEM,
    )


TOPICS = [
    ("lokales", "Lokales", "Local"),
    ("sport", "Sport", "Sports"),
    ("kultur", "Kultur", "Culture"),
]


def make_newsletter(name: str = "Stadtanzeiger", *channels: Channel, **facts: Any) -> Newsletter:
    given = {
        "slug": name.lower(),
        "publisher": "Verlag am Markt GmbH",
        "what_de": "Nachrichten aus der Stadt",
        "what_en": "news from the city",
        "frequency_de": "höchstens dreimal am Tag",
        "frequency_en": "three times a day at most",
        "imprint_url": "https://example.org/impressum",
        "is_public": True,
    }
    return create_newsletter(
        actor=SYSTEM, name=name, topics=TOPICS, channels=channels, **(given | facts)
    )


@pytest.fixture
def newsletter(chat, mail) -> Newsletter:
    return make_newsletter("Stadtanzeiger", chat, mail)


def make_staff(role: str, email: str = "", newsletter: Newsletter | None = None) -> User:
    user = create_staff(email=email or f"{role}@example.org", password="x" * 20, actor=SYSTEM)
    scope = newsletter.pk if newsletter else None
    grant_role(user=user, role=Grant.Role(role), newsletter=scope, actor=SYSTEM)
    return user


@pytest.fixture
def publisher(db) -> User:
    return make_staff("publisher")


@pytest.fixture
def officer(db) -> User:
    return make_staff("dpo")


Say = Callable[..., list["Sent"]]


class Sent:
    """One message that left: its name-giving content, with everything filled in."""

    def __init__(self, dispatch: Dispatch) -> None:
        from subscriptions.texts import fill

        self.dispatch = dispatch
        self.delivery = Delivery.objects.get(dispatch=dispatch)
        self.values = _values(self.delivery)
        self.markdown = dispatch.content["markdown"]
        self.buttons = [
            (fill(b["label"], self.values), self.payload(b)) for b in dispatch.content["buttons"]
        ]
        self.text = fill(self.markdown, self.values)

    def payload(self, button: dict[str, str]) -> str:
        return button["payload"].replace("{question}", self.values.get("question", ""))

    def press(self, label: str) -> str:
        return next(payload for shown, payload in self.buttons if label in shown)


def _values(delivery: Delivery) -> dict[str, str]:
    import orjson

    from messengers.models import Address
    from privacy.vault import open_sealed

    if delivery.values_sealed is None:
        return {}
    subject = Address.objects.get(pk=delivery.address).subject
    where = values_place(delivery.dispatch_id)
    return orjson.loads(open_sealed(subject, "ops", where, bytes(delivery.values_sealed)))


def outgoing(after: Collection[Any] = ()) -> list[Sent]:
    rows = Dispatch.objects.exclude(pk__in=after).order_by("pk")
    return [Sent(dispatch) for dispatch in rows]


@pytest.fixture
def say(chat, newsletter) -> Say:
    """Write to the channel; what it answers to that message."""

    def write(
        text: str = "",
        *,
        payload: str = "",
        sender: str = PHONE,
        channel: Channel = chat,
        at: datetime | None = None,
        is_proved: bool = True,
    ) -> list[Sent]:
        before = set(Dispatch.objects.values_list("pk", flat=True))
        answer(
            Incoming(
                channel=channel,
                canonical=sender,
                text=text,
                payload=payload,
                at=at or timezone.now(),
                ref="m-1",
                is_proved=is_proved,
            )
        )
        return outgoing(before)

    return write
