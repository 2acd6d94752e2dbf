"""What goes on by itself: erasures that were begun, answers that nobody can fetch any more."""

import logging
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError
from django.utils import timezone

from privacy.access import Actor
from privacy.models import Request, SecondApproval
from privacy.requests import packing
from privacy.requests.answers import close_delivered
from privacy.requests.erasure import running as erasures
from privacy.requests.errors import RequestError
from privacy.requests.identity import lapse_questions
from privacy.requests.rights import complete_objection, open_objections
from privacy.retention import holds
from privacy.retention.registry import expires
from privacy.retention.rules import starts_before
from privacy.vault import VaultError

logger = logging.getLogger("jawort.requests")


def resume() -> None:
    """Go on with every erasure, and close what is over. One that fails does not stop the others."""
    erasures.resume()
    for request in open_objections():
        _object(request)
    close_delivered()
    packing.resume(timezone.now())


def work_on(pk: UUID) -> bool:
    """Go on with one erasure just begun; whether there is more to do at once."""
    return erasures.work_on(pk)


def pack(pk: UUID) -> None:
    """Make the package that was asked for, unless it is made already."""
    packing.pack(pk)


@expires("identity_proof", often=True)
def forget_questions(now: datetime) -> int:
    return lapse_questions(now)


@expires("request_file")
def forget_requests(now: datetime) -> int:
    """The whole file of a request, with its steps, notes and certificate, once its term is over."""
    over = Request.objects.filter(closed_at__lt=starts_before("request_file", now))
    held = holds.held("request_file")
    closed = over.filter(status=Request.Status.CLOSED).exclude(
        subject__isnull=False, subject__in=held
    )
    count = closed.count()
    closed.delete()
    decided = SecondApproval.objects.filter(decided_at__lt=starts_before("request_file", now))
    return count + decided.delete()[0]


def _object(request: Request) -> None:
    """Carry out an objection; nobody has to decide about it (Art. 21(3) GDPR)."""
    try:
        complete_objection(request=request, actor=Actor.system("requests"))
    except (VaultError, DatabaseError, RequestError) as error:
        logger.error("an objection waits", extra={"error": type(error).__name__})
