"""The hooks: where providers tell us what people wrote, and what became of our messages."""

from uuid import UUID

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from messengers import inbox
from messengers.models import Channel
from privacy.vault import VaultError

log = structlog.get_logger("jawort.inbox")

# An unknown channel and a wrong signature look alike: nobody learns which channels there are.
REFUSED = 403
TOO_LARGE = 413
TRY_AGAIN = 503


@csrf_exempt
@require_http_methods(["GET", "POST"])
def hook(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """One call of a provider. 200 is said only after everything in it has been committed."""
    try:
        return _answer(request, channel_id)
    except (OperationalError, InterfaceError, VaultError) as error:
        log.warning("hook_not_now", error=type(error).__name__)
        connection.close()
        return HttpResponse(status=TRY_AGAIN, headers={"Retry-After": "10"})


def _answer(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    if _size(request) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return HttpResponse(status=TOO_LARGE)
    channel = Channel.objects.filter(id=channel_id).first()
    if channel is None:
        return HttpResponse(status=REFUSED)
    reply = inbox.handshake(channel, request.method or "", request.GET.dict())
    if reply:
        return HttpResponse(reply.body, status=reply.status, content_type=reply.content_type)
    if request.method != "POST":
        return HttpResponse(status=REFUSED)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return HttpResponse(status=inbox.accept(channel, headers, request.body))


def _size(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
