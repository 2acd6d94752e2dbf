"""What goes on by itself: erasures that were begun, answers that nobody can fetch any more."""

import logging
import time
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError

from privacy.access import Actor
from privacy.models import Request, SecondApproval
from privacy.requests.answers import close_delivered
from privacy.requests.erasure.machine import Progress, complete_erasure, unfinished
from privacy.requests.errors import RequestError
from privacy.requests.identity import lapse_questions
from privacy.requests.rights import complete_objection, open_objections
from privacy.retention.registry import expires
from privacy.retention.rules import starts_before
from privacy.vault import VaultError

logger = logging.getLogger("jawort.requests")
# How long one run waits for a last message to leave, before it leaves the rest to the next tick.
PATIENCE_SECONDS = 20.0
PAUSE_SECONDS = 0.5


def resume() -> None:
    """Go on with every erasure, and close what is over. One that fails does not stop the others."""
    for request in unfinished():
        _try(request)
    for request in open_objections():
        _object(request)
    close_delivered()


def work_on(pk: UUID) -> None:
    """Go on with one erasure, and wait a little for its last message to leave."""
    request = Request.objects.filter(pk=pk, status=Request.Status.WORKING).first()
    ends = time.monotonic() + PATIENCE_SECONDS
    while request and _try(request) == Progress.WAITING and time.monotonic() < ends:
        if not _is_sent(request):
            return  # it waits for its grace period, not for a message
        time.sleep(PAUSE_SECONDS)


@expires("identity_proof")
def forget_questions(now: datetime) -> int:
    return lapse_questions(now)


@expires("request_file")
def forget_requests(now: datetime) -> int:
    """The whole file of a request, with its steps, notes and certificate, once its term is over."""
    over = Request.objects.filter(closed_at__lt=starts_before("request_file", now))
    closed = over.filter(status=Request.Status.CLOSED)
    count = closed.count()
    closed.delete()
    decided = SecondApproval.objects.filter(decided_at__lt=starts_before("request_file", now))
    return count + decided.delete()[0]


def _try(request: Request) -> Progress | None:
    """The error's kind goes to the log and nothing else: its text could name what was looked
    for.
    """
    try:
        return complete_erasure(request=request)
    except (VaultError, DatabaseError) as error:
        logger.error("an erasure waits", extra={"error": type(error).__name__})
        return None


def _object(request: Request) -> None:
    """Carry out an objection; nobody has to decide about it (Art. 21(3) GDPR)."""
    try:
        complete_objection(request=request, actor=Actor.system("requests"))
    except (VaultError, DatabaseError, RequestError) as error:
        logger.error("an objection waits", extra={"error": type(error).__name__})


def _is_sent(request: Request) -> bool:
    return request.steps.filter(name="recipients", facts__has_key="sent").exists()
