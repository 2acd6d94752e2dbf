"""Several STOPs in one hook body, and a worker that holds their replies: nobody waits in a ring."""

import threading

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from config.inbound import withdraw_now
from messengers.contract import TextEvent
from messengers.models import Delivery
from messengers.sql import rows
from subscriptions.models import OptIn

from .conftest import OTHER_PHONE, PHONE

LOCK = "SELECT id FROM messengers_batch WHERE id = %s FOR UPDATE"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("order", [(PHONE, OTHER_PHONE), (OTHER_PHONE, PHONE)])
def test_a_hook_with_many_stops_and_a_worker_do_not_wait_for_each_other(chat, say, order):
    for phone in (PHONE, OTHER_PHONE):
        say("START", sender=phone)  # a question of each waits in a batch
    low, high = Delivery.objects.order_by("batch").values_list("batch", flat=True)
    has_low, faults = threading.Event(), []

    def worker():
        try:
            with transaction.atomic():
                rows(LOCK, [low])
                has_low.set()
                threading.Event().wait(0.3)  # meanwhile the hook comes
                rows(LOCK, [high])
        except OperationalError as error:
            faults.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=worker)
    thread.start()
    has_low.wait(5)
    events = [TextEvent(ref=phone, at=timezone.now(), sender=phone, text="STOP") for phone in order]
    with transaction.atomic():
        applied = withdraw_now(chat, events)
    thread.join()

    assert faults == []
    assert applied == {PHONE, OTHER_PHONE}
    assert not OptIn.objects.exists()
    assert set(Delivery.objects.values_list("status", flat=True)) == {"cancelled"}
