"""The smallest newsroom that can send: newsletter, channels, readers, staff."""

from datetime import timedelta

from django.utils import timezone

from broadcasts.actions import create_broadcast
from messengers.addresses import get_or_create_address
from messengers.channels import create_channel
from messengers.gates import open_gate
from privacy.access import Actor
from privacy.models import Grant, User
from subscriptions.models import Newsletter, Subscriber, Subscription, Topic
from tests.profiles import OWN_HOUSE

SYSTEM = Actor.system("tests")
PASSWORD = "correct horse battery staple"


def make_newsletter(slug="stadtanzeiger", channels=(), **facts):
    newsletter = Newsletter.objects.create(
        slug=slug,
        name=facts.pop("name", slug.capitalize()),
        publisher="Verlag",
        what_de="Neues",
        what_en="News",
        frequency_de="täglich",
        frequency_en="daily",
        imprint_url="https://example.org/imprint",
        **facts,
    )
    newsletter.channels.set(channels)
    for position, (topic, german, english) in enumerate(
        [("lokales", "Lokales", "Local"), ("sport", "Sport", "Sports")]
    ):
        Topic.objects.create(
            newsletter=newsletter, slug=topic, name_de=german, name_en=english, position=position
        )
    return newsletter


def make_channel(kind="simulator", name="", **facts):
    settings = {"base_url": "http://127.0.0.1:9"} if kind == "simulator" else MAIL_SETTINGS
    return create_channel(
        kind=kind,
        name=name or kind.capitalize(),
        settings=settings | facts.pop("settings", {}),
        secrets={"token": "t" * 32, "hook_secret": "w" * 32, "password": "p"},
        profile=OWN_HOUSE,
        actor=SYSTEM,
        **facts,
    )


MAIL_SETTINGS = {
    "from_address": "news@example.org",
    "host": "127.0.0.1",
    "port": "25",
    "security": "plain",
}


def identifier(channel, number):
    if channel.kind == "simulator":
        return f"+4917600{number:06d}"
    return f"reader{number}@example.org"


def subscribe(newsletter, channel, number, *, topics=(), language="de", days_ago=10, subject=None):
    """One confirmed reader with an open gate."""
    address = get_or_create_address(channel, identifier(channel, number), "Ada", subject)
    Subscriber.objects.get_or_create(id=address.subject)
    subscription = Subscription.objects.create(
        subscriber_id=address.subject,
        newsletter=newsletter,
        channel=channel,
        address=address,
        language=language,
        status=Subscription.Status.CONFIRMED,
        source="chat",
        confirmed_at=timezone.now() - timedelta(days=days_ago),
    )
    subscription.topics.set(newsletter.topics.filter(slug__in=topics))
    open_gate(subscription.pk, subject=address.subject, address_id=address.pk)
    return subscription


def make_staff(role="publisher", newsletter=None, email="", name="Petra Probe"):
    user = User.objects.create_user(email or f"{role}@example.org", PASSWORD, name=name)
    scope = newsletter.pk if newsletter else None
    Grant.objects.create(user=user, role=role, newsletter=scope)
    return user


def make_draft(newsletter, actor=SYSTEM, **fields):
    fields.setdefault("title", "Brücke gesperrt")
    fields.setdefault("markdown", "Guten Morgen, {first_name|Leserin}! Die **Brücke** ist zu.")
    return create_broadcast(newsletter=newsletter, actor=actor, **fields)
