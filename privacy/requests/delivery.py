"""Handing an answer to the floor that can send: `privacy` knows no messenger.

`settings.ANSWER_SUBJECT` names a callable (subject, template, context, address=None). The template
is one of `privacy/answers/*.txt`, rendered by the callable in the person's language; the context
holds words, numbers and links of ours, never data of the person.
"""

from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.urls import reverse
from django.utils.module_loading import import_string

from privacy.models import Request

ANSWERS = "privacy/answers/"


def answer(subject: UUID, name: str, *, address: UUID | None = None, **context: str | date) -> None:
    """Queue the answer `name` to the person, inside the caller's transaction.

    `address`: where it goes, if it still is theirs; without it to the one they came with last.
    """
    send = import_string(settings.ANSWER_SUBJECT)
    where = (address,) if address else ()
    send(subject, f"{ANSWERS}{name}.txt", context, *where)


def tell(request: Request, name: str, **context: str | date) -> None:
    """Answer a request where it was made or proven, and nowhere else."""
    assert request.subject
    answer(request.subject, name, address=request.address, number=request.number, **context)


def link_to(view: str, token: str) -> str:
    """The whole address of a page that a token opens."""
    origin: str = settings.JAWORT_ORIGIN
    return origin + reverse(f"privacy:{view}", args=[token])


def day_of(moment: datetime) -> date:
    """The day where the controller is; a template writes it as the person's language does."""
    return moment.astimezone(ZoneInfo(settings.DISPLAY_TIME_ZONE)).date()
