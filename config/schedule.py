"""What beat rings, and how often. The tasks look in the database for what is due.

A tick that nobody took before the next one is worth nothing: see config/ticks.py.
"""

from typing import Any

TICKS = {
    "messengers.tasks.sweep": 5,
    "privacy.audit.tasks.keep_logs": 5,
    "broadcasts.tasks.tick": 10,
    "subscriptions.tasks.tick": 60,
    "privacy.tasks.tick": 60,
    "config.tasks.tidy": 3600,
}


def beat_schedule() -> dict[str, dict[str, Any]]:
    """Celery's shape of `TICKS`: each task every so many seconds."""
    return {task: {"task": task, "schedule": float(seconds)} for task, seconds in TICKS.items()}
