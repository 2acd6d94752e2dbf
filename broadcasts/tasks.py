"""What beat rings for."""

import structlog
from celery import shared_task
from django.utils import timezone

from broadcasts import actions

log = structlog.get_logger(__name__)
# What a tick does, in this order. One that breaks does not keep the others from their work.
STEPS = (
    actions.fire_due,
    actions.follow_dispatches,
    actions.keep_quiet_hours,
    actions.forget_test_addresses,
    actions.forget_unused_pictures,
)


@shared_task(name="broadcasts.tasks.tick")
def tick() -> None:
    """Every ten seconds: start what is due, follow what is sent, keep the quiet hours, forget.

    May run twice and in parallel: each of these holds or finds its row once (see there).
    """
    now = timezone.now()
    broken: list[Exception] = []
    for step in STEPS:
        try:
            step(now)
        except Exception as error:
            log.error("step of the tick failed", task=step.__name__, error=type(error).__name__)
            broken.append(error)
    if broken:
        raise broken[0]
