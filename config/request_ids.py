"""One random id for each request and task, in every line that is logged on its behalf.

The id comes back in `X-Request-ID`, so that somebody who saw an error can name it. A proxy's own id
is taken over where a proxy is believed, if it looks like one: at least 16 hexadecimal digits, which
no telephone number has.
"""

import re
import secrets
from collections.abc import Callable
from typing import Any

from celery.signals import task_postrun, task_prerun
from django.conf import settings
from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponseBase
from structlog.contextvars import bind_contextvars, clear_contextvars

HEADER = "X-Request-ID"
GIVEN = re.compile(r"[0-9a-f]{8}[0-9a-f-]{8,28}", re.ASCII)
BYTES = 8


class RequestIds:
    """Middleware, before all others."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "").lower() if settings.JAWORT_PROXIES else ""
        name = given if GIVEN.fullmatch(given) else secrets.token_hex(BYTES)
        clear_contextvars()
        # Until the answer is closed: Django tells of a 404 when all middleware is through.
        bind_contextvars(request_id=name)
        response = self.get_response(request)
        response[HEADER] = name
        return response


def follow() -> None:
    """Forget a request when it is over, and let the lines of a task name it, too."""
    request_finished.connect(_end, dispatch_uid="request_ids")
    task_prerun.connect(_begin, dispatch_uid="request_ids")
    task_postrun.connect(_end, dispatch_uid="request_ids")


def _begin(task_id: str, task: Any, **_more: Any) -> None:
    bind_contextvars(task=task.name, task_id=task_id)


def _end(**_more: Any) -> None:
    clear_contextvars()
