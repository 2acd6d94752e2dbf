"""Is the process alive; can it do its work. What each word means stands in docs/operating.md."""

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from celery import current_app
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.databases import APPS_IN
from config.measures import HEARD, free_bytes
from messengers import instance
from messengers.partitions import missing_ahead
from messengers.sql import rows
from privacy.vault import KeystoreDown, root_key_fits

UNAVAILABLE = 503
OK, UNKNOWN, PENDING, NEWER = "ok", "unknown", "pending", "newer"
SWEEPER_LATE_SECONDS = 60.0  # it rings every five
DISK_LOW_BYTES = 1024**3
BROKER_SECONDS = 1  # as long is waited for it …
BROKER_REMEMBERED_SECONDS = 10.0  # … and as long is believed what was found
# Without these no page works. All others are told and stop nobody from reading and unsubscribing.
VITAL = frozenset({"database", "keystore", "keys", "migrations"})


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when pages and hooks work, even if something else is amiss; else 503. No secrets."""
    checks = {name: _word(check) for name, check in CHECKS.items()}
    # Newer tables are no reason to leave: each version bears those of the next (docs/operating.md).
    amiss = {name for name, word in checks.items() if word not in (OK, NEWER)}
    is_whole = set(checks.values()) == {OK}
    status = "unready" if amiss & VITAL else "ready" if is_whole else "degraded"
    code = UNAVAILABLE if status == "unready" else 200
    return JsonResponse({"status": status, "checks": checks}, status=code)


def _word(check: Callable[[], str]) -> str:
    try:
        return check()
    except (Error, KeystoreDown):
        return UNKNOWN


# --- The checks: each says "ok" or what is the matter, in a word ---


def database() -> str:
    return _answers(DEFAULT_DB_ALIAS)


def keystore() -> str:
    return _answers("keystore")


def _answers(alias: str) -> str:
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        connections[alias].close()
        return "down"
    return OK


def keys() -> str:
    return OK if root_key_fits() else "wrong"


def migrations() -> str:
    """Tables as this code wants them, older ones, or those of a newer version."""
    words = {_migrations_of(alias) for alias in connections}
    return next((word for word in (PENDING, NEWER) if word in words), OK)


def _migrations_of(alias: str) -> str:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        applied = {(app, name) for app, name in cursor.fetchall()}
    ours = {key for key in known_migrations() if key[0] in APPS_IN.get(alias, (key[0],))}
    if ours - applied:
        return PENDING
    apps = {app for app, _ in ours}
    return NEWER if {key for key in applied if key[0] in apps} - ours else OK


@cache
def known_migrations() -> frozenset[tuple[str, str]]:
    """Every migration of this version's code; read once, because that takes a while."""
    return frozenset(MigrationLoader(None).disk_migrations)


def instance_is_ours() -> str:
    return "inactive" if instance.why_not() else OK


def sweeper() -> str:
    """Whether the ticks are done: beat, broker and helper all have a hand in it."""
    heard = rows(HEARD, ["sweeper"])
    if not heard:
        return "never"
    return "late" if heard[0][0] > SWEEPER_LATE_SECONDS else OK


def disk() -> str:
    folders = (settings.JAWORT_VAR, settings.JAWORT_MEDIA_DIR, settings.JAWORT_EXPORT_DIR)
    return "low" if min(free_bytes(Path(one)) for one in folders) < DISK_LOW_BYTES else OK


def partitions() -> str:
    """Whether deliveries have a place this month and the next two."""
    return "missing" if missing_ahead() else OK


class _Broker:
    """What was found last, and when: probes come every few seconds, from several sides."""

    word = UNKNOWN
    at = -BROKER_REMEMBERED_SECONDS


def broker() -> str:
    """Without it everything takes some seconds longer, until the sweeper is back."""
    if time.monotonic() - _Broker.at >= BROKER_REMEMBERED_SECONDS:
        _Broker.word, _Broker.at = _rings(), time.monotonic()
    return _Broker.word


def _rings() -> str:
    try:
        with current_app.connection_for_write(connect_timeout=BROKER_SECONDS) as connection:
            connection.ensure_connection(
                max_retries=1, interval_start=0, interval_step=0, timeout=BROKER_SECONDS
            )
    except Exception:  # each transport has errors of its own
        return "down"
    return OK


CHECKS: dict[str, Callable[[], str]] = {
    "database": database,
    "keystore": keystore,
    "keys": keys,
    "migrations": migrations,
    "instance": instance_is_ours,
    "broker": broker,
    "sweeper": sweeper,
    "disk": disk,
    "partitions": partitions,
}
