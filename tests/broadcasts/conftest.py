"""A newsroom with three readers and one publisher."""

import pytest

from privacy.access import Actor
from tests.broadcasts.house import make_channel, make_draft, make_newsletter, make_staff, subscribe


@pytest.fixture(autouse=True)
def media_folder(settings, tmp_path):
    settings.JAWORT_MEDIA_DIR = tmp_path / "media"
    return settings.JAWORT_MEDIA_DIR


@pytest.fixture
def channel(db):
    return make_channel()


@pytest.fixture
def newsletter(channel):
    return make_newsletter(channels=[channel])


@pytest.fixture
def readers(newsletter, channel):
    """One for local news, two for sports."""
    return [
        subscribe(newsletter, channel, number, topics=[topic])
        for number, topic in enumerate(["lokales", "sport", "sport"])
    ]


@pytest.fixture
def user(newsletter):
    return make_staff(newsletter=newsletter)


@pytest.fixture
def publisher(user):
    return Actor.staff(user)


@pytest.fixture
def draft(newsletter, publisher, readers):
    return make_draft(newsletter, publisher)
