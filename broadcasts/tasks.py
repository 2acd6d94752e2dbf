"""What beat rings for."""

import structlog
from celery import shared_task
from django.core.cache import cache
from django.utils import timezone

from broadcasts import actions

log = structlog.get_logger(__name__)
# What a tick does, in this order. One that breaks does not keep the others from their work.
STEPS = (
    actions.fire_due,
    actions.follow_dispatches,
    actions.keep_quiet_hours,
    actions.judge_trials,
    actions.go_on_after_breakers,
    actions.resend_doubts,
)
HOURLY = (actions.forget_test_addresses, actions.forget_unused_pictures)
TIDIED = "broadcasts.tidied"


@shared_task(name="broadcasts.tasks.tick")
def tick() -> None:
    """Every ten seconds: start what is due, follow what is sent, keep the quiet hours, judge
    trials, try again what lost its answers; tidy up.

    May run twice and in parallel: each of these holds or finds its row once (see there).
    """
    now = timezone.now()
    broken: list[Exception] = []
    is_time_to_tidy = cache.add(TIDIED, True, timeout=3600)
    for step in STEPS + HOURLY if is_time_to_tidy else STEPS:
        try:
            step(now)
        except Exception as error:
            log.error("step of the tick failed", task=step.__name__, error=type(error).__name__)
            broken.append(error)
    if broken:
        raise broken[0]
