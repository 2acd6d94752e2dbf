"""What beat rings for the house as a whole."""

from datetime import datetime, timedelta
from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils.timezone import now

from config.embedded import log_files
from messengers import partitions
from privacy.retention.registry import expires
from privacy.retention.rules import starts_before, zone
from privacy.retention.stock import Count, keeps_files


@shared_task
def tidy() -> None:
    """Remove sessions and cache entries whose time is over; make the months of deliveries to come.

    May run twice: then they are gone, and there.
    """
    partitions.keep_ahead(now())
    call_command("clearsessions", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM cache WHERE expires < %s", [now()])


@expires("security_log")
def forget_log_files(moment: datetime) -> int:
    """One log file for each day, and none past the term. In production the operator keeps logs."""
    folder = _log_folder()
    log_files.begin_day(folder, moment.astimezone(zone()).date())
    due = _due(moment)
    for path in due:
        path.unlink(missing_ok=True)
    return len(due)


def _due(moment: datetime) -> list[Path]:
    """A day's file began the day before, so it goes a day sooner than its name says."""
    before = starts_before("security_log", moment).astimezone(zone()).date()
    return log_files.older_than(_log_folder(), before + timedelta(days=2))


def _count(moment: datetime) -> Count:
    """By the time of each file's last line, apart from the names that the removal goes by."""
    files = [path for path in _log_folder().glob("*.log*") if path.stat().st_size]
    before = starts_before("security_log", moment).timestamp()
    return Count(len(files), sum(path.stat().st_mtime < before for path in files))


def _log_folder() -> Path:
    return Path(settings.JAWORT_VAR) / "log"


keeps_files("security_log", "var/log/", _count)
