"""What beat rings for."""

from celery import shared_task
from django.utils import timezone

from broadcasts import actions


@shared_task(name="broadcasts.tasks.tick")
def tick() -> None:
    """Every ten seconds: start what is due, follow what is sent, keep the quiet hours, forget.

    May run twice and in parallel: each of these holds or finds its row once (see there).
    """
    now = timezone.now()
    actions.fire_due(now)
    actions.follow_dispatches(now)
    actions.keep_quiet_hours(now)
    actions.forget_test_addresses(now)
    actions.forget_unused_pictures(now)
