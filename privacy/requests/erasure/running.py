"""Erasures that go on by themselves: in the tick for all of them, in a task for one just begun."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import DatabaseError
from django.utils import timezone

from privacy.models import Request, RequestStep
from privacy.requests.erasure import sweep
from privacy.requests.erasure.machine import (
    Progress,
    certify,
    come_to_the_scan,
    complete_erasure,
    unfinished,
)
from privacy.vault import VaultError

logger = logging.getLogger("jawort.requests")
# A task may last two minutes. The tick has other duties; the scan goes on where it stopped.
TICK_SECONDS = 45.0
# How long one task works on one erasure, waiting for its last message to leave or reading.
TASK_SECONDS = 25.0
PAUSE_SECONDS = 0.5
# Reading everything again helps only when somebody has removed what was found; a person says so by
# "Scan again", and otherwise the house looks for itself once an hour.
LOOK_AGAIN = timedelta(hours=1)


def resume(seconds: float = TICK_SECONDS) -> None:
    """Go on with every erasure. Those that have come to the scan are read for together.

    One that fails does not stop the others; what is not done in time is done by the next tick.
    """
    ends = time.monotonic() + seconds
    waiting = [one for one in unfinished() if not _was_found_lately(one)]
    reading = []
    for request in waiting:
        if time.monotonic() >= ends:
            break
        if _try(come_to_the_scan, request) == Progress.SCANNING:
            reading.append(request)
    if reading:
        _read(max(1.0, ends - time.monotonic()))
    for request in reading:
        _try(certify, request)


def work_on(pk: UUID) -> bool:
    """Go on with one erasure just begun; whether there is more to do at once."""
    request = Request.objects.filter(pk=pk, status=Request.Status.WORKING).first()
    ends = time.monotonic() + TASK_SECONDS
    while request:
        left = max(1.0, ends - time.monotonic())
        come = _try(partial(_complete, seconds=left), request)
        if come == Progress.WAITING and not _is_sent(request):
            return False  # it waits for its time to think again, not for a message
        if come not in (Progress.WAITING, Progress.SCANNING):
            return False
        if time.monotonic() >= ends:
            return True
        if come == Progress.WAITING:
            time.sleep(PAUSE_SECONDS)
    return False


def _complete(request: Request, seconds: float) -> Progress:
    return complete_erasure(request=request, seconds=seconds)


def _read(seconds: float) -> None:
    try:
        sweep.advance(seconds)
    except (VaultError, DatabaseError) as error:
        _log(error)


def _try(go_on: Callable[[Request], Progress], request: Request) -> Progress | None:
    try:
        return go_on(request)
    except (VaultError, DatabaseError) as error:
        _log(error)
        return None


def _log(error: Exception) -> None:
    """The error's kind and nothing else: its text could name what was looked for."""
    logger.error("an erasure waits", extra={"error": type(error).__name__})


def _was_found_lately(request: Request) -> bool:
    step: RequestStep | None = request.steps.filter(name="scan", done_at=None).first()
    if step is None or not step.facts.get("residues") or "sweep" in step.facts:
        return False
    return datetime.fromisoformat(step.facts["scanned_at"]) > timezone.now() - LOOK_AGAIN


def _is_sent(request: Request) -> bool:
    return request.steps.filter(name="recipients", facts__has_key="sent").exists()
