"""The door for hooks: before Django's pages, with all that a hook needs and nothing else.

A page has a session, a language, a token against forgery and a dozen more steps; a hook has a
signature. So POSTs to `/hooks/<channel>/` are answered here, on the raw bytes and in the threads of
the web server: verified, read, reduced, and stored together with those that come at the same time.
Whatever might be a withdrawal goes alone, through `inbox`, and so does everything unusual.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from threading import local
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections, transaction
from django.utils import timezone

from messengers import inbox
from messengers.channels import adapter_of
from messengers.contract import Adapter, BadPayload, PersonEvent
from messengers.doorbell import HANDLE_INBOX, ring
from messengers.group_commit import GroupCommit
from messengers.models import Channel
from messengers.receipts import Reduced, reduced, store
from messengers.remembered import Remembered
from messengers.sql import hashes, ids, run, words
from messengers.tally import HOOKS
from privacy.durable import DURABLY, durably
from privacy.vault import VaultError, inbox_sealer

log = structlog.get_logger("jawort.inbox")

PATH = re.compile(r"/hooks/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/", re.ASCII)
OK, UNREADABLE, REFUSED, TOO_LARGE, BROKEN, TRY_AGAIN = 200, 400, 403, 413, 500, 503
WORDS = {
    OK: "200 OK",
    UNREADABLE: "400 Bad Request",
    REFUSED: "403 Forbidden",
    TOO_LARGE: "413 Content Too Large",
    BROKEN: "500 Internal Server Error",
    TRY_AGAIN: "503 Service Unavailable",
}
KNOWN_SECONDS = 5.0  # a channel's secrets and the key of the day are looked up anew after that
LOOK_SECONDS = 1.0  # between two looks of a thread at the age of its connections
QUICK_SECONDS = 1.0  # what failed sooner is tried once more
TOGETHER = 64  # requests in one transaction
RECEIPTS_BELL = 1.0  # seconds between two rings for receipts alone: nobody waits for them
# Asks for a durable commit by itself, so that texts alone need no more than this statement.
ADD = f"""
    INSERT INTO messengers_inboundevent
           (channel_id, ref, kind, status, received_at, day, sealed, is_withdrawal, attempts)
    SELECT channel, ref, 'text', 'waiting', at, at::date, sealed, false, 0
      FROM unnest(%s::uuid[], %s::bytea[], %s::timestamptz[], %s::bytea[])
           AS e (channel, ref, at, sealed), (SELECT {DURABLY}) AS asked
    ON CONFLICT DO NOTHING"""

Headers = Mapping[str, str]
Text = tuple[UUID, bytes, datetime, bytes]  # channel, what tells it from others, when, sealed


@dataclass(frozen=True, slots=True)
class Known:
    """A channel as the door remembers it for a few seconds."""

    channel: Channel
    adapter: Adapter


@dataclass(frozen=True, slots=True)
class Part:
    """What one request brought: sealed texts and reduced receipts."""

    channel: UUID
    texts: list[Text]
    receipts: list[Reduced]


def write(parts: list[Part]) -> None:
    """Store what some requests brought, all of it or nothing."""
    texts = [text for part in parts for text in part.texts]
    told = [part for part in parts if part.receipts]
    if told:
        with transaction.atomic():
            durably()
            fresh = _add(texts)
            for part in told:
                store(part.channel, part.receipts)
    else:
        fresh = _add(texts)
    if fresh:
        ring(HANDLE_INBOX)
    else:
        _BELL.ring()


def _add(texts: list[Text]) -> int:
    if not texts:
        return 0
    channels, refs, moments, sealed = zip(*texts, strict=True)
    columns = [ids(channels), hashes(refs), words(map(str, moments)), hashes(sealed)]
    return run(ADD, columns, prepare=True)


GROUPS: GroupCommit[Part] = GroupCommit(
    write, most=TOGETHER, hopeless=(OperationalError, InterfaceError)
)


def answer(environ: Mapping[str, Any]) -> int | None:
    """The status for one call; None for what Django shall answer: pages, handshakes, redirects."""
    found = PATH.fullmatch(environ.get("PATH_INFO", ""))
    if found is None or environ["REQUEST_METHOD"] != "POST" or _is_to_be_redirected(environ):
        return None
    began = time.monotonic()
    status = _safely(UUID(found[1]), environ)
    if status is not None:
        kind = "ok" if status == OK else "later" if status == TRY_AGAIN else "refused"
        HOOKS.add(began, **{kind: 1})
    return status


def forget() -> None:
    """Forget channels and keys: for whoever has just changed them."""
    _KNOWN.clear()
    _SEALERS.clear()


def _safely(channel: UUID, environ: Mapping[str, Any]) -> int | None:
    began, is_again = time.monotonic(), False
    _hang_up(only_old=True)
    body = _body(environ)
    if body is None:
        return TOO_LARGE
    while True:
        try:
            return _answer(channel, environ, body)
        except (OperationalError, InterfaceError, VaultError) as error:
            _hang_up()
            # A connection that died while nothing came is no reason to send anybody away.
            if is_again or time.monotonic() - began > QUICK_SECONDS:
                log.warning("hook_not_now", error=type(error).__name__)
                return TRY_AGAIN
            is_again = True
        except Exception as error:
            inbox.log_broken("hook_broke", error)
            _hang_up()
            return BROKEN


def _answer(channel: UUID, environ: Mapping[str, Any], body: bytes) -> int | None:
    known = _known(channel)
    if known is None:
        return REFUSED
    if known.adapter.handshake("POST", dict(parse_qsl(environ.get("QUERY_STRING", "")))):
        return None
    headers = _headers(environ)
    if not known.adapter.verify(headers, body):
        return REFUSED
    try:
        persons, receipts = known.adapter.read_hook(headers, body)
    except BadPayload:
        log.warning("hook_unreadable", channel=str(channel))
        return UNREADABLE
    return _take(known.channel, persons, reduced(channel, receipts))


def _take(channel: Channel, persons: list[PersonEvent], receipts: list[Reduced]) -> int:
    if any(inbox.may_withdraw(channel, event) for event in persons):
        return inbox.store_alone(channel, persons, receipts)
    texts = [_sealed(channel.id, event) for event in persons]
    if texts or receipts:
        GROUPS.commit(Part(channel.id, texts, receipts))
    return OK


def _sealed(channel: UUID, event: PersonEvent) -> Text:
    now = timezone.now()
    ref = inbox.ref_of(channel, event)
    return channel, ref, now, inbox.seal_event(channel, ref, event, now, _sealer(now.date()))


# --- What is remembered for a moment ---

_KNOWN: Remembered[UUID, Known | None] = Remembered(KNOWN_SECONDS)
_SEALERS: Remembered[date, Callable[..., bytes]] = Remembered(KNOWN_SECONDS, most=4)


def _known(channel: UUID) -> Known | None:
    return _KNOWN.get(channel, lambda: _look_up(channel))


def _look_up(channel: UUID) -> Known | None:
    found = Channel.objects.filter(id=channel).first()
    return Known(found, adapter_of(found)) if found else None


def _sealer(day: date) -> Callable[..., bytes]:
    return _SEALERS.get(day, lambda: inbox_sealer(day))


class _Bell:
    """Rings for receipts at most once a second; what comes later waits for the sweeper."""

    def __init__(self) -> None:
        self._rung_at = -RECEIPTS_BELL

    def ring(self) -> None:
        now = time.monotonic()
        if now - self._rung_at >= RECEIPTS_BELL:
            self._rung_at = now
            ring(HANDLE_INBOX)


_BELL = _Bell()

# --- The request ---


def _is_to_be_redirected(environ: Mapping[str, Any]) -> bool:
    """Where pages have to be secure, a call over plain HTTP is Django's to send away."""
    if not settings.SECURE_SSL_REDIRECT:
        return False
    name, value = settings.SECURE_PROXY_SSL_HEADER or ("", "")
    told = environ.get(name, "").split(",")[0].strip() if name else ""
    return not (environ.get("wsgi.url_scheme") == "https" or (name and told == value))


def _body(environ: Mapping[str, Any]) -> bytes | None:
    """The raw bytes; None if there are more than a hook may bring."""
    most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    told = environ.get("CONTENT_LENGTH") or ""
    length = int(told) if told.isascii() and told.isdigit() and len(told) < 12 else 0
    if length > most:
        return None
    if not length:
        # In chunks, of which nobody knows how many: one byte too many is enough to know.
        length = most + 1 if "HTTP_TRANSFER_ENCODING" in environ else 0
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    return body if len(body) <= most else None


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    return headers


class _Looked(local):
    """When this thread looked at the age of its connections last."""

    at = 0.0


_LOOKED = _Looked()


def _hang_up(*, only_old: bool = False) -> None:
    """A connection that failed, or is old, is opened anew by whoever needs it in this thread."""
    now = time.monotonic()
    if only_old and now - _LOOKED.at < LOOK_SECONDS:
        return
    _LOOKED.at = now
    for connection in connections.all(initialized_only=True):
        is_old = connection.close_at is not None and connection.close_at <= now
        if not connection.in_atomic_block and (is_old or not only_old):
            connection.close()
