from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.utils.timezone import now

from config.celery import app
from config.schedule import TICKS, beat_schedule
from config.tasks import tidy


def cached_rows() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM cache")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db
def test_what_is_over_is_removed_and_the_rest_stays():
    Session.objects.create(session_key="over", expire_date=now() - timedelta(seconds=1))
    Session.objects.create(session_key="valid", expire_date=now() + timedelta(hours=1))
    cache.set("over", 1, timeout=-1)
    cache.set("valid", 1, timeout=60)
    assert cached_rows() == 2

    tidy()

    assert [session.session_key for session in Session.objects.all()] == ["valid"]
    assert cached_rows() == 1


def test_every_tick_is_a_task_that_exists():
    app.loader.import_default_modules()

    assert set(TICKS) - set(app.tasks) == set()


def test_beat_rings_what_the_schedule_says():
    assert {task: entry["schedule"] for task, entry in beat_schedule().items()} == TICKS
    assert beat_schedule() == settings.CELERY_BEAT_SCHEDULE
