"""Long lists are loaded and approved by a worker, and the page shows how far it is.

The step itself is one transaction, in which nobody outside sees anything move: how far it is goes
through a connection of its own. A worker that dies leaves nobody, and the button can be pressed
again.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog
from celery import shared_task
from django.db import connections, transaction
from django.utils import timezone

from privacy.access import Actor
from privacy.models import User
from subscriptions.errors import ImportDecided, ImportRefused, SameHands
from subscriptions.imports.actions import approve_import, load_import
from subscriptions.models import Import, ImportJob

log = structlog.get_logger("jawort.imports")

AT_ONCE = 500  # rows that a request may load itself: about two seconds
SILENCE = timedelta(minutes=10)  # without a sign of life: whoever did it is dead
BEAT_SECONDS = 0.5
LONGEST_SECONDS = 2 * 60 * 60
VERBS: dict[str, Callable[..., object]] = {"load": load_import, "approve": approve_import}
Status = ImportJob.Status
BEAT = """
    UPDATE subscriptions_importjob SET done = %s, beat_at = clock_timestamp()
     WHERE import_id = %s"""


def is_long(imported: Import) -> bool:
    return int(imported.counts.get("rows", 0)) > AT_ONCE


def begin(imported: Import, verb: str, user: User) -> ImportJob:
    """Let a worker do it. What is under way already is not begun a second time."""
    now = timezone.now()
    with transaction.atomic():
        Import.objects.select_for_update(no_key=True).get(pk=imported.pk)
        found = running(imported)
        if found:
            return found
        counts = imported.counts
        job, _ = ImportJob.objects.update_or_create(
            import_id=imported.pk,
            defaults={
                "verb": verb,
                "status": Status.RUNNING,
                "done": 0,
                "total": counts.get("good", 0) + (counts.get("withdrawn", 0) * (verb == "load")),
                "why": "",
                "asked_by": user.pk,
                "beat_at": now,
            },
        )
        transaction.on_commit(lambda: carry_out.delay(str(imported.pk)))
    return job


def job_of(imported: Import) -> ImportJob | None:
    return ImportJob.objects.filter(import_id=imported.pk).first()


def running(imported: Import) -> ImportJob | None:
    """The step that is under way now; one whose worker has been silent for long is not."""
    since = timezone.now() - SILENCE
    rows = ImportJob.objects.filter(import_id=imported.pk, status=Status.RUNNING)
    return rows.filter(beat_at__gt=since).first()


@shared_task(ignore_result=True, queue="send", time_limit=LONGEST_SECONDS)
def carry_out(import_id: str) -> None:
    """Run the step that was begun. Twice is harmless: the second finds it done."""
    run(UUID(import_id))


def run(import_id: UUID) -> None:
    job = ImportJob.objects.get(import_id=import_id)
    if job.status != Status.RUNNING:
        return
    imported = Import.objects.select_related("newsletter", "channel").get(pk=import_id)
    actor = Actor.staff(User.objects.get(pk=job.asked_by))
    try:
        with Pulse(import_id) as pulse:
            VERBS[job.verb](imported=imported, actor=actor, progress=pulse.add)
    except (ImportDecided, ImportRefused, SameHands) as refused:
        _end(import_id, Status.FAILED, str(refused))
    except Exception as error:
        # Its text may quote a row: only the kind of it is told.
        log.error("import_broke", error=type(error).__name__)
        _end(import_id, Status.FAILED, type(error).__name__)
        raise
    else:
        _end(import_id, Status.DONE, "")


def _end(import_id: UUID, status: ImportJob.Status, why: str) -> None:
    ImportJob.objects.filter(import_id=import_id).update(
        status=status, why=why[:200], beat_at=timezone.now()
    )


class Pulse:
    """Tells from inside a transaction how far it is."""

    def __init__(self, import_id: UUID) -> None:
        self.import_id = import_id
        self.done = 0
        self._told_at = 0.0

    def __enter__(self) -> Self:
        self._line = connections.create_connection("default")
        return self

    def add(self, more: int) -> None:
        self.done += more
        if time.monotonic() - self._told_at >= BEAT_SECONDS:
            self._told_at = time.monotonic()
            with self._line.cursor() as cursor:
                cursor.execute(BEAT, [self.done, self.import_id])

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._line.close()
