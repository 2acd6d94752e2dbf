"""What waits beside the requests themselves: for a second person, for a recipient, for a look."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from privacy.access import Actor
from privacy.models import ExportPackage, RecipientNotice, Request
from privacy.requests import approvals, quota
from privacy.requests.answers import EXPORT
from privacy.requests.closing import REFUSE
from privacy.requests.states import ANSWERED
from privacy.todo import Item

Status = Request.Status


class Waits(StrEnum):
    """Whom a request waits for."""

    US = "us"
    PERSON = "person"
    SECOND = "second"
    HOUSE = "house"


def items(now: datetime, actor: Actor) -> list[Item]:
    return [*_approvals(actor), *_alerts(now), *_recipients()]


def waiting(rows: QuerySet[Request], whom: str) -> QuerySet[Request]:
    """Those of `rows` that wait for `whom`; all of them if that is nobody."""
    second = _held_by_second()
    if whom == Waits.SECOND:
        return rows.filter(pk__in=second).exclude(status__in=ANSWERED)
    if whom == Waits.PERSON:
        return rows.filter(status__in=(Status.VERIFYING, Status.DELIVERED))
    if whom == Waits.HOUSE:
        return rows.filter(status=Status.WORKING)
    if whom == Waits.US:
        return rows.filter(status__in=(Status.RECEIVED, Status.REVIEW)).exclude(pk__in=second)
    return rows


def whom_of(rows: list[Request]) -> dict[str, str]:
    """Whom each of `rows` waits for, in words; by two queries for all of them."""
    second = set(_held_by_second())
    return {str(row.pk): _whom(row, second) for row in rows}


def words() -> list[tuple[str, str]]:
    return [
        (Waits.US, _("us")),
        (Waits.PERSON, _("the person")),
        (Waits.SECOND, _("a second person")),
        (Waits.HOUSE, _("the house itself")),
    ]


def _whom(row: Request, second: set[str]) -> str:
    if row.status == Status.CLOSED:
        return ""
    known = dict(words())
    if str(row.pk) in second and row.status not in ANSWERED:
        return known[Waits.SECOND]
    if row.status in (Status.VERIFYING, Status.DELIVERED):
        return known[Waits.PERSON]
    return known[Waits.HOUSE if row.status == Status.WORKING else Waits.US]


def _held_by_second() -> list[str]:
    """The requests whose refusal or package waits for a second person."""
    refs = list(approvals.pending().filter(kind__in=(REFUSE, EXPORT)).values_list("kind", "ref"))
    packages = ExportPackage.objects.filter(pk__in=[ref for kind, ref in refs if kind == EXPORT])
    held = [ref for kind, ref in refs if kind == REFUSE]
    return held + [str(pk) for pk in packages.values_list("request_id", flat=True)]


def _approvals(actor: Actor) -> Iterator[Item]:
    """What this person can decide; what they proposed themselves waits for others."""
    count = approvals.pending().exclude(asked_by=str(actor)).count()
    if count:
        words = ngettext("%(n)s decision waits for you", "%(n)s decisions wait for you", count) % {
            "n": count
        }
        yield Item(_("Second person"), words, reverse("privacy:approvals"), "wait")


def _alerts(now: datetime) -> Iterator[Item]:
    count = quota.alerts(now)
    if count:
        words = ngettext(
            "%(n)s member of staff met the day's quota of packages",
            "%(n)s times somebody met the day's quota of packages",
            count,
        ) % {"n": count}
        yield Item(_("Unusually many packages"), words, reverse("privacy:audit"), "bad")


def _recipients() -> Iterator[Item]:
    """Art. 19: whoever is still to be told, by request."""
    open_ones = RecipientNotice.objects.filter(status=RecipientNotice.Status.OPEN)
    closed = open_ones.select_related("request").order_by("request__number")
    seen = {one.request_id: one.request for one in closed}
    for pk, request in list(seen.items())[:10]:
        title = _("Recipients of %(number)s") % {"number": request.number}
        yield Item(
            title, _("are to be told (Art. 19)"), reverse("privacy:request", args=[pk]), "info"
        )
