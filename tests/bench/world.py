"""A database like that of a production, people in it, and a broadcast to all of them."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from uuid import UUID

import orjson
from django.db import connections, transaction

from tests.bench.rig import together
from tests.clusters import TemporaryClusters
from tests.standins.http_provider import TOKEN

CHUNK = 5_000
HOOK_SECRET = "a secret of the bench, 0123456789"
MAKERS = 2
# What a newsroom sends: some three hundred characters and one placeholder.
TEXT = """Guten Morgen, {first_name|Leserin}!

**Der Stadtrat hat entschieden:** Die Straßenbahn fährt ab Montag wieder bis zum Hauptbahnhof, auch
nachts. Was das für den Weg zur Arbeit heißt, welche Haltestellen neu sind und was die Karte nun
kostet, lesen Sie bei uns: https://news.example.org/strassenbahn

Ihre Redaktion"""
# As a production has it, where the clusters of tests save on safety.
AS_IN_PRODUCTION = ("fsync", "full_page_writes", "synchronous_commit")
ROWS = """
    INSERT INTO messengers_address (id, channel_id, subject, sealed, profile_sealed, created_at)
    SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '70008000'
            || lpad(to_hex(n), 12, '0'))::uuid, %(channel)s, gen_random_uuid(),
           decode(repeat('ab', 46), 'hex'), decode(repeat('cd', 80), 'hex'), now()
      FROM generate_series(1, %(number)s::bigint) AS n"""
GATES = """
    INSERT INTO messengers_gate (id, address, subject, is_open, reason, needs_footer, changed_at)
    SELECT (lpad(to_hex(1700000000001 + row_number() OVER (ORDER BY id)), 12, '0') || '7000a000'
            || substr(md5(id::text), 1, 12))::uuid, id, subject, true, '', false, now()
      FROM messengers_address"""
EVERYBODY = """
    SELECT g.address, g.id, a.channel_id FROM messengers_address a
      JOIN messengers_gate g ON g.address = a.id AND g.is_open
     WHERE a.channel_id = %s ORDER BY a.id LIMIT %s"""
SENT_AND_RECEIVED = (
    "messengers_delivery",
    "messengers_batch",
    "messengers_dispatch",
    "messengers_receiptgroup",
    "messengers_inboundevent",
)
TABLES = "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relkind IN ('r', 'p')"


@contextmanager
def world(*, durable: bool = True) -> Iterator[TemporaryClusters]:
    """Migrated clusters on disk, settings pointing at them, and a folder for this host's file."""
    with TemporaryClusters(on_disk=True) as clusters, tempfile.TemporaryDirectory() as folder:
        os.environ.update(environment(clusters, folder))
        set_up()
        logging.disable(logging.WARNING)  # the bells of a broker that nobody listens to
        if durable:
            be_durable(clusters)
        from messengers import instance

        instance.current()  # a new database gets its epoch before anybody is forked
        yield clusters
        connections.close_all()


def environment(clusters: TemporaryClusters, var: str) -> dict[str, str]:
    home = clusters.home
    return {
        "DATABASE_URL": home.url("data", owner=True),
        "KEYSTORE_URL": home.url("keystore", owner=True),
        "JAWORT_ORIGIN": "http://127.0.0.1:8000",
        "JAWORT_SMTP_URL": "smtp://127.0.0.1:1025",
        "JAWORT_VAR": var,
        "CELERY_BROKER_URL": "memory://",
        "DJANGO_SETTINGS_MODULE": "config.settings_test",
    }


def set_up() -> None:
    import django

    django.setup()
    from config.databases import migrate

    for alias in ("default", "keystore"):
        migrate(alias)


def be_durable(clusters: TemporaryClusters) -> None:
    """Every commit reaches the disk from now on."""
    for name in clusters.names:
        with clusters.cluster(name).connect() as line:
            for setting in AS_IN_PRODUCTION:
                line.execute(f"ALTER SYSTEM SET {setting} = on")
            line.execute("SELECT pg_reload_conf()")


def phone(number: int) -> str:
    """A German mobile number of its own for each."""
    return f"+49176{number:08d}"


def make_channel(url: str, **facts: Any) -> UUID:
    """A channel at the stand-in, whose rate stops nobody."""
    from tests.messengers import house

    settings = {"base_url": url, "bulk": 1, "call_seconds": 20}
    channel = house.make_channel(
        settings=settings | facts.pop("settings", {}),
        secrets={"token": TOKEN, "hook_secret": HOOK_SECRET},
        rate_per_second=facts.pop("rate", 1e6),
        **facts,
    )
    return channel.id


def point_channel(channel: UUID, url: str) -> None:
    """Let a channel talk to another stand-in from now on."""
    from messengers.models import Channel

    found = Channel.objects.get(id=channel)
    found.settings["base_url"] = url
    found.save(update_fields=["settings"])


def set_rate(channel: UUID, rate: float) -> None:
    from messengers.models import Channel

    Channel.objects.filter(id=channel).update(rate_per_second=rate)


def make_crowd(
    channel: UUID, number: int, first: int = 0, identifier: Callable[[int], str] = phone
) -> None:
    """People with keys, sealed addresses and names, and open gates; written by two processes."""
    begins = [*range(first, first + number, CHUNK), first + number]
    turns = list(pairwise(begins))
    together(MAKERS, lambda index: _make_some(channel, turns[index::MAKERS], identifier))
    analyze("messengers_address", "messengers_addressindex", "messengers_gate")


def _make_some(
    channel: UUID, turns: list[tuple[int, int]], identifier: Callable[[int], str]
) -> int:
    for first, end in turns:
        _make_chunk(channel, range(first, end), identifier)
    connections.close_all()
    return len(turns)


def _make_chunk(channel: UUID, numbers: range, identifier: Callable[[int], str]) -> None:
    from django.utils import timezone

    from messengers.addresses import digest_of
    from privacy.ids import uuid7
    from privacy.vault import KeyRing, Where, new_subjects

    subjects, now = new_subjects(len(numbers)), timezone.now()
    ring = KeyRing.load(subjects)
    addresses, indexes, gates = [], [], []
    for number, subject in zip(numbers, subjects, strict=True):
        address, own = uuid7(), identifier(number)
        sealed = ring.seal(subject, Where("messengers_address", "sealed", address), own.encode())
        names = orjson.dumps({"first_name": "Ada", "last_name": "Lovelace"})
        place = Where("messengers_address", "profile_sealed", address)
        profile = ring.seal(subject, place, names)
        addresses.append((address, channel, subject, sealed, profile, now))
        indexes.append((channel, digest_of(channel, own), address))
        gates.append((uuid7(), address, subject, True, "", False, now))
    columns = "id, channel_id, subject, sealed, profile_sealed, created_at"
    copy(f"messengers_address ({columns})", addresses)
    copy("messengers_addressindex (channel_id, digest, address_id)", indexes)
    copy("messengers_gate (id, address, subject, is_open, reason, needs_footer, changed_at)", gates)


def copy(target: str, rows: list[tuple[Any, ...]]) -> None:
    with connections["default"].cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN") as pen:
        for row in rows:
            pen.write_row(row)


def make_rows(channel: UUID, number: int) -> None:
    """Addresses and gates by the database alone: enough for a snapshot, unreadable for a worker."""
    with connections["default"].cursor() as cursor:
        cursor.execute(ROWS, {"channel": channel, "number": number})
        cursor.execute(GATES)
    analyze("messengers_address", "messengers_gate")


def analyze(*tables: str) -> None:
    with connections["default"].cursor() as cursor:
        for table in tables:
            cursor.execute(f"VACUUM ANALYZE {table}")


def empty() -> None:
    """Forget everything that was sent and everything that came in."""
    with connections["default"].cursor() as cursor:
        cursor.execute(TABLES, [[*SENT_AND_RECEIVED, "messengers_parkedreceipt"]])
        tables = ", ".join(row[0] for row in cursor.fetchall())
        cursor.execute(f"TRUNCATE {tables} CASCADE")


def start_broadcast(channel: UUID, recipients: int) -> UUID:
    """A running broadcast to that many people: its dispatch, after the snapshot's commit."""
    dispatch = take_snapshot(EVERYBODY, [channel, recipients])
    analyze("messengers_delivery", "messengers_batch")
    return dispatch


def take_snapshot(recipients_sql: str, params: list[Any]) -> UUID:
    from messengers.contract import Content
    from messengers.models import Dispatch
    from messengers.outbox import content_hash, start_dispatch

    content = Content(TEXT, language="de", subject="Die Straßenbahn fährt wieder")
    with transaction.atomic():
        dispatch = Dispatch.objects.create(
            kind="broadcast", content=content.to_json(), content_sha256=content_hash(content)
        )
        start_dispatch(dispatch=dispatch, recipients_sql=recipients_sql, params=params)
    return dispatch.id


def states(dispatch: UUID) -> dict[str, int]:
    """State -> number, counted from the rows themselves."""
    statement = "SELECT status, count(*) FROM messengers_delivery WHERE dispatch_id = %s GROUP BY 1"
    with connections["default"].cursor() as cursor:
        cursor.execute(statement, [dispatch])
        return dict(cursor.fetchall())


def trust(ca_file: str) -> None:
    """Let this process, and those forked from it, trust the stand-in's certificate."""
    import messengers.transports.http as transport

    if ca_file:
        transport.certifi.where = lambda: ca_file  # type: ignore[assignment]
