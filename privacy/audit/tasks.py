"""What beat rings for the logs: places for new entries, signatures, the outside's eyes."""

from celery import shared_task
from django.utils import timezone

from privacy.audit.anchors import submit
from privacy.audit.checkpoints import make_checkpoints
from privacy.audit.errors import NeedsRebase
from privacy.audit.sequencer import sequence
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
