"""What several files of this room begin with; a file with another `channel` makes its own."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from messengers.models import Channel
from messengers.sql import run
from tests.messengers.house import make_channel
from tests.standins.http_provider import TOKEN, Provider, running


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def channel(provider: Provider) -> Iterator[Channel]:
    """An account at `provider`, which listens on loopback."""
    with running(provider) as url:
        yield make_channel(settings={"base_url": url, "bulk": 1}, secrets={"token": TOKEN})


@pytest.fixture
def old_day(transactional_db: None) -> Iterator[str]:
    """A day of receipts that is to be dropped, where other connections can see it."""
    day = timezone.now() - timedelta(days=8)
    run("SELECT messengers_add_day(%s)", [day.date()])
    name = f"messengers_receiptgroup_{day:%Y_%m_%d}"
    yield name
    run(f"DROP TABLE IF EXISTS {name}")
