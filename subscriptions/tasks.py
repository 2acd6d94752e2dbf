"""Rung by beat. What is due stands in the database; running twice changes nothing more."""

from celery import shared_task
from django.utils import timezone

from subscriptions import forget


@shared_task(ignore_result=True)
def tick() -> None:
    """Erase what has had its time. Each row goes in a transaction of its own."""
    now = timezone.now()
    forget.expire_opt_ins(now)
    forget.forget_replies(now)
    forget.forget_files(now)
    forget.forget_counters(now)
    forget.lapse_unused(now)
    forget.forget_strangers(now)
