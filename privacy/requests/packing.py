"""Packages are made by a worker; the request's page shows how far it is.

The state lies in a step of the request, so that a killed worker leaves something to go on from.
Whoever comes second finds the step done: however often the task runs, one package is made.
"""

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from privacy.access import Actor, NotAllowed, require
from privacy.audit import record
from privacy.models import Request, RequestStep
from privacy.requests import errors, quota
from privacy.requests.answers import check_package, make_package
from privacy.requests.errors import NobodyConcerned, PackageMade, RequestError
from privacy.requests.states import ANSWERED
from privacy.vault import VaultError, Where, open_sealed, seal

logger = logging.getLogger("jawort.requests")
STEP = "package"
ASKED, RUNNING, FAILED = "asked", "running", "failed"  # done: the step says so itself
# Without a sign of life for so long, whoever made it is dead: a task lasts two minutes at most.
SILENCE = timedelta(seconds=150)
# The task begins at once; what nobody has begun after this, the tick takes.
WAITED = timedelta(seconds=45)
AT_A_TIME = 20  # what one tick makes
TRIES = 3  # so often a worker may die of it
KEYS, RIGHTS, DIED = "keys", "rights", "died"


@dataclass(frozen=True)
class Packing:
    """How far it is (`percent`), or what stopped it (`why`, a sentence; empty while it runs)."""

    percent: int
    why: str = ""


def begin_package(
    *, request: Request, actor: Actor, redact: Collection[str] | None = ()
) -> RequestStep:
    """Let a worker make the package. What is under way already is not begun a second time.

    `redact` as in `make_package`; the words stay sealed until the package is made. None: those of
    the try that failed. Raises what `make_package` raises, as far as it can be known now.
    """
    require(actor, "person.export")
    request.refresh_from_db()
    check_package(request)
    quota.spend(actor)
    with transaction.atomic():
        return _begin(Request.objects.select_for_update().get(pk=request.pk), actor, redact)


def _begin(held: Request, actor: Actor, redact: Collection[str] | None) -> RequestStep:
    check_package(held)
    found = held.steps.filter(name=STEP).first()
    if found is not None and found.done_at is None and found.facts["state"] != FAILED:
        return found
    step = found or RequestStep(request=held, name=STEP, position=held.steps.count())
    if redact is not None:
        step.sealed = seal(_subject(held), "ops", _where(held), json.dumps(list(redact)).encode())
    step.done_at = None
    step.facts = {"state": ASKED, "by": str(actor), "percent": 0, "tries": 0} | _now()
    step.save()
    record("package.asked", actor=actor, obj="request", ref=held.pk)
    return step


def packing_of(request: Request) -> Packing | None:
    """What the page shows; None if nothing is under way and nothing failed."""
    step = request.steps.filter(name=STEP, done_at=None).first()
    if step is None or request.status in ANSWERED:
        return None
    if step.facts["state"] == FAILED:
        return Packing(0, _sentence(str(step.facts["why"])))
    return Packing(int(step.facts["percent"]))


def pack(pk: UUID) -> bool:
    """Make the package that was asked for; whether this call has made it. May run twice."""
    step = _claim(pk)
    if step is None:
        return False
    try:
        make_package(
            request=step.request,
            actor=_actor(str(step.facts["by"])),
            redact=_words(step),
            progress=partial(_beat, step.pk),
            on_made=partial(_end, step.pk),
        )
    except PackageMade:
        return False
    except Exception as error:
        # Its text may quote the person: only the kind of it is kept.
        logger.error("a package was not made", extra={"error": type(error).__name__})
        _fail(step.pk, _code(error))
        return False
    return True


def resume(now: datetime) -> int:
    """Make what no worker has begun or ended, and forget words of closed requests; how many."""
    over = RequestStep.objects.filter(name=STEP, request__status__in=ANSWERED)
    over.exclude(sealed=None).update(sealed=None)
    waiting = _open().filter(facts__state__in=(ASKED, RUNNING))
    late = [one.request_id for one in waiting if _at(one) <= now - WAITED]
    return sum(pack(request) for request in late[:AT_A_TIME])


def _claim(pk: UUID) -> RequestStep | None:
    """The step, marked as begun by us; None if it is done, failed or in other hands."""
    with transaction.atomic():
        step = _open().select_for_update(of=("self",)).filter(request=pk).first()
        if step is None or step.facts["state"] == FAILED:
            return None
        if step.facts["state"] == RUNNING and _at(step) > timezone.now() - SILENCE:
            return None
        tries = int(step.facts["tries"]) + 1
        step.facts |= {"state": RUNNING, "percent": 0, "tries": tries} | _now()
        if tries > TRIES:
            step.facts |= {"state": FAILED, "why": DIED}
        step.save(update_fields=["facts"])
    return step if tries <= TRIES else None


def _open() -> QuerySet[RequestStep]:
    steps = RequestStep.objects.filter(name=STEP, done_at=None)
    return steps.exclude(request__status__in=ANSWERED).select_related("request")


def _beat(pk: int, percent: int) -> None:
    """How far it is. Nothing of somebody who has begun anew meanwhile is overwritten."""
    with transaction.atomic():
        step = RequestStep.objects.select_for_update().get(pk=pk)
        step.facts |= {"percent": percent} | _now()
        step.save(update_fields=["facts"])


def _end(pk: int) -> None:
    """In the transaction that stores the package: `PackageMade` for whoever comes second."""
    step = RequestStep.objects.select_for_update().get(pk=pk)
    if step.done_at is not None:
        raise PackageMade
    step.done_at, step.sealed = timezone.now(), None
    step.facts = {"percent": 100}
    step.save(update_fields=["done_at", "sealed", "facts"])


def _fail(pk: int, why: str) -> None:
    with transaction.atomic():
        step = RequestStep.objects.select_for_update().get(pk=pk)
        if step.done_at is None:
            step.facts |= {"state": FAILED, "why": why} | _now()
            step.save(update_fields=["facts"])


def _code(error: Exception) -> str:
    if isinstance(error, VaultError):
        return KEYS
    return RIGHTS if isinstance(error, NotAllowed) else type(error).__name__


def _sentence(why: str) -> str:
    known = getattr(errors, why, None)
    if isinstance(known, type) and issubclass(known, RequestError):
        return str(known.message)
    sentences = {
        KEYS: _("The database of keys does not answer, or the person's key is destroyed."),
        RIGHTS: _("Whoever asked for it has no right to do so any more."),
        DIED: _("The worker that made it died three times."),
    }
    return sentences.get(why) or _("Something unexpected happened: %(kind)s.") % {"kind": why}


def _words(step: RequestStep) -> list[str]:
    if step.sealed is None:
        return []
    subject, place = _subject(step.request), _where(step.request)
    opened: list[str] = json.loads(open_sealed(subject, "ops", place, bytes(step.sealed)))
    return opened


def _actor(name: str) -> Actor:
    """Who asked, with the rights they have now."""
    kind, _colon, ref = name.partition(":")
    return Actor.system(ref) if kind == "system" else Actor(kind, UUID(ref))


def _subject(request: Request) -> UUID:
    if request.subject is None:
        raise NobodyConcerned
    return request.subject


def _where(request: Request) -> Where:
    return Where("privacy_requeststep", STEP, request.pk)


def _now() -> dict[str, Any]:
    return {"at": timezone.now().isoformat()}


def _at(step: RequestStep) -> datetime:
    return datetime.fromisoformat(step.facts["at"])
