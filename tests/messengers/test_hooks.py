"""Hooks: verified on raw bytes, stored once, a withdrawal at once, 200 only after the commit."""

import json
import logging
from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from messengers.channels import stop_channel
from messengers.inbox import MAX_ATTEMPTS, handle_pending, try_again
from messengers.models import Channel, Gate, InboundEvent, ReceiptGroup
from messengers.signature import signed_headers
from tests.messengers import inbound_double as inbound
from tests.messengers.house import SYSTEM, make_channel, make_people, phone

SECRET = "hook-secret-0123456789"
AT = "2026-11-21T20:00:00+00:00"


@pytest.fixture(autouse=True)
def routing(settings) -> Iterator[None]:
    settings.INBOUND = "tests.messengers.inbound_double"
    settings.ROOT_URLCONF = "messengers.urls"
    inbound.forget()
    yield
    inbound.forget()


@pytest.fixture
def channel(db: None) -> Channel:
    return make_channel(secrets={"token": "t" * 32, "hook_secret": SECRET})


def text(words: str, sender: str = phone(1), ref: str = "e1") -> dict:
    return {"type": "text", "id": ref, "at": AT, "from": sender, "text": words}


def post(channel_id, *events: dict, secret: str = SECRET, body: bytes | None = None):
    raw = json.dumps({"events": events}).encode() if body is None else body
    headers = signed_headers(secret, "call-1", raw)
    return Client().post(
        f"/hooks/{channel_id}/", raw, content_type="application/json", headers=headers
    )


def test_an_event_is_taken_once_however_often_it_comes(channel: Channel) -> None:
    for _ in range(3):
        assert post(channel.id, text("Hallo")).status_code == 200

    assert InboundEvent.objects.count() == 1
    assert handle_pending() == 1
    assert handle_pending() == 0
    assert inbound.handled == ["Hallo"]


def test_the_same_ref_on_another_channel_is_another_event(channel: Channel) -> None:
    other = make_channel(secrets={"hook_secret": SECRET})

    post(channel.id, text("Hallo"))
    post(other.id, text("Hallo"))

    assert InboundEvent.objects.count() == 2


def test_bodies_are_sealed_and_emptied_when_handled(channel: Channel) -> None:
    post(channel.id, text("Mein Geheimnis"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT e::text, e.sealed FROM messengers_inboundevent e")
        row, sealed = cursor.fetchone()
    assert sealed is not None
    for clear in ("Geheimnis", b"Geheimnis".hex(), phone(1), phone(1).encode().hex(), "e1"):
        assert f'"{clear}"' not in row
        assert clear == "e1" or clear not in row

    handle_pending()

    event = InboundEvent.objects.get()
    assert (event.status, event.sealed) == ("handled", None)


def test_unknown_channels_and_wrong_signatures_look_alike(channel: Channel) -> None:
    wrong = post(channel.id, text("Hallo"), secret="somebody-elses-secret")
    unknown = post(uuid4(), text("Hallo"))

    assert (wrong.status_code, wrong.content) == (unknown.status_code, unknown.content)
    assert wrong.status_code == 403
    assert InboundEvent.objects.count() == 0


def test_one_changed_byte_is_refused(channel: Channel) -> None:
    raw = json.dumps({"events": [text("Hallo")]}).encode()
    headers = signed_headers(SECRET, "call-1", raw)

    answer = Client().post(
        f"/hooks/{channel.id}/",
        raw.replace(b"Hallo", b"hallo"),
        content_type="application/json",
        headers=headers,
    )

    assert answer.status_code == 403


def test_a_get_that_is_no_handshake_says_nothing(channel: Channel) -> None:
    assert Client().get(f"/hooks/{channel.id}/").status_code == 403


def test_an_unreadable_body_is_400_and_stores_nothing(channel: Channel) -> None:
    assert post(channel.id, body=b"[1, 2").status_code == 400
    assert InboundEvent.objects.count() == 0


def test_more_than_four_mebibytes_are_refused(channel: Channel) -> None:
    assert post(channel.id, body=b" " * (4 * 1024 * 1024 + 1)).status_code == 413


def test_a_withdrawal_is_in_force_before_the_200(channel: Channel) -> None:
    ((address, gate),) = make_people(channel, 1, first=1)
    assert Gate.objects.get(id=gate).is_open

    assert post(channel.id, text("STOP")).status_code == 200

    assert Gate.objects.get(id=gate).reason == Gate.Reason.WITHDRAWN
    event = InboundEvent.objects.get()
    assert (event.is_withdrawal, event.status) == (True, "waiting")  # the farewell comes later
    assert address.id == Gate.objects.get(id=gate).address


def test_a_stopped_channel_still_takes_withdrawals(channel: Channel) -> None:
    ((_, gate),) = make_people(channel, 1, first=1)
    stop_channel(channel=channel, actor=SYSTEM)

    assert post(channel.id, text("STOP")).status_code == 200

    assert not Gate.objects.get(id=gate).is_open


def test_a_block_at_the_messenger_is_a_withdrawal(channel: Channel) -> None:
    ((_, gate),) = make_people(channel, 1, first=1)
    event = {"type": "opt_out", "id": "b1", "at": AT, "from": phone(1), "cause": "blocked"}

    post(channel.id, event)
    handle_pending()

    assert not Gate.objects.get(id=gate).is_open
    assert inbound.withdrawn == [phone(1)]
    assert InboundEvent.objects.get().status == "handled"


def test_a_withdrawal_that_breaks_does_not_lose_the_others(
    channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    ((_, gate),) = make_people(channel, 1, first=2)
    inbound.broken.add("STOP")
    block = {"type": "opt_out", "id": "b1", "at": AT, "from": phone(2), "cause": "blocked"}

    with caplog.at_level(logging.INFO):
        assert post(channel.id, text("STOP"), block).status_code == 200

    assert not Gate.objects.get(id=gate).is_open
    assert InboundEvent.objects.count() == 2
    assert phone(1) not in caplog.text
    assert "withdrawal_broke" in caplog.text


def test_a_poisonous_event_fails_visibly_and_stops_nobody(
    channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    inbound.broken.add("Gift")
    post(channel.id, text("Gift", ref="e1"), text("Hallo", ref="e2"))

    with caplog.at_level(logging.INFO):
        for _ in range(MAX_ATTEMPTS + 2):
            handle_pending()

    assert inbound.handled == ["Hallo"]
    failed = InboundEvent.objects.get(status="failed")
    assert failed.attempts == MAX_ATTEMPTS
    assert "event_broke" in caplog.text
    assert "secret" not in caplog.text
    assert phone(1) not in caplog.text

    inbound.forget()
    assert try_again([failed.id], actor=SYSTEM) == 1
    assert try_again([failed.id], actor=SYSTEM) == 0
    handle_pending()
    assert inbound.handled == ["Gift"]


def test_events_are_handled_in_their_order(channel: Channel) -> None:
    post(channel.id, *(text(f"Nr {n}", ref=f"e{n}") for n in range(5)))

    handle_pending()

    assert inbound.handled == [f"Nr {n}" for n in range(5)]


def test_receipts_are_reduced_at_the_door(channel: Channel) -> None:
    receipt = {
        "type": "receipt",
        "id": "r1",
        "at": AT,
        "message": "wamid.secret-4917612345",
        "status": "delivered",
    }

    assert post(channel.id, receipt).status_code == 200

    with connection.cursor() as cursor:
        cursor.execute("SELECT p::text FROM messengers_parkedreceipt p")
        (row,) = cursor.fetchone()
    assert ",delivered," in row
    assert "4917612345" not in row
    assert InboundEvent.objects.count() == 0
    assert ReceiptGroup.objects.count() == 1


def test_without_a_database_the_answer_is_503(channel: Channel, monkeypatch) -> None:
    from django.db import OperationalError

    def gone(*args: object) -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr("messengers.inbox.store_alone", gone)

    assert post(channel.id, text("Hallo")).status_code == 503


def test_without_the_key_store_a_withdrawal_still_counts(channel: Channel, monkeypatch) -> None:
    from privacy.vault import KeystoreDown

    ((_, gate),) = make_people(channel, 1, first=1)

    def down(*args: object) -> None:
        raise KeystoreDown("the database of keys does not answer.")

    monkeypatch.setattr("messengers.inbox.seal_inbox", down)

    assert post(channel.id, text("STOP"), text("Hallo", ref="e2")).status_code == 503

    assert not Gate.objects.get(id=gate).is_open
    assert InboundEvent.objects.count() == 0  # the provider brings both again


@pytest.mark.django_db(transaction=True)
def test_the_same_event_from_two_sides_at_once_is_one() -> None:
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    channel = make_channel(secrets={"hook_secret": SECRET})

    def call(_: int) -> int:
        try:
            return post(channel.id, text("Hallo")).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        statuses = list(threads.map(call, range(12)))

    assert set(statuses) == {200}
    assert InboundEvent.objects.count() == 1
