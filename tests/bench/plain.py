"""The plain web application that the hooks are compared with: no Django, one insert per request.

It verifies the signature, parses the body and inserts one row, as the hook does, with a connection
for each thread; it seals nothing, knows no channels and applies no withdrawal.
"""

import os
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg

from messengers.signature import is_signed
from tests.bench.world import HOOK_SECRET

INSERT = """
    INSERT INTO messengers_inboundevent
           (channel_id, ref, kind, status, received_at, day, sealed, is_withdrawal, attempts)
    VALUES (%s, %s, 'text', 'handled', %s, %s, %s, false, 0)
    ON CONFLICT DO NOTHING"""
NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")
_own = threading.local()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """WSGI. The channel's id is the last part of the path."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    headers = {name: environ.get(_wsgi_name(name), "") for name in NAMES}
    if not is_signed(HOOK_SECRET, headers, body):
        start_response("403 Forbidden", [("content-length", "0")])
        return []
    event, now = orjson.loads(body)["events"][0], datetime.now(UTC)
    channel = environ["PATH_INFO"].rstrip("/").rpartition("/")[2]
    row = [channel, event["id"].encode()[:16], now, now.date(), body[:200]]
    _line().execute(INSERT, row)
    start_response("200 OK", [("content-length", "0")])
    return []


def _line() -> "psycopg.Connection[Any]":
    if not hasattr(_own, "line"):
        _own.line = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    return _own.line  # type: ignore[no-any-return]


def _wsgi_name(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")
