"""The door before Django: the same answers, stored together, withdrawals alone, nothing forged."""

import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connections

from messengers import door
from messengers.attempts import seal_attempt
from messengers.channels import change_channel
from messengers.group_commit import GroupCommit
from messengers.inbox import handle_pending
from messengers.models import Channel, Gate, InboundEvent, ReceiptGroup
from messengers.signature import signed_headers
from tests.fuzz.hooks import Fuzz, targets, throw
from tests.messengers import inbound_double as inbound
from tests.messengers.house import SYSTEM, make_channel, make_people, phone

SECRET = "hook-secret-0123456789"
AT = "2026-11-21T20:00:00+00:00"


@pytest.fixture(autouse=True)
def fresh(settings: Any) -> Iterator[None]:
    settings.INBOUND = "tests.messengers.inbound_double"
    inbound.forget()
    door.forget()
    yield
    inbound.forget()
    door.forget()


@pytest.fixture
def channel(db: None) -> Channel:
    return make_channel(secrets={"token": "t" * 32, "hook_secret": SECRET})


def text(words: str, sender: str = phone(1), ref: str = "e1") -> dict:
    return {"type": "text", "id": ref, "at": AT, "from": sender, "text": words}


def receipt(status: str, attempt: str, ref: str = "r1") -> dict:
    return {"type": "receipt", "id": ref, "at": AT, "attempt": attempt, "status": status}


def call(channel_id: UUID, body: bytes, secret: str = SECRET, **more: Any) -> dict[str, Any]:
    headers = signed_headers(secret, "call-1", body)
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": f"/hooks/{channel_id}/",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
        **more,
    }


def post(channel_id: UUID, *events: dict, **more: Any) -> int | None:
    return door.answer(call(channel_id, json.dumps({"events": events}).encode(), **more))


def test_texts_and_receipts_are_taken_once_and_sealed(channel: Channel) -> None:
    for _ in range(2):
        assert post(channel.id, text("Hallo"), text("Und?", ref="e2")) == 200
    attempt = seal_attempt(7, 1)
    assert post(channel.id, receipt("delivered", attempt), receipt("read", attempt)) == 200

    assert InboundEvent.objects.count() == 2
    group = ReceiptGroup.objects.get()
    assert (group.size, group.deliveries, group.ranks) == (1, [7], [4])
    assert b"Hallo" not in bytes(InboundEvent.objects.earliest("id").sealed or b"")
    assert handle_pending() == 2
    assert inbound.handled == ["Hallo", "Und?"]


def test_whatever_is_not_right_is_refused_and_stores_nothing(channel: Channel) -> None:
    body = json.dumps({"events": [text("Hallo")]}).encode()
    too_much = b" " * (4 * 1024 * 1024 + 1)
    chunks = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}

    assert post(channel.id, text("Hallo"), secret="somebody-elses-secret") == 403
    assert post(uuid4(), text("Hallo")) == 403
    assert door.answer(call(channel.id, body) | {"wsgi.input": io.BytesIO(body[::-1])}) == 403
    assert door.answer(call(channel.id, b"[1, 2")) == 400
    assert door.answer(call(channel.id, too_much)) == 413
    assert door.answer(call(channel.id, too_much, **chunks)) == 413
    assert door.answer(call(channel.id, body, CONTENT_LENGTH="9" * 99)) == 403
    assert InboundEvent.objects.count() == 0

    assert door.answer(call(channel.id, body, **chunks)) == 200
    assert InboundEvent.objects.count() == 1


@pytest.mark.parametrize("sender", [[], {}, None, 7, True])
def test_a_sender_that_is_no_text_is_left_out(channel: Channel, sender: Any) -> None:
    assert post(channel.id, {**text("Hallo"), "from": sender}, text("Und?", ref="e2")) == 200

    assert InboundEvent.objects.count() == 1


def test_pages_handshakes_and_plain_http_are_left_to_django(channel: Channel, settings) -> None:
    assert post(channel.id, text("Hallo"), REQUEST_METHOD="GET") is None
    assert post(channel.id, text("Hallo"), PATH_INFO="/hooks/nothing/") is None
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert post(channel.id, text("Hallo")) is None
    assert InboundEvent.objects.count() == 0

    assert post(channel.id, text("Hallo"), HTTP_X_FORWARDED_PROTO="https") == 200


def test_a_withdrawal_never_rides_in_a_group(channel: Channel, monkeypatch) -> None:
    ((_, gate),) = make_people(channel, 1, first=1)
    monkeypatch.setattr(door.GROUPS, "commit", lambda part: pytest.fail("it waited for others"))

    assert post(channel.id, text("Hallo", ref="e2"), text("STOP")) == 200

    assert Gate.objects.get(id=gate).reason == Gate.Reason.WITHDRAWN
    assert InboundEvent.objects.filter(is_withdrawal=True).count() == 1
    assert InboundEvent.objects.count() == 2


def test_a_changed_secret_counts_within_seconds(channel: Channel, monkeypatch) -> None:
    assert post(channel.id, text("Hallo")) == 200
    change_channel(channel=channel, secrets={"hook_secret": SECRET * 2}, actor=SYSTEM)
    monkeypatch.setattr("messengers.door._KNOWN.seconds", 0.0)
    now = door.time.monotonic() + 6
    monkeypatch.setattr("messengers.door.time.monotonic", lambda: now)

    assert post(channel.id, text("Hallo", ref="e2")) == 403
    assert post(channel.id, text("Hallo", ref="e2"), secret=SECRET * 2) == 200


@pytest.mark.parametrize(("error", "status"), [(OperationalError("gone"), 503), (KeyError(), 500)])
def test_what_goes_wrong_is_told_and_named_without_a_word_of_it(
    channel: Channel, monkeypatch, caplog, error: Exception, status: int
) -> None:
    tried: list[object] = []

    def broken(part: object) -> None:
        tried.append(part)
        raise error

    monkeypatch.setattr(door.GROUPS, "commit", broken)

    with caplog.at_level("INFO"):
        assert post(channel.id, text("Mein Geheimnis")) == status

    assert len(tried) == (2 if status == 503 else 1)
    assert type(error).__name__ in caplog.text
    assert "Geheimnis" not in caplog.text


def test_the_web_server_gets_a_status_line(channel: Channel) -> None:
    from config.wsgi import application

    said: list[Any] = []
    body = json.dumps({"events": [text("Hallo")]}).encode()

    assert list(application(call(channel.id, body), lambda *words: said.append(words))) == [b""]
    list(application(call(uuid4(), body), lambda *words: said.append(words)))

    assert [line for line, _ in said] == ["200 OK", "403 Forbidden"]


def test_two_thousand_twisted_and_forged_hooks(db: None) -> None:
    """The long form: python -m tests.fuzz.hooks --bodies 1000000"""
    mail = {"from_address": "news@example.org", "host": "127.0.0.1"}
    channels = {
        "simulator": make_channel(secrets={"hook_secret": SECRET}).id,
        "email": make_channel(kind="email", settings=mail, secrets={"hook_secret": SECRET}).id,
    }

    def stored() -> int:
        return InboundEvent.objects.count() + ReceiptGroup.objects.count()

    outcome = throw(Fuzz(targets(channels), seed=4), 2_000, stored)

    assert outcome.is_well, outcome
    assert outcome.statuses["honest 200"] > 400
    assert outcome.statuses["forged 403"] > 800
    assert stored() > 20


# --- Groups ---


def test_who_comes_while_one_writes_goes_together_after_it() -> None:
    groups: list[list[int]] = []
    began, go_on = threading.Event(), threading.Event()

    def write(items: list[int]) -> None:
        groups.append(items)
        began.set()
        assert go_on.wait(10)

    together: GroupCommit[int] = GroupCommit(write, most=8)
    with ThreadPoolExecutor(20) as threads:
        first = threads.submit(together.commit, 0)
        assert began.wait(10)
        others = [threads.submit(together.commit, n) for n in range(1, 20)]
        while len(together._waiting) < 19:
            threading.Event().wait(0.001)
        assert not any(other.done() for other in others)  # nobody answers before its commit
        go_on.set()
        for other in [first, *others]:
            other.result(10)

    assert [len(group) for group in groups] == [1, 8, 8, 3]
    assert sorted(n for group in groups for n in group) == list(range(20))


def test_a_poisonous_item_fails_alone_and_a_lost_database_fails_all() -> None:
    began, go_on = threading.Event(), threading.Event()
    written: list[int] = []
    hopeless = False

    def write(items: list[int]) -> None:
        began.set()
        assert go_on.wait(10)
        if hopeless:
            raise OperationalError
        if 13 in items:
            raise ValueError
        written.extend(items)

    together: GroupCommit[int] = GroupCommit(write, most=64, hopeless=(OperationalError,))
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(together.commit, 0)
        assert began.wait(10)
        others = {n: threads.submit(together.commit, n) for n in (1, 13, 2)}
        while len(together._waiting) < 3:
            threading.Event().wait(0.001)
        go_on.set()
        with pytest.raises(ValueError, match=r"^$"):
            others[13].result(10)
        for done in (first, others[1], others[2]):
            done.result(10)
        hopeless = True
        with pytest.raises(OperationalError):
            together.commit(3)

    assert sorted(written) == [0, 1, 2]


@pytest.mark.django_db(transaction=True)
def test_many_hooks_at_once_are_all_there_after_their_200() -> None:
    channel = make_channel(secrets={"hook_secret": SECRET})

    def one(number: int) -> int | None:
        try:
            status = post(channel.id, text("Hallo", ref=f"e{number}"))
            assert InboundEvent.objects.filter(ref=ref_of(number)).exists()
            return status
        finally:
            connections.close_all()

    def ref_of(number: int) -> bytes:
        return door.inbox.keyed_hash("event", f"{channel.id}|e{number}")

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(one, range(24))) == [200] * 24

    assert InboundEvent.objects.count() == 24
