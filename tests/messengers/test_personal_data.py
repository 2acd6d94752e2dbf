"""The verbs of the data inventory: found, shown masked, blocked, exported, erased, gone."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.utils import timezone

from messengers import personal_data as page
from messengers.contract import Content, TextEvent
from messengers.inbox import seal_event
from messengers.models import Address, Batch, Channel, Delivery, Dispatch, Gate, InboundEvent
from messengers.outbox import counts, reply
from privacy import inventory
from privacy.vault import keyed_hash
from tests.messengers.house import make_channel, make_dispatch, make_people, phone, states

ME = "+4917600000155"
REF = b"r" * 16


@pytest.fixture
def channel(db: None) -> Channel:
    return make_channel(provider_name="Simulator GmbH", provider_country="DE")


@pytest.fixture
def person(channel: Channel) -> tuple[Address, UUID]:
    """Somebody with an address, a gate, a broadcast on the way and a text in the inbox.

    The provider has its own spelling of their number.
    """
    people = make_people(channel, 3)
    make_dispatch([gate for _, gate in people])
    now = timezone.now()
    sender = phone(0).replace("+", "00")
    event = TextEvent(
        ref="e1", at=datetime(2026, 11, 21, tzinfo=UTC), sender=sender, text="Guten Tag"
    )
    InboundEvent.objects.create(
        channel=channel,
        ref=REF,
        kind="text",
        received_at=now,
        day=now.date(),
        sealed=seal_event(channel.id, REF, event, now),
    )
    return people[0]


def test_every_field_of_ours_is_classified() -> None:
    assert [problem for problem in inventory.problems() if "messengers." in problem] == []


def test_a_person_is_found_by_an_identifier_in_any_spelling(
    person: tuple[Address, UUID], channel: Channel
) -> None:
    number = phone(0)

    assert page.find("simulator", number) == {person[0].subject}
    assert page.find("simulator", number.replace("+49", "0")) == {person[0].subject}
    assert page.find("simulator", phone(77)) == set()
    assert page.find("email", number) == set()


def test_what_is_shown_is_masked(person: tuple[Address, UUID]) -> None:
    shown = page.describe(person[0].subject)
    (point,) = page.contact(person[0].subject)

    assert shown["messages"] == 1
    assert point.masked.endswith(phone(0)[-3:])
    assert phone(0) not in str(shown) + str(point)
    assert page.identifiers(person[0].subject) == [("simulator", phone(0))]
    assert page.recipients(person[0].subject) == ["Simulator GmbH (DE)"]


def test_blocking_closes_gates_and_empties_the_queue(person: tuple[Address, UUID]) -> None:
    address, gate = person
    answer = reply(address=address, content=Content("Wir haben Ihre Anfrage", "de"))
    dispatch = Dispatch.objects.get(kind="broadcast")
    assert page.under_way(address.subject) == 2

    assert page.block(address.subject, Gate.Reason.RESTRICTED) == 1
    assert page.block(address.subject, Gate.Reason.RESTRICTED) == 0

    assert Gate.objects.get(id=gate).reason == Gate.Reason.RESTRICTED
    assert states(dispatch) == {"queued": 2, "suppressed": 1}
    assert counts(dispatch.id)["suppressed"] == 1
    assert states(answer) == {"queued": 1}  # the answer to the person still leaves
    assert page.under_way(address.subject) == 1


def test_what_is_on_the_wire_keeps_its_fate(person: tuple[Address, UUID]) -> None:
    address, _ = person
    position = Delivery.objects.get(address=address.id).position
    Batch.objects.update(
        status="working", on_wire=[position], lease_until="2030-01-01T00:00Z", token=1
    )

    page.block(address.subject, Gate.Reason.RESTRICTED)

    assert Delivery.objects.get(address=address.id).status == "queued"


def test_the_export_holds_all_of_it_in_clear(person: tuple[Address, UUID]) -> None:
    address, _ = person
    reply(address=address, content=Content("{text}", "de"), values={"text": "Ihre Antwort"})

    exported = page.export(address.subject)

    assert exported["addresses"][0]["address"] == phone(0)
    assert exported["addresses"][0]["first_name"] == "Ada"
    assert exported["gates"][0]["open"] is True
    assert [message["kind"] for message in exported["messages"]] == ["broadcast", "reply"]
    assert exported["messages"][1]["values"] == {"text": "Ihre Antwort"}
    assert exported["received"] == [{"at": exported["received"][0]["at"], "text": "Guten Tag"}]


def test_erasing_leaves_numbers_and_nothing_else(person: tuple[Address, UUID]) -> None:
    address, _ = person
    dispatch = Dispatch.objects.get(kind="broadcast")
    ref = keyed_hash("provider_id", "x")
    Delivery.objects.filter(address=address.id).update(provider_ref=ref)
    needles = [phone(0), phone(0).encode().hex(), address.id.hex, str(address.id), ref.hex()]
    assert page.scan(address.subject, needles) != []  # it would be found
    assert page.export(address.subject)["received"] != []

    erased = page.erase(address.subject)
    again = page.erase(address.subject)

    assert erased["Delivery"] == 1
    assert set(again.values()) == {0}
    assert page.scan(address.subject, needles) == []
    assert page.find("simulator", phone(0)) == set()
    assert not any(page.export(address.subject).values())
    assert InboundEvent.objects.get().sealed is None
    assert states(dispatch) == {"queued": 2, "suppressed": 1}
    assert sum(counts(dispatch.id).values()) == dispatch.size == 3
    assert Address.objects.count() == 2


def test_a_channel_whose_secrets_are_lost_keeps_nobody_from_their_rights(
    person: tuple[Address, UUID], channel: Channel
) -> None:
    Channel.objects.filter(id=channel.id).update(secrets_sealed=b"no seal of ours")

    assert page.export(person[0].subject)["addresses"]
    page.erase(person[0].subject)

    assert not any(page.export(person[0].subject).values())


def test_others_are_untouched_by_an_erasure(person: tuple[Address, UUID]) -> None:
    other = Address.objects.exclude(id=person[0].id).first()
    before = page.export(other.subject)

    page.erase(person[0].subject)

    assert page.export(other.subject) == before


@pytest.mark.parametrize("table", page.TABLES)
def test_the_scan_looks_into_every_table(person: tuple[Address, UUID], table: str) -> None:
    """Each needle is planted in that very table first."""
    from django.db import connection

    columns = {
        "messengers_channel": "name",
        "messengers_dispatch": "status_why",
        "messengers_delivery": "cause",
        "messengers_receiptgroup": "causes[1]",
    }
    with connection.cursor() as cursor:
        if table == "messengers_receiptgroup":
            cursor.execute(
                "INSERT INTO messengers_receiptgroup (channel, size, deliveries, refs, ranks,"
                " causes, at, next_at, tries) VALUES (gen_random_uuid(), 1, '{1}', '{NULL}',"
                " '{4}', '{\"\"}', now(), now(), 0)"
            )
        if table in columns:
            cursor.execute(f"UPDATE {table} SET {columns[table]} = %s", [f"x{ME}x"])
            needle = ME
        else:
            cursor.execute(f"UPDATE {table} SET sealed = %s", [b"x" + ME.encode()])
            needle = ME.encode().hex()

    assert table in page.scan(person[0].subject, [needle])
