"""Fixtures of the tests about requests: one app that stores people, one DPO, one person."""

from datetime import UTC, datetime

import pytest

from privacy import inventory
from privacy.access import Actor
from privacy.models import Controller
from privacy.requests.actions import open_request
from privacy.vault import new_subject
from tests.privacy import fake_people

PHONE = "+4917604069001"
NOON = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)


@pytest.fixture
def people(db, monkeypatch, settings, tmp_path):
    """The app of people; nobody else stores anything."""
    fake_people.make_table()
    monkeypatch.setattr(inventory, "_pages", lambda: {"people": fake_people})
    settings.ANSWER_SUBJECT = "tests.privacy.fake_people.answer"
    settings.JAWORT_EXPORT_DIR = tmp_path / "exports"
    settings.JAWORT_MEDIA_DIR = tmp_path / "media"
    settings.JAWORT_VAR = tmp_path
    settings.JAWORT_MEDIA_DIR.mkdir()
    yield fake_people
    fake_people.drop_table()


@pytest.fixture
def controller(db):
    return Controller.objects.create(
        id=1,
        name="Stadtanzeiger Verlag GmbH",
        address="Marktplatz 1, 12345 Musterstadt",
        email="post@example.org",
        imprint_url="https://example.org/impressum",
        dpo_contact="Dr. Änne Größer, datenschutz@example.org",
        authority="Berliner Beauftragte für Datenschutz",
        land="BE",
    )


@pytest.fixture
def officer(staff):
    return Actor.staff(staff("dpo"))


@pytest.fixture
def deputy(staff):
    """The second person."""
    return Actor.staff(staff("dpo", email="deputy@example.org"))


@pytest.fixture
def editor(staff):
    return Actor.staff(staff("editor"))


@pytest.fixture
def subject(people):
    one = new_subject()
    people.plant(one, PHONE)
    return one


@pytest.fixture
def ask(subject):
    """`ask("erasure")`: the person asks in the chat."""

    def make(kind="access", origin="chat", verified=True, who=subject, **more):
        more.setdefault("actor", Actor.subscriber(subject))
        more.setdefault("received_at", NOON)
        return open_request(subject=who, kind=kind, origin=origin, verified=verified, **more)

    return make
