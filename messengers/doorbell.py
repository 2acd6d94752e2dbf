"""Rings for a worker. What is to be done stands in PostgreSQL; a lost ring costs a few seconds."""

import structlog
from celery import current_app
from django.db import transaction

log = structlog.get_logger("jawort.doorbell")

WORK = "messengers.tasks.work"
HANDLE_INBOX = "messengers.tasks.handle_inbox"


def ring_after_commit(task: str = WORK) -> None:
    """Ring once the caller's transaction has been committed, or at once outside of one."""
    transaction.on_commit(lambda: ring(task))


def ring(task: str = WORK) -> None:
    """Ring now. A broker that is down is no reason to fail: the sweeper rings again."""
    try:
        current_app.send_task(task, retry=False)
    except Exception as error:
        log.warning("doorbell_broken", task=task, error=type(error).__name__)
