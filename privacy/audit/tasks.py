"""What beat rings for the logs: places for new entries, signatures, the outside's eyes."""

import subprocess
import sys

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from privacy.audit.anchors import submit
from privacy.audit.checkpoints import make_checkpoints
from privacy.audit.errors import NeedsRebase
from privacy.audit.report import monthly_report
from privacy.audit.sequencer import sequence
from privacy.audit.stamps import stamp_due
from privacy.audit.watches import in_trouble, well


@shared_task
def keep_logs() -> None:
    """May run twice: one leader appends, what is signed is not signed again."""
    now = timezone.now()
    try:
        sequence(now)
    except NeedsRebase:
        in_trouble("sequencer", now, "needs_rebase")
        return
    well("sequencer", now, 0)
    make_checkpoints(now)
    submit(now)
    stamp_due(now)
    monthly_report(now)


@shared_task
def verify_logs(verification: str) -> None:
    """Start a reading for the officer's page: a process of its own, which may take minutes.

    A second one does no harm: it reads, and writes its own result.
    """
    subprocess.Popen(
        [sys.executable, "manage.py", "audit_verify", "--json", "--record", verification],
        cwd=settings.BASE_DIR,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
