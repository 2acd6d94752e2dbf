"""What the web server runs: hooks by their own door, everything else by Django."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

pages = get_wsgi_application()

from messengers import door  # noqa: E402 - needs the apps

EMPTY = [("Content-Length", "0"), ("X-Content-Type-Options", "nosniff")]
LATER = [*EMPTY, ("Retry-After", "10")]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """WSGI (PEP 3333)."""
    status = door.answer(environ)
    if status is None:
        return pages(environ, start_response)
    start_response(door.WORDS[status], LATER if status == door.TRY_AGAIN else EMPTY)
    return [b""]
