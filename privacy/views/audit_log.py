"""The audit log: to read, to filter, to verify; each entry with its bytes, place and proof."""

import json
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from privacy.access import staff_page
from privacy.audit import proof_of, tlog_proof, verify
from privacy.audit.note import Note
from privacy.audit.report import report_text
from privacy.audit.tasks import verify_logs
from privacy.audit.verify.one import check_entry
from privacy.audit.verify.record import count, recorded
from privacy.forms import AuditFilter
from privacy.models import AuditEntry, Log, User, Verification
from privacy.views.action_words import say
from privacy.views.audit_state import log_state
from privacy.views.common import page, show

PER_PAGE = 50
LONGEST_FACT = 16
# A smaller log is read while the page is made; a larger one by a process of its own.
READ_AT_ONCE = 50_000
# A reading that has told nothing for so long has died.
SILENT = timedelta(minutes=10)


class Filter(AuditFilter):
    """Besides the fixed words: a reference or an entry's number, and the time from when on."""

    ref = forms.CharField(label=_("About, or number of an entry"), max_length=64, required=False)
    since = forms.DateField(
        label=_("From day"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    staff = forms.ModelChoiceField(
        label=_("Member of staff"), queryset=User.objects.order_by("email"), required=False
    )


@page("audit.read")
def audit(request: HttpRequest) -> HttpResponse:
    """Newest first. Pages go by position, not by number: the log may have millions of entries."""
    return _browser(request)


@staff_page("audit.read")
@require_POST
def audit_verify(request: HttpRequest) -> HttpResponse:
    """Read both logs again; at once if they are small, else in the background with progress."""
    row = Verification.objects.create(
        started_at=timezone.now(), started_by=request.user.pk, total=count()
    )
    if row.total > READ_AT_ONCE:
        transaction.on_commit(partial(verify_logs.delay, str(row.pk)))
    else:
        with recorded(row.pk) as record:
            record.result = verify(processes=1, progress=record.progress)
    return _browser(request)


@page("audit.read")
def audit_reading(request: HttpRequest) -> HttpResponse:
    """The last reading of the logs, asked for again and again while it runs."""
    return render(request, "privacy/_verification.html", _reading())


@page("audit.read")
def audit_entry(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One entry: exact bytes, hash, place, and how far its proof has come."""
    entry = get_object_or_404(AuditEntry, pk=pk)
    raw = bytes(entry.entry)
    proof = proof_of(Log.AUDIT, entry.pk)
    signers = [name for name, *_more in Note.parse(proof.checkpoint).signatures] if proof else []
    rows = [_row(entry)]
    _name_staff(rows)
    context = {
        "row": rows[0],
        "raw": raw.decode(),
        "told": json.dumps(json.loads(raw), indent=2, ensure_ascii=False) if raw else "",
        "checked": check_entry(entry.pk),
        "proof": proof,
        "path": [step.hex() for step in proof.path] if proof else [],
        "signers": signers,
    }
    return show(request, "audit_entry", "audit", context)


@page("audit.read")
def audit_proof(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The proof as a file, in the format of c2sp.org/tlog-proof."""
    proof = proof_of(Log.AUDIT, get_object_or_404(AuditEntry, pk=pk).pk)
    if proof is None:
        raise Http404
    return _file(tlog_proof(proof), f"{pk}.tlog-proof")


@page("audit.read")
def audit_report(request: HttpRequest) -> HttpResponse:
    """The signed state of both logs, to keep or to print."""
    now = timezone.now()
    return _file(report_text(now), f"checkpoints-{now:%Y-%m-%d}.txt")


def _file(text: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)


def _reading() -> dict[str, Any]:
    last = Verification.objects.order_by("-id").first()
    runs = bool(last and last.finished_at is None)
    is_dead = bool(last and runs and timezone.now() - last.started_at > SILENT and not last.done)
    return {"reading": last, "runs": runs and not is_dead, "is_dead": is_dead}


def _browser(request: HttpRequest) -> HttpResponse:
    form = Filter(request.GET or None)
    chosen = form.cleaned_data if form.is_valid() else {}
    found = list(_chosen(chosen, _before(request))[: PER_PAGE + 1])
    rows = [_row(entry) for entry in found[:PER_PAGE]]
    _name_staff(rows)
    kept = {name: getattr(value, "pk", value) for name, value in chosen.items() if value}
    context = {
        "form": form,
        "rows": rows,
        "query": urlencode(kept),
        "older": found[PER_PAGE - 1].pk if len(found) > PER_PAGE else None,
        "is_first": "before" not in request.GET,
        **log_state(),
        **_reading(),
    }
    return show(request, "audit", "audit", context)


def _chosen(chosen: dict[str, Any], before: UUID | None) -> QuerySet[AuditEntry]:
    """Ids are in the order of time, so they serve as the position."""
    entries = AuditEntry.objects.order_by("-id")
    if chosen.get("area"):
        entries = entries.filter(action__startswith=f"{chosen['area']}.")
    if chosen.get("actor"):
        entries = entries.filter(actor__startswith=f"{chosen['actor']}:")
    if chosen.get("staff"):
        entries = entries.filter(actor=f"staff:{chosen['staff'].pk}")
    if chosen.get("ref"):
        entries = entries.filter(_about(chosen["ref"].strip().lower()))
    if chosen.get("day"):
        entries = entries.filter(at__lt=_midnight(chosen["day"] + timedelta(days=1)))
    if chosen.get("since"):
        entries = entries.filter(at__gte=_midnight(chosen["since"]))
    return entries.filter(pk__lt=before) if before else entries


def _about(text: str) -> Q:
    """What the entry is about, or the entry itself."""
    try:
        return Q(ref=text) | Q(pk=UUID(text))
    except ValueError:
        return Q(ref=text)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=ZoneInfo(settings.DISPLAY_TIME_ZONE)).astimezone(
        UTC
    )


def _before(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("before", ""))
    except ValueError:
        return None


def _row(entry: AuditEntry) -> dict[str, Any]:
    written = json.loads(bytes(entry.entry) or b"{}")  # its term may be over
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
