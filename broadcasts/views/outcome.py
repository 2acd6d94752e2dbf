"""How far it is, and what became of it."""

import csv
from collections.abc import Iterable
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render

from broadcasts.models import Broadcast, Media
from broadcasts.queries import results_table
from broadcasts.queries.progress import progress_in_sums, with_batches
from broadcasts.views.page import READ, broadcast_page, page, rights_in
from broadcasts.words import TONES, why
from messengers import media
from privacy.access import actor_of, visible_to

DOUBTS_SHOWN = 100
NOTHING_NEW = 204  # htmx leaves everything as it is
# What a spreadsheet would take for a formula, at the beginning of a cell.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@broadcast_page(READ)
def show_progress(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """The bar alone, asked for every few seconds: 204 while nothing has changed since it was drawn.

    When it is over the page is drawn anew, and asks no more.
    """
    told = progress_in_sums(broadcast)
    if broadcast.is_sending and request.GET.get("seen") == told.version:
        return HttpResponse(status=NOTHING_NEW)
    context = {
        "broadcast": broadcast,
        "progress": with_batches(told),
        "tone": TONES[Broadcast.Status(broadcast.status)],
        "why": why(broadcast.status_why) if broadcast.status_why else "",
        **rights_in(request, broadcast.newsletter),
    }
    response = render(request, "broadcasts/_progress.html", context)
    if not broadcast.is_sending:
        response["HX-Refresh"] = "true"
    return response


@broadcast_page(READ)
def results_csv(request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """The counts, for a spreadsheet. Nobody is in it."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="broadcast-{broadcast.pk}.csv"'
    response.write("\ufeff")
    sheet = csv.writer(response, delimiter=";")
    sheet.writerow(["group", "state", "cause_or_channel", "count"])
    sheet.writerows(map(harmless, results_table(broadcast)))
    return response


def harmless(row: Iterable[object]) -> list[object]:
    """The row without cells that a spreadsheet would run."""
    return [
        f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
        for cell in row
    ]


@page(READ)
def picture(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """A stored picture, for those who may read the newsletter's broadcasts."""
    row = get_object_or_404(visible_to(actor_of(request), Media.objects.all(), READ), pk=pk)
    try:
        response = HttpResponse(media.read(row.key), content_type=row.media_type)
    except FileNotFoundError:
        raise Http404 from None
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response._csp_exempt = True  # type: ignore[attr-defined]
    return response
