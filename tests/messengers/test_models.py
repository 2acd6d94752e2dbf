"""What the database itself refuses, whatever the code above it does."""

import pytest
from django.db import IntegrityError, transaction

from messengers.models import MAX_BATCH, Batch, Delivery, Dispatch, InboundEvent, Instance
from tests.messengers.house import make_channel, make_dispatch, make_people


@pytest.fixture
def dispatch(db: None) -> Dispatch:
    return make_dispatch([gate for _, gate in make_people(make_channel(), 2)])


def refuses(change) -> bool:
    try:
        with transaction.atomic():
            change()
    except IntegrityError:
        return True
    return False


@pytest.mark.parametrize(("size", "is_refused"), [(0, True), (1, False), (256, False), (257, True)])
def test_a_batch_has_one_to_256_recipients(dispatch: Dispatch, size: int, is_refused: bool) -> None:
    assert MAX_BATCH == 256
    assert refuses(lambda: Batch.objects.update(size=size)) is is_refused


def test_only_work_has_a_lease(dispatch: Dispatch) -> None:
    assert refuses(lambda: Batch.objects.update(status="working"))
    assert refuses(lambda: Batch.objects.update(lease_until="2026-01-01T00:00Z"))
    assert not refuses(
        lambda: Batch.objects.update(status="working", lease_until="2026-01-01T00:00Z")
    )


def test_sending_is_never_stored(dispatch: Dispatch) -> None:
    assert refuses(lambda: Delivery.objects.update(status="sending"))


def test_nobody_is_in_a_dispatch_twice(dispatch: Dispatch) -> None:
    first, second = Delivery.objects.order_by("id")

    assert refuses(lambda: Delivery.objects.filter(id=second.id).update(address=first.address))


def test_a_position_is_taken_once(dispatch: Dispatch) -> None:
    assert refuses(lambda: Delivery.objects.update(position=0))


def test_an_event_counts_once(dispatch: Dispatch) -> None:
    batch = Batch.objects.get()
    values = {
        "channel_id": batch.channel_id,
        "ref": b"r" * 16,
        "kind": "text",
        "received_at": "2026-01-01T00:00Z",
        "day": "2026-01-01",
    }
    InboundEvent.objects.create(**values)

    assert refuses(lambda: InboundEvent.objects.create(**values))


def test_there_is_one_instance(db: None) -> None:
    Instance.objects.create(pk=1)

    assert refuses(lambda: Instance.objects.create(pk=2))


@pytest.mark.parametrize("model", [Delivery, Dispatch])
def test_every_state_has_its_place_in_the_table(model) -> None:
    assert set(model.TRANSITIONS) == set(model.Status)
    reachable = {state for nexts in model.TRANSITIONS.values() for state in nexts}
    assert reachable | {model.Status.values[0]} == set(model.Status)


def test_a_doubt_is_left_by_evidence_or_a_person_only() -> None:
    """Nothing leads from a doubt to `sending` but a person's decision to queue it again."""
    assert "sending" not in Delivery.TRANSITIONS["in_doubt"]
    assert [old for old, nexts in Delivery.TRANSITIONS.items() if "sending" in nexts] == ["queued"]
