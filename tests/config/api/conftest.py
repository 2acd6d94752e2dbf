"""A newsroom with two newsletters, and programs with tokens."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from privacy.access import Actor
from privacy.access.actions import create_token
from privacy.models import Grant, User
from subscriptions.models import Newsletter, Topic

Api = Callable[..., Client]


def a_newsletter(slug: str) -> Newsletter:
    return Newsletter.objects.create(
        slug=slug,
        name=slug.title(),
        publisher="Verlag",
        what_de="Nachrichten",
        what_en="News",
        frequency_de="täglich",
        frequency_en="daily",
        imprint_url="https://example.org/imprint",
    )


@pytest.fixture
def city(db: None) -> Newsletter:
    newsletter = a_newsletter("stadt")
    Topic.objects.create(newsletter=newsletter, slug="sport", name_de="Sport", name_en="Sports")
    return newsletter


@pytest.fixture
def county(db: None) -> Newsletter:
    return a_newsletter("land")


@pytest.fixture
def api(db: None) -> Api:
    """`api("publisher", city, scopes=[…])`: a client whose token has these rights."""

    def make(
        role: str, newsletter: Newsletter | None = None, scopes: list[str] | None = None
    ) -> Client:
        user = User.objects.create_user(f"{role}{User.objects.count()}@example.org", None)
        scope: UUID | None = newsletter.pk if newsletter else None
        Grant.objects.create(user=user, role=role, newsletter=scope)
        actor = Actor.staff(user)
        owned = sorted(action for action, at in actor.rights.scopes.items() if at)
        _token, text = create_token(
            user=user,
            name="test",
            scopes=owned if scopes is None else scopes,
            newsletters=[],
            expires_at=timezone.now() + timedelta(days=1),
            actor=actor,
        )
        return Client(headers={"authorization": f"Bearer {text}"})

    return make
