"""Is the process alive; can it do its work."""

from django.db import Error, connections
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from privacy.vault import root_key_fits


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when both databases answer and the keys belong to them, else 503 with what is wrong."""
    for alias in connections:
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT 1")
        except Error:
            return HttpResponse(f"{alias} does not answer\n", "text/plain", status=503)
    if not root_key_fits():
        return HttpResponse("the root key is not the keystore's\n", "text/plain", status=503)
    return HttpResponse("ready\n", content_type="text/plain")
