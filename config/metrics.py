"""`/metrics`: numbers for Prometheus, in its text format 0.0.4; never public.

Written by hand, because everything told here stands in the database: a library's counters would
live in the memory of one process among many (docs/decisions/operating.md).
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import hmac
from collections.abc import Iterable
from ipaddress import ip_address

import structlog
from django.conf import settings
from django.db import Error, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.measures import Measure, all_measures
from messengers.sql import run

log = structlog.get_logger("jawort.metrics")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
UNAVAILABLE = 503
LONGEST_SECONDS = 5  # for one statement: rather no numbers than a database that is busy with them
FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-IP")


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """200 with the numbers, 503 without a database; 404 for whoever may not ask."""
    if not may_ask(request):
        raise Http404
    try:
        with transaction.atomic():
            run(f"SET LOCAL statement_timeout TO '{LONGEST_SECONDS}s'")
            text = written(all_measures())
    except Error as error:
        log.warning("metrics_failed", error=type(error).__name__)
        return HttpResponse("the database does not answer\n", "text/plain", status=UNAVAILABLE)
    return HttpResponse(text, content_type=CONTENT_TYPE)


def may_ask(request: HttpRequest) -> bool:
    """Who has the token; without one, only this very machine, and nobody through a proxy."""
    if token := settings.JAWORT_METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
    if settings.JAWORT_PROXIES or any(name in request.headers for name in FORWARDED):
        return False  # what comes from a proxy on this machine comes from anywhere
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def written(measures: Iterable[Measure]) -> str:
    """The exposition format: each metric with its help, its type and its samples."""
    lines: list[str] = []
    for measure in measures:
        lines += [f"# HELP {measure.name} {measure.help}", f"# TYPE {measure.name} gauge"]
        for labels, value in measure.samples:
            inside = ",".join(f'{name}="{_escaped(word)}"' for name, word in labels.items())
            lines.append(f"{measure.name}{{{inside}}} {value:.10g}".replace("{}", ""))
    return "\n".join([*lines, ""])


def _escaped(word: str) -> str:
    return word.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
