"""The audit log: to read, to filter by fixed words, to verify."""

import json
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from privacy.access import staff_page
from privacy.audit import verify
from privacy.forms import AuditFilter
from privacy.models import AuditEntry, User
from privacy.views.action_words import say
from privacy.views.common import page, show

PER_PAGE = 50
LONGEST_FACT = 16


@page("audit.read")
def audit(request: HttpRequest) -> HttpResponse:
    """Newest first. Pages go by position, not by number: the log may have millions of entries."""
    return _browser(request)


@staff_page("audit.read")
@require_POST
def audit_verify(request: HttpRequest) -> HttpResponse:
    """Read the whole log again and say what was found; a POST because it works the database."""
    return _browser(request, result=verify())


def _browser(request: HttpRequest, **more: Any) -> HttpResponse:
    form = AuditFilter(request.GET or None)
    chosen = form.cleaned_data if form.is_valid() else {}
    found = list(_chosen(chosen, _before(request))[: PER_PAGE + 1])
    rows = [_row(entry) for entry in found[:PER_PAGE]]
    _name_staff(rows)
    kept = {name: value for name, value in chosen.items() if value}
    context = {
        "form": form,
        "rows": rows,
        "query": urlencode(kept),
        "older": found[PER_PAGE - 1].pk if len(found) > PER_PAGE else None,
        "is_first": "before" not in request.GET,
        **more,
    }
    return show(request, "audit", "audit", context)


def _chosen(chosen: dict[str, Any], before: UUID | None) -> QuerySet[AuditEntry]:
    """Ids are in the order of time, so they serve as the position."""
    entries = AuditEntry.objects.order_by("-id")
    if chosen.get("area"):
        entries = entries.filter(action__startswith=f"{chosen['area']}.")
    if chosen.get("actor"):
        entries = entries.filter(actor__startswith=f"{chosen['actor']}:")
    if chosen.get("day"):
        zone = ZoneInfo(settings.DISPLAY_TIME_ZONE)
        next_day = datetime.combine(chosen["day"] + timedelta(days=1), time(), tzinfo=zone)
        entries = entries.filter(at__lt=next_day.astimezone(UTC))
    return entries.filter(pk__lt=before) if before else entries


def _before(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("before", ""))
    except ValueError:
        return None


def _row(entry: AuditEntry) -> dict[str, Any]:
    written = json.loads(bytes(entry.entry))
    return {
        "entry": entry,
        "words": say(entry.action),
        "leaf": bytes(entry.leaf).hex(),
        "purpose": written.get("purpose", ""),
        "result": written.get("result", ""),
        "facts": [f"{name}: {_short(value)}" for name, value in written.get("facts", {}).items()],
        "kind": entry.actor.partition(":")[0],
        "who": entry.actor.partition(":")[2],
    }


def _short(value: object) -> str:
    """Hashes and ids by their beginning: the whole of them is in the exact entry."""
    text = str(value)
    return text if len(text) <= LONGEST_FACT else f"{text[:LONGEST_FACT]}…"


def _name_staff(rows: list[dict[str, Any]]) -> None:
    """Names of staff for their numbers, by one query; everybody else stays a number."""
    numbers = {row["who"] for row in rows if row["kind"] == "staff"}
    names = {str(user.pk): str(user) for user in User.objects.filter(pk__in=numbers)}
    for row in rows:
        row["name"] = names.get(row["who"], row["who"])
