"""The demo newsroom: a publisher, a newsletter, two channels, and three people who work there."""

import secrets
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from messengers.channels import create_channel
from messengers.models import Channel
from privacy.access import Actor
from privacy.access.actions import create_staff, grant_role
from privacy.models import Controller, Grant, User
from subscriptions.actions import create_newsletter
from subscriptions.models import Newsletter

DEMO = Actor.system("demo")
PASSWORD_BYTES = 12
CONTROLLER = {
    "name": "Stadtanzeiger Verlag GmbH (Demo)",
    "address": "Marktplatz 1\n12345 Musterstadt",
    "email": "verlag@stadtanzeiger.example",
    "imprint_url": "https://www.stadtanzeiger.example/impressum",
    "dpo_contact": "Datenschutzbeauftragte, datenschutz@stadtanzeiger.example",
    "authority": "Berliner Beauftragte für Datenschutz und Informationsfreiheit",
    "land": "BE",
}
NEWSLETTER = {
    "slug": "stadtanzeiger",
    "name": "Stadtanzeiger",
    "publisher": "Stadtanzeiger Verlag GmbH",
    "what_de": "Lokales, Sport und Kultur aus Musterstadt",
    "what_en": "local, sports and culture news from Musterstadt",
    "frequency_de": "höchstens dreimal am Tag",
    "frequency_en": "three times a day at most",
    "imprint_url": "https://www.stadtanzeiger.example/impressum",
    "is_public": True,
}
TOPICS = (
    ("lokales", "Lokales", "Local"),
    ("sport", "Sport", "Sports"),
    ("kultur", "Kultur", "Culture"),
)
# Sign-in name, its role, and what it is called on the first screen. The editor may also send.
STAFF = (
    ("editor", Grant.Role.PUBLISHER, "Erika Redaktion"),
    ("dpo", Grant.Role.DPO, "Dagmar Datenschutz"),
    ("administrator", Grant.Role.ADMINISTRATOR, "Adam Administration"),
)
# Both channels of the demo run on this machine: nobody else gets anything.
OWN_HOUSE: dict[str, Any] = {
    "name": "Stadtanzeiger Verlag GmbH",
    "purpose": "Demo",
    "role": "ourselves",
    "country": "DE",
    "transfer": "none",
    "sub_processors": "–",
    "retention": "solange die Demo läuft / while the demo runs",
}
RATE_PER_SECOND = 400.0


@dataclass(frozen=True)
class SignIn:
    role: str
    email: str
    password: str


@transaction.atomic
def furnish() -> list[SignIn]:
    """Make the newsroom once; an installation where somebody works already stays as it is."""
    if User.objects.exists():
        return []
    Controller.objects.create(pk=1, **CONTROLLER)
    newsletter = create_newsletter(
        actor=DEMO, topics=TOPICS, channels=[_simulator(), _mail()], **NEWSLETTER
    )
    return [_person(newsletter, *who) for who in STAFF]


def _simulator() -> Channel:
    return create_channel(
        kind="simulator",
        name="Simulator",
        settings={
            "base_url": f"{settings.JAWORT_ORIGIN}/simulator",
            "number": "+4917604069000",
            "region": "DE",
            "display_name": "Stadtanzeiger",
        },
        secrets=_secrets("token", "hook_secret"),
        actor=DEMO,
        rate_per_second=RATE_PER_SECOND,
        profile=OWN_HOUSE,
    )


def _mail() -> Channel:
    return create_channel(
        kind="email",
        name="E-Mail",
        settings={
            "from_address": "news@stadtanzeiger.example",
            "from_name": "Stadtanzeiger",
            "reply_to": "news@stadtanzeiger.example",
            "bounce_domain": "bounces.stadtanzeiger.example",
            "imprint": "Stadtanzeiger Verlag GmbH, Marktplatz 1, 12345 Musterstadt",
            "host": "127.0.0.1",
            "port": str(settings.JAWORT_MAILBOX_PORT),
            "security": "plain",
        },
        secrets=_secrets("hook_secret"),
        actor=DEMO,
        rate_per_second=RATE_PER_SECOND,
        profile=OWN_HOUSE,
    )


def _secrets(*names: str) -> dict[str, str]:
    return {name: secrets.token_urlsafe(24) for name in names}


def _person(newsletter: Newsletter, role: str, grant: Grant.Role, name: str) -> SignIn:
    """A member of staff with a random password that is shown once and stored as a hash only."""
    sign_in = SignIn(role, f"{role}@stadtanzeiger.example", secrets.token_urlsafe(PASSWORD_BYTES))
    user = create_staff(email=sign_in.email, password=sign_in.password, name=name, actor=DEMO)
    # A data-protection officer and an administrator are responsible for the whole house.
    scope = newsletter.pk if grant == Grant.Role.PUBLISHER else None
    grant_role(user=user, role=grant, newsletter=scope, actor=DEMO)
    return sign_in
