"""The database's clock was set back: what was written before lies ahead, and stops nobody."""

from datetime import timedelta

import pytest
from django.utils import timezone

from messengers.models import Channel
from messengers.rate import grant
from tests.messengers.house import make_channel

pytestmark = pytest.mark.django_db


def test_a_rate_that_was_spent_in_the_future_grants_again() -> None:
    channel = make_channel(rate_per_second=50_000.0)
    ahead = timezone.now() + timedelta(hours=2)
    Channel.objects.filter(id=channel.id).update(theoretical_arrival_at=ahead)

    assert grant(channel.id, 1) == 1
