"""What the broadcasts know about a person: planted, seen, erased, gone."""

import pytest
from django.apps import apps
from django.utils import timezone

from broadcasts import actions, personal_data
from broadcasts.models import TestAddress
from messengers.addresses import find_address
from privacy.models import Request
from privacy.requests.erasure.certificate import by_class
from tests.broadcasts.house import make_draft
from tests.broadcasts.test_actions import NUMBER


@pytest.fixture
def started(draft, publisher):
    return actions.start(draft, actor=publisher, idempotency_key="k")


def test_every_field_is_classified():
    fields = {
        f"{model.__name__}.{field.name}"
        for model in apps.get_app_config("broadcasts").get_models()
        for field in model._meta.local_concrete_fields
    }

    assert set(personal_data.DATA.fields) == fields


def test_the_export_names_the_broadcasts_a_person_received(started, readers, newsletter, publisher):
    make_draft(newsletter, publisher, title="Never sent")

    exported = personal_data.export(readers[0].subscriber_id)

    assert exported["broadcasts"] == [
        {
            "newsletter": "Stadtanzeiger",
            "title": "Brücke gesperrt",
            "started": started.started_at.isoformat(),
            "state": "queued",
        }
    ]
    assert personal_data.describe(readers[0].subscriber_id) == {"broadcasts": 1}


def test_a_stranger_received_nothing(started):
    from privacy.ids import uuid7

    assert personal_data.export(uuid7()) == {"broadcasts": [], "test_addresses": []}


def test_an_erasure_forgets_the_test_address(draft, channel, publisher):
    actions.test_to_self(broadcast=draft, channel=channel, actor=publisher, to=NUMBER)
    subject = find_address(channel, NUMBER).subject
    assert personal_data.scan(subject, [NUMBER]) == ["TestAddress"]
    assert len(personal_data.export(subject)["test_addresses"]) == 1

    assert personal_data.erase(subject) == {"TestAddress": 0}  # a stranger who is forgotten
    now = timezone.now()
    Request.objects.create(
        number="2026-0001",
        kind=Request.Kind.ERASURE,
        origin=Request.Origin.CHAT,
        subject=subject,
        received_at=now,
        due_at=now,
    )
    assert personal_data.erase(subject) == {"TestAddress": 1}
    assert by_class({"broadcasts.TestAddress": 1}) == {"staff_account": 1}

    assert personal_data.scan(subject, [NUMBER]) == []
    assert not TestAddress.objects.exists()


@pytest.mark.parametrize("field", ["title", "markdown", "urgent_why"])
def test_the_scan_finds_a_number_that_slipped_into_a_text(newsletter, publisher, readers, field):
    subject = readers[0].subscriber_id
    assert personal_data.scan(subject, [NUMBER]) == []

    make_draft(newsletter, publisher, **{field: f"Rufen Sie {NUMBER} an"})

    assert personal_data.scan(subject, [NUMBER]) == ["texts of broadcasts"]
