"""What beat rings for on the ground floor. Each may run twice: it removes only what is due."""

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from privacy import vault
from privacy.access import guesses
from privacy.access.sessions import SessionStore
from privacy.models import RetentionRun, TotpStep
from privacy.requests import work as requests
from privacy.requests.export.package import expire_due as expire_packages
from privacy.retention.registry import expires
from privacy.retention.rules import ensure_defaults, starts_before
from privacy.retention.run import run

TOTP_STEP_SECONDS = 30
# A used one-time code must be known for as long as it could pass; a day is plenty.
STEPS_KEPT = timedelta(days=1)
# Looking for keys without a person reads every key: once a day is enough.
ORPHANS_EVERY = timedelta(days=1)


@shared_task
def tick() -> None:
    """Retention: harmless when run twice, because whatever is due is removed only once."""
    ensure_defaults()
    run(timezone.now())
    requests.resume()


@shared_task
def erase(request: str) -> None:
    """Go on with one erasure just begun; the tick does the same, only later. May run twice."""
    requests.work_on(UUID(request))


@expires("inbox_body")
def destroy_inbox_keys(now: datetime) -> int:
    """Whole days at once: the key of a day goes when its last message is due."""
    due = starts_before("inbox_body", now).astimezone(ZoneInfo(settings.DISPLAY_TIME_ZONE))
    return vault.destroy_inbox_keys(due.date())


@expires("export_package")
def remove_packages(now: datetime) -> int:
    return expire_packages(now)


@expires("security_log")
def forget_guesses(now: datetime) -> int:
    return guesses.forget_old(now)


@expires("security_log")
def forget_sessions_and_codes(now: datetime) -> int:
    """Sessions past their end, and one-time codes that no clock would accept any more."""
    SessionStore.clear_expired()
    oldest = int((now - STEPS_KEPT).timestamp()) // TOTP_STEP_SECONDS
    return TotpStep.objects.filter(step__lt=oldest).delete()[0]


@expires("subject_number")
def destroy_orphan_keys(now: datetime) -> int:
    """Keys whose person never came to be, because the transaction after them failed."""
    looked = RetentionRun.objects.filter(data_class="subject_number", at__gt=now - ORPHANS_EVERY)
    return 0 if looked.exists() else vault.shred_orphans(now)
