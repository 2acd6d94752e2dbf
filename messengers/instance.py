"""Which installation this database belongs to: a copy must not write to the same people again.

Four things have to agree before anything is sent; otherwise a person has to say `manage.py
activate` here:

- the epoch in the database and in a file beside the application: a copy has another pair, or none;
- the PostgreSQL cluster (its identifier, its timeline, the database's number) and what it was when
  the epoch began: a physical copy, a point-in-time recovery and a promoted standby differ;
- the generation of the data and that of the keystore, which are counted up together: whoever lags
  behind is an old copy, even one that was put back into the same cluster;
- the generation that this host has seen before.

A clone of the whole machine has all of it: only somebody outside can notice (docs/delivery.md).
"""

import os
import threading
import time
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from messengers.errors import NotTheSameInstance
from messengers.sql import rows, run
from privacy.access import Actor
from privacy.audit import record
from privacy.durable import durably
from privacy.ids import uuid7
from privacy.vault import KeystoreDown, generation, raise_generation

# A copy younger than this may pass for the original, unless `manage.py backup` made it.
ADVANCE_SECONDS = 20.0

# The timeline by the log that is written now: the control file learns of a promotion only with the
# next checkpoint, minutes later on a busy server.
CLUSTER = """SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
        CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint())
             ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
        (SELECT oid FROM pg_database WHERE datname = current_database()))"""
MAY_ASK = """SELECT has_function_privilege('pg_control_system()', 'EXECUTE')
    AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE')"""
ADOPT = "UPDATE messengers_instance SET cluster = %s WHERE cluster = ''"
BEGIN = """INSERT INTO messengers_instance (id, epoch, activated_at, cluster, generation)
    VALUES (1, %s, clock_timestamp(), %s, %s) ON CONFLICT DO NOTHING"""
ACTIVATE = """INSERT INTO messengers_instance (id, epoch, activated_at, cluster, generation)
    VALUES (1, %s, clock_timestamp(), %s, %s) ON CONFLICT (id) DO UPDATE
    SET epoch = excluded.epoch, activated_at = excluded.activated_at, cluster = excluded.cluster,
        generation = excluded.generation"""
SILENCE = """INSERT INTO messengers_instance (id, epoch, activated_at, cluster, generation)
    VALUES (1, %s, NULL, '', 0) ON CONFLICT (id) DO UPDATE
    SET epoch = excluded.epoch, activated_at = NULL"""
ADVANCE = "UPDATE messengers_instance SET generation = %s WHERE generation = %s AND epoch = %s"


class Stored(NamedTuple):
    """What the database says of itself."""

    epoch: UUID
    cluster: str
    generation: int


class Seen(NamedTuple):
    """What this host knows of its database."""

    epoch: UUID
    generation: int


def current() -> UUID:
    """The epoch that this host, this database and its keystore agree on; or `NotTheSameInstance`.

    A database that never had one is new: it gets its first, and the file with it.
    """
    if reason := why_not():
        raise NotTheSameInstance(
            f"{reason} Nothing is sent. Compare with docs/operating.md, section Restore, then run"
            " `manage.py activate`."
        )
    there = _stored()
    return _begin() if there is None else there.epoch


def why_not() -> str:
    """One sentence about what does not belong together here; "" when all is well."""
    # In this order: each of them counts up before the next one does, so nobody is seen too early.
    keys_before, here = _generation_of_keys(), _read()
    there = _stored()
    if there is None:
        return ""
    if here is None or here.epoch != there.epoch:
        return "This database and this host do not belong together (restored, copied, a new host)."
    if why := _other_cluster(there):
        return why
    if here.generation > there.generation:
        return "This database is an older copy: this host has seen a later state of it."
    if keys_before is None:
        return ""  # without keys nothing can be sent anyway
    if keys_before > there.generation + 1:
        return "This database is an older copy: the keystore has come further."
    if keys_before < there.generation and (_generation_of_keys() or 0) < there.generation:
        return "The keystore is an older copy than the data: erased people could be readable again."
    return ""


def advance() -> None:
    """Count keystore, data and this host's file up by one: so that older copies are known.

    Called every few seconds. May run twice, at once or again: each step is taken once.
    """
    if time.monotonic() - _last.at < ADVANCE_SECONDS:
        return
    _last.at = time.monotonic()
    advance_now()


def advance_now() -> None:
    there = _stored()
    if there is None or why_not():
        return
    further = there.generation + 1
    try:
        raise_generation(further)
    except KeystoreDown:
        return
    if _advance(there, further):
        _write(there.epoch, further)


@transaction.atomic
def _advance(there: Stored, further: int) -> bool:
    """Durable: a crashed server that forgot it would be taken for an older copy by this host."""
    durably()
    return bool(run(ADVANCE, [further, there.generation, there.epoch]))


@transaction.atomic
def activate(actor: Actor) -> UUID:
    """This database lives, here: a new epoch. Every other host and copy stops sending."""
    epoch, here, there = uuid7(), _read(), _stored()
    known = [one.generation for one in (here, there) if one is not None]
    further = max([generation(), *known])
    raise_generation(further)  # committed at once: the keystore is another database
    durably()
    run(ACTIVATE, [epoch, _cluster(), further])
    record("instance.activated", actor=actor, obj="instance", ref=epoch)
    _write(epoch, further)
    return epoch


@transaction.atomic
def silence(actor: Actor) -> None:
    """After a restore: nobody sends from this database before a person says `activate`."""
    epoch = uuid7()
    durably()
    run(SILENCE, [epoch])
    record("instance.restored", actor=actor, obj="instance", ref=epoch)


@transaction.atomic
def join(actor: Actor) -> UUID:
    """This host is one more of the same installation: it takes the database's epoch."""
    there = _stored()
    epoch = there.epoch if there else _begin()
    record("instance.joined", actor=actor, obj="instance", ref=epoch)
    _write(epoch, there.generation if there else 0)
    return epoch


@transaction.atomic
def _begin() -> UUID:
    """The first start: of several at once, the others wait here until row and file are there."""
    durably()
    run(BEGIN, [uuid7(), _cluster(), _generation_of_keys() or 0])
    there = _stored()
    assert there is not None
    _write(there.epoch, there.generation)
    return there.epoch


class _Last:
    at = 0.0


_last = _Last()


def _other_cluster(there: Stored) -> str:
    """A database from before clusters were noted takes the one where it is."""
    live = _cluster()
    if not there.cluster:
        run(ADOPT, [live])
        return ""
    if not live or live == there.cluster:
        return ""
    return (
        "This database came from another PostgreSQL cluster, timeline or place (restored, moved)."
    )


def _cluster() -> str:
    """Identifier, timeline and database number; "" where the server does not tell."""
    return str(rows(CLUSTER)[0][0]) if rows(MAY_ASK)[0][0] else ""


def _generation_of_keys() -> int | None:
    try:
        return generation()
    except KeystoreDown:
        return None


def _stored() -> Stored | None:
    found = rows("SELECT epoch, cluster, generation FROM messengers_instance")
    return Stored(*found[0]) if found else None


def _path() -> Path:
    name = str(connection.settings_dict["NAME"]).replace(os.sep, "_")
    return Path(settings.JAWORT_VAR) / "instance" / name


def _read() -> Seen | None:
    """The file has two words; one from before generations has the epoch alone."""
    try:
        epoch, *rest = _path().read_text(encoding="ascii").split()
        return Seen(UUID(epoch), int(rest[0]) if rest else 0)
    except (OSError, ValueError):
        return None


def _write(epoch: UUID, generation: int) -> None:
    """Replace the file in one step: a reader sees the old words or the new ones."""
    path = _path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.new")
    fresh.write_text(f"{epoch} {generation}\n", encoding="ascii")
    fresh.replace(path)
