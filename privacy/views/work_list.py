"""The DPO's first page: what is open, how long there is, and what happened lately."""

import json
from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Count, DateField
from django.db.models.functions import TruncDate, TruncMonth, TruncWeek
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from privacy.access import actor_of, can, staff_page
from privacy.forms import NewRequestForm
from privacy.models import AuditEntry, DataSubject, Request
from privacy.records import todo as records
from privacy.requests import todo as waiting
from privacy.requests.actions import note, open_request
from privacy.requests.deadlines import SOON_DAYS, Clock, clock
from privacy.requests.states import ANSWERED
from privacy.requests.todo import Waits
from privacy.retention import todo as nightly
from privacy.todo import Item, most_urgent_first
from privacy.views.charts import bars, columns
from privacy.views.common import page, show, to_request

PER_PAGE = 25
# What the picture of the last days counts; the rest of the consent ledger is on the person's page.
YES, NO = "consent.given", "consent.withdrawn"
COMPARED = "consent.verified"
SPANS = {
    "days": (30, TruncDate, gettext_lazy("the last 30 days")),
    "weeks": (26, TruncWeek, gettext_lazy("the last 26 weeks")),
    "months": (12, TruncMonth, gettext_lazy("the last 12 months")),
}
SHOWN = ("open", "closed", "all")


def clock_of(row: Request, now: datetime | None = None) -> Clock:
    return clock(
        row.due_at,
        now or timezone.now(),
        zone=settings.DISPLAY_TIME_ZONE,
        paused=row.paused_at is not None,
        closed=row.status in ANSWERED,
    )


@page("request.work")
def work_list(request: HttpRequest) -> HttpResponse:
    """Open requests first, the most urgent on top."""
    shown = request.GET.get("show", "")
    shown = shown if shown in SHOWN else "open"
    kind = request.GET.get("kind", "")
    kind = kind if kind in Request.Kind.values else ""
    span = request.GET.get("span", "")
    waits = request.GET.get("waits", "")
    waits = waits if waits in list(Waits) else ""
    found: Any = waiting.waiting(_rows(shown, kind), waits)
    rows = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    now = timezone.now()
    whom = waiting.whom_of(list(rows))
    for row in rows:
        row.clock, row.whom = clock_of(row, now), whom[str(row.pk)]
    context = {
        "rows": rows,
        "page_obj": rows,
        "query": f"show={shown}&kind={kind}&waits={waits}",
        "waits": waits,
        "whom": waiting.words(),
        "shown": shown,
        "kind": kind,
        "kinds": Request.Kind.choices,
        "todo": _todo(request, now),
        **_figures(now, span if span in SPANS else "days"),
    }
    return show(request, "work_list", "requests", context)


@staff_page("request.work")
@require_http_methods(["GET", "HEAD", "POST"])
def new_request(request: HttpRequest, subject: UUID | None = None) -> HttpResponse:
    """Enter what came by post, e-mail or telephone: from nobody known yet, or from `subject`."""
    if subject:
        get_object_or_404(DataSubject, pk=subject)
    form = NewRequestForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return show(request, "new_request", "requests", {"form": form, "subject": subject})
    actor = actor_of(request)
    made = open_request(
        subject=subject,
        kind=form.cleaned_data["kind"],
        origin=Request.Origin.STAFF,
        verified=False,
        received_at=form.received_at(),
        actor=actor,
    )
    if form.cleaned_data["remark"]:
        note(request=made, text=form.cleaned_data["remark"], actor=actor)
    return to_request(made)


def _todo(request: HttpRequest, now: datetime) -> list[Item]:
    asked = waiting.items(now, actor_of(request))
    return most_urgent_first([*asked, *records.items(now), *nightly.items(now)], now)


def home(request: HttpRequest) -> HttpResponse:
    """`/privacy/` leads to the first page that this person may see."""
    actor = actor_of(request)
    if can(actor, "request.work"):
        return redirect("privacy:requests")
    return redirect("privacy:audit" if can(actor, "audit.read") else "privacy:controller")


def _rows(shown: str, kind: str) -> Any:
    rows = Request.objects.all()
    if shown == "open":
        rows = rows.exclude(status__in=ANSWERED).order_by("due_at", "number")
    elif shown == "closed":
        rows = rows.filter(status__in=ANSWERED).order_by("-closed_at", "-number")
    else:
        rows = rows.order_by("-number")
    return rows.filter(kind=kind) if kind else rows


def _figures(now: datetime, span: str) -> dict[str, Any]:
    open_ones = list(Request.objects.exclude(status__in=ANSWERED))
    left = [clock_of(row, now).days_left for row in open_ones]
    year = Request.objects.filter(received_at__gte=now - timedelta(days=365))
    return {
        "open_count": len(open_ones),
        "late_count": sum(days < 0 for days in left),
        "soon_count": sum(0 <= days <= SOON_DAYS for days in left),
        "year_count": year.count(),
        "ages": bars(_ages(left)),
        "waiting": bars(_waiting(open_ones, now)),
        "consents": _consents(now, span),
    }


def _ages(left: list[int]) -> list[tuple[str, int, str]]:
    """How many open requests have how many days left."""
    return [
        (_("overdue"), sum(days < 0 for days in left), "bar-bad"),
        (_("up to 7 days"), sum(0 <= days <= SOON_DAYS for days in left), "bar-2"),
        (_("8 to 14 days"), sum(SOON_DAYS < days <= 14 for days in left), "bar"),
        (_("15 to 31 days"), sum(14 < days <= 31 for days in left), "bar"),
        (_("more"), sum(days > 31 for days in left), "bar-3"),
    ]


def _waiting(open_ones: list[Request], now: datetime) -> list[tuple[str, int, str]]:
    """How many open requests came in how long ago."""
    days = [(now - row.received_at).days for row in open_ones]
    return [
        (_("this week"), sum(age < 7 for age in days), "bar"),
        (_("1 to 2 weeks"), sum(7 <= age < 14 for age in days), "bar"),
        (_("2 to 4 weeks"), sum(14 <= age < 28 for age in days), "bar-2"),
        (_("longer"), sum(age >= 28 for age in days), "bar-bad"),
    ]


def _consents(now: datetime, span: str) -> dict[str, Any]:
    """Yes and no of the last days, weeks or months, counted from the audit log."""
    count, cut, _name = SPANS[span]
    zone = ZoneInfo(settings.DISPLAY_TIME_ZONE)
    starts = _starts(now.astimezone(zone).date(), span, count)
    since = datetime.combine(starts[0], time(), zone)
    found = (
        AuditEntry.objects.filter(at__gte=since, action__in=(YES, NO))
        .annotate(start=cut("at", tzinfo=zone, output_field=DateField()))
        .values_list("start", "action")
        .annotate(count=Count("id"))
    )
    counts = Counter({(start, action): count for start, action, count in found})
    series = [(start, counts[start, YES], counts[start, NO]) for start in starts]
    return {
        "chart": columns(series),
        "yes": sum(row[1] for row in series),
        "no": sum(row[2] for row in series),
        "span": span,
        "title": SPANS[span][2],
        "compared": _compared(),
        "spans": [(name, title) for name, (_count, _cut, title) in SPANS.items()],
    }


def _compared() -> dict[str, Any] | None:
    """What the last comparison of all subscriptions with the ledger said, and when."""
    entry = AuditEntry.objects.filter(action=COMPARED).order_by("-at").first()
    if entry is None or not entry.entry:
        return None
    return {"at": entry.at, **json.loads(bytes(entry.entry))["facts"]}


def _starts(today: date, span: str, count: int) -> list[date]:
    """The first days of the last `count` days, weeks (Monday) or months, oldest first."""
    if span == "months":
        first = today.year * 12 + today.month - count
        return [date(number // 12, number % 12 + 1, 1) for number in range(first, first + count)]
    step = timedelta(weeks=1) if span == "weeks" else timedelta(days=1)
    last = today - timedelta(days=today.weekday()) if span == "weeks" else today
    return [last - step * back for back in range(count - 1, -1, -1)]
