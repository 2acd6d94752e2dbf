"""What beat rings for on the ground floor. Each may run twice: it removes only what is due."""

from datetime import datetime
from uuid import UUID

from celery import shared_task
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.utils import timezone

from privacy import vault
from privacy.access import guesses
from privacy.audit.tasks import keep_logs as keep_logs  # found by Celery here
from privacy.models import LegalHold, TotpStep
from privacy.records import expiry as records_expiry  # noqa: F401  (registers a class)
from privacy.records import wave
from privacy.requests import work as requests
from privacy.requests.export.package import expire_due as expire_packages
from privacy.retention import expiry
from privacy.retention.registry import expires
from privacy.retention.rules import ensure_defaults, starts_before, zone
from privacy.retention.run import run
from privacy.vault import weekly


@shared_task
def tick() -> None:
    """Retention, requests, keys: harmless when run twice, because what is due is done only once."""
    ensure_defaults()
    run(timezone.now())
    requests.resume()
    wave.resume()
    weekly.tick(timezone.now())


@shared_task
def erase(request: str) -> None:
    """Go on with one erasure just begun; the tick does the same, only later. May run twice.

    What is read for its scan takes as many tasks as it needs.
    """
    if requests.work_on(UUID(request)):
        erase.delay(request)


@shared_task
def pack(request: str) -> None:
    """Make a package just asked for; the tick does the same, only later. May run twice."""
    requests.pack(UUID(request))


@expires("inbox_body")
def destroy_inbox_keys(now: datetime) -> int:
    """Whole days at once: the key of a day goes when its last message is due."""
    return vault.destroy_inbox_keys(starts_before("inbox_body", now).astimezone(zone()).date())


@expires("export_package", often=True)
def remove_packages(now: datetime) -> int:
    return expire_packages(now)


@expires("security_log", often=True)
def forget_guesses(now: datetime) -> int:
    return guesses.forget_old(now)


@expires("security_log", often=True)
def forget_sessions_and_codes(now: datetime) -> int:
    """Sessions past their end, and one-time codes that no clock would accept any more."""
    sessions, _ = Session.objects.filter(expire_date__lt=now).delete()
    return sessions + TotpStep.objects.filter(step__lt=expiry.oldest_step(now)).delete()[0]


@expires("security_log")
def forget_changes_in_the_admin(now: datetime) -> int:
    return LogEntry.objects.filter(action_time__lt=starts_before("security_log", now)).delete()[0]


@expires("subject_number")
def destroy_orphan_keys(now: datetime) -> int:
    """Keys whose person never came to be, because the transaction after them failed."""
    return vault.shred_orphans(now)


@expires("audit_entry")
def prune_entries(now: datetime) -> int:
    return expiry.prune_entries(now)


@expires("legal_hold")
def forget_holds(now: datetime) -> int:
    """Why something stayed, so long after it was let go."""
    return LegalHold.objects.filter(ended_at__lt=starts_before("legal_hold", now)).delete()[0]


@expires("staff_account")
def forget_staff(now: datetime) -> int:
    return expiry.forget_staff(now)
