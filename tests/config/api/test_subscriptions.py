"""Subscriptions over the API: enough to recognise somebody, nothing to write to them."""

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from messengers.addresses import reveal
from subscriptions.models import Newsletter, Subscription
from tests.broadcasts.house import make_channel, make_newsletter, subscribe
from tests.config.api.conftest import Api
from tests.config.api.test_api import json

PATH = "/api/v1/subscriptions/"


@pytest.fixture
def newsletter(db: None) -> Newsletter:
    return make_newsletter(channels=[make_channel()])


@pytest.fixture
def reader(newsletter: Newsletter) -> Subscription:
    return subscribe(newsletter, newsletter.channels.get(), 604_123, topics=["sport"])


@pytest.fixture
def program(api: Api, newsletter: Newsletter) -> Client:
    return api("publisher", newsletter)


def ids(client: Client, query: str = "") -> list[str]:
    status, page = json(client, "get", f"{PATH}?{query}")
    assert status == 200, page
    return [row["id"] for row in page["results"]]


@pytest.mark.parametrize("one", [False, True], ids=["list", "one"])
def test_a_mask_is_shown_and_never_the_number(
    program: Client, reader: Subscription, one: bool
) -> None:
    number = reveal(reader.address)
    assert number == "+4917600604123"

    answer = program.get(f"{PATH}{reader.pk}/" if one else PATH)

    row = answer.json() if one else answer.json()["results"][0]
    assert (row["id"], row["address"]) == (str(reader.pk), "+49 ••• 123")
    assert (row["status"], row["topics"]) == ("confirmed", ["sport"])
    for piece in (number, "604123", "Ada", str(reader.address_id)):
        assert piece not in answer.content.decode()


def test_another_newsletters_subscription_is_hidden(
    program: Client, api: Api, reader: Subscription
) -> None:
    elsewhere = make_newsletter("elsewhere", channels=[reader.channel])
    foreign = subscribe(elsewhere, reader.channel, 2)
    assert ids(api("publisher", elsewhere)) == [str(foreign.pk)]

    assert ids(program) == [str(reader.pk)]
    assert ids(program, f"newsletter={elsewhere.pk}") == []
    assert json(program, "get", f"{PATH}{foreign.pk}/")[0] == 404


def test_each_filter_keeps_what_it_names(program: Client, reader: Subscription) -> None:
    newsletter = reader.newsletter
    mail = make_channel("email")
    newsletter.channels.add(mail)
    other = subscribe(newsletter, mail, 2, topics=["lokales"], language="en")
    Subscription.objects.filter(pk=other.pk).update(status="withdrawn", ended_at=timezone.now())
    kept = {
        f"channel={mail.pk}": other,
        "status=withdrawn": other,
        "language=en": other,
        "topic=lokales": other,
        "status=confirmed": reader,
        f"newsletter={newsletter.pk}&topic=sport": reader,
    }
    assert set(ids(program)) == {str(reader.pk), str(other.pk)}

    for query, expected in kept.items():
        assert ids(program, query) == [str(expected.pk)], query
    assert ids(program, "status=confirmed&topic=lokales") == []


def test_three_rows_take_as_many_queries_as_one(program: Client, reader: Subscription) -> None:
    ids(program)  # whatever is read once for all

    def counted(rows: int) -> dict[str, int]:
        with (
            CaptureQueriesContext(connections["default"]) as data,
            CaptureQueriesContext(connections["keystore"]) as keys,
        ):
            assert len(ids(program)) == rows
        return {"data": len(data), "keys": len(keys)}

    one = counted(1)
    for number in (2, 3):
        subscribe(reader.newsletter, reader.channel, number, topics=["sport", "lokales"])

    assert counted(3) == one
    assert one["data"] > 2
    assert one["keys"] > 0
