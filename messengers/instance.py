"""Which installation this database belongs to: a copy must not write to the same people again.

The database holds an epoch, and so does a file beside the application. A restored backup, a cloned
database or a second host shows another pair, or no file, and then nothing is sent until a person
has said `manage.py activate` here. A clone of the whole machine has both: only somebody outside
can notice that (docs/delivery.md).
"""

import os
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from messengers.errors import NotTheSameInstance
from messengers.sql import rows, run
from privacy.access import Actor
from privacy.audit import record
from privacy.ids import uuid7


def current() -> UUID:
    """The epoch that this host and this database agree on. Raises `NotTheSameInstance`.

    A database that never had one is new: it gets its first, and the file with it.
    """
    # In this order: the first start writes the file before it commits the row.
    there, here = _stored(), _read()
    if there is None:
        return _begin()
    if here != there:
        raise NotTheSameInstance(
            "This database and this host do not belong together (restored, copied, or a new host):"
            " nothing is sent. Compare with docs/operating.md, then run `manage.py activate`."
        )
    return there


@transaction.atomic
def activate(actor: Actor) -> UUID:
    """This database lives, here: a new epoch. Every other host and copy stops sending."""
    epoch = uuid7()
    run(
        "INSERT INTO messengers_instance (id, epoch, activated_at)"
        " VALUES (1, %s, clock_timestamp()) ON CONFLICT (id)"
        " DO UPDATE SET epoch = excluded.epoch, activated_at = excluded.activated_at",
        [epoch],
    )
    record("instance.activated", actor=actor, obj="instance", ref=epoch)
    _write(epoch)
    return epoch


@transaction.atomic
def join(actor: Actor) -> UUID:
    """This host is one more of the same installation: it takes the database's epoch."""
    epoch = _stored() or _begin()
    record("instance.joined", actor=actor, obj="instance", ref=epoch)
    _write(epoch)
    return epoch


@transaction.atomic
def _begin() -> UUID:
    """The first start: of several at once, the others wait here until row and file are there."""
    run(
        "INSERT INTO messengers_instance (id, epoch, activated_at)"
        " VALUES (1, %s, clock_timestamp()) ON CONFLICT DO NOTHING",
        [uuid7()],
    )
    epoch = _stored()
    assert epoch is not None
    _write(epoch)
    return epoch


def _stored() -> UUID | None:
    found = rows("SELECT epoch FROM messengers_instance")
    return found[0][0] if found else None


def _path() -> Path:
    name = str(connection.settings_dict["NAME"]).replace(os.sep, "_")
    return Path(settings.JAWORT_VAR) / "instance" / name


def _read() -> UUID | None:
    try:
        return UUID(_path().read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None


def _write(epoch: UUID) -> None:
    """Replace the file in one step: a reader sees the old epoch or the new one."""
    path = _path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fresh.write_text(f"{epoch}\n", encoding="ascii")
    fresh.replace(path)
