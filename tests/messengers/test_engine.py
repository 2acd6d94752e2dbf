"""The engine against a real provider on loopback, with real connections."""

from collections.abc import Iterator

import pytest

from messengers.engine import run, sweep
from messengers.gates import close_gates
from messengers.models import Batch, Channel, Delivery, Dispatch, Gate
from messengers.outbox import counts, reply
from tests.messengers.house import make_channel, make_content, make_dispatch, make_people, states
from tests.standins.http_provider import TOKEN, Faults, Provider, running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def channel(provider: Provider) -> Iterator[Channel]:
    with running(provider) as url:
        yield make_channel(settings={"base_url": url, "bulk": 1}, secrets={"token": TOKEN})


def test_everybody_gets_the_message_once(channel: Channel, provider: Provider) -> None:
    people = make_people(channel, 300)
    dispatch = make_dispatch([gate for _, gate in people])

    run(10)

    dispatch.refresh_from_db()
    assert states(dispatch) == {"accepted": 300}
    assert dispatch.status == Dispatch.Status.FINISHED
    assert len({entry["to"] for entry in provider.accepted}) == 300
    assert len(provider.accepted) == 300
    assert {entry["text"] for entry in provider.accepted} == {"Guten Morgen, Ada!"}
    assert counts(dispatch.id)["accepted"] == 300
    assert sum(counts(dispatch.id).values()) == dispatch.size == 300
