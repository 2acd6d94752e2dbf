"""Copies of both databases: the data first, then the keystore, so that no key of a person lacks."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.db import connections, transaction
from django.utils import timezone

from config.backups import tools
from config.backups.errors import BackupError
from config.backups.manifest import FORMAT, PREFIX, Manifest, delete_old, digest_of, migrations_of
from messengers import instance
from privacy.access import Actor
from privacy.audit import record
from privacy.ids import uuid7
from privacy.vault import generation, keyfile
from privacy.vault.epochs import current_epoch

ACTOR = Actor.system("backup")
KINDS = {"data": "default", "keystore": "keystore"}
# Of no use in a copy: sessions end within hours, the cache can be made again.
LEFT_OUT = {"data": ("django_session", "cache"), "keystore": ()}
EPOCHS = """SELECT number, proof FROM keystore_keyepoch WHERE number IN (
    SELECT epoch FROM keystore_subjectkey UNION SELECT epoch FROM keystore_inboxkey
     UNION SELECT epoch FROM keystore_systemkey
     UNION SELECT max(number) FROM keystore_keyepoch) ORDER BY number"""


@dataclass(frozen=True)
class Places:
    """Where copies go. The keystore's have a shorter life, so their folder is apart."""

    data: Path
    keys: Path
    key_copy: Path | None = None

    def checked(self) -> "Places":
        """The same, made and resolved; raises `BackupError` where one lies in another."""
        data, keys = tools.private_folder(self.data), tools.private_folder(self.keys)
        if data == keys or data in keys.parents or keys in data.parents:
            raise BackupError(
                "Data and keys need folders apart, neither inside the other: whoever copies one"
                " must not copy both, and the keys are deleted sooner."
            )
        copy = self.key_copy.absolute() if self.key_copy else None
        if copy and {data, keys} & {copy.resolve(), *copy.resolve().parents}:
            raise BackupError(
                "The copy of the key file must lie in neither folder: together with an old copy of"
                " the keystore it would open what was erased."
            )
        return Places(data, keys, copy)


@dataclass(frozen=True)
class Made:
    data: Manifest
    keystore: Manifest
    deleted: dict[str, int]
    key_copy: str


def make(
    places: Places, keep: dict[str, timedelta], say: Callable[[str], None] = lambda text: None
) -> Made:
    """Copy both databases, then delete what is older than `keep` says. Raises `BackupError`."""
    places, now, ref = places.checked(), timezone.now(), uuid7()
    with transaction.atomic():
        facts: dict[str, int | str | bool] = {"data": True, "keys": True, "epoch": current_epoch()}
        record("backup.made", actor=ACTOR, obj="backup", ref=ref, facts=facts)
    say("Copying the data …")
    data = _dump("data", places.data, ref, now)
    say("Copying the keystore …")
    keystore = _dump("keystore", places.keys, ref, now)
    # From here on, this copy is older than what we know: it cannot pass for the original.
    for _ in range(2):
        instance.advance_now()
    deleted = {
        kind: delete_old(folder, kind, keep[kind], now)
        for kind, folder in (("data", places.data), ("keystore", places.keys))
    }
    return Made(data, keystore, deleted, _copy_key_file(places.key_copy))


def _dump(kind: str, folder: Path, ref: UUID, now: datetime) -> Manifest:
    alias = KINDS[kind]
    name = f"{PREFIX}{kind}-{now:%Y%m%dT%H%M%SZ}.dump"
    unfinished = folder / f"{name}.part"
    told = generation(), migrations_of(alias), _epochs() if kind == "keystore" else {}
    arguments = ["--format=custom", "--no-owner", "--no-privileges", "--file", str(unfinished)]
    arguments += [f"--exclude-table-data={table}" for table in LEFT_OUT[kind]]
    try:
        tools.run(tools.Server.of(alias), "pg_dump", arguments, f"Copying the {kind}")
        _sync(unfinished)
        manifest = Manifest(
            format=FORMAT,
            ref=str(ref),
            kind=kind,
            made_at=now.isoformat(),
            file=name,
            bytes=unfinished.stat().st_size,
            sha256=digest_of(unfinished),
            program=tools.version("pg_dump"),
            generation=told[0],
            migrations=told[1],
            epochs=told[2],
        )
        os.replace(unfinished, folder / name)
    finally:
        unfinished.unlink(missing_ok=True)
    manifest.write(folder)
    return manifest


def _epochs() -> dict[str, str]:
    with connections["keystore"].cursor() as cursor:
        cursor.execute(EPOCHS)
        return {str(number): bytes(proof).hex() for number, proof in cursor.fetchall()}


def _copy_key_file(copy: Path | None) -> str:
    """Replace the one copy of the key file; what to say about it."""
    file = keyfile.path()
    if file is None or not file.exists():
        return "There is no key file to copy (docs/keys.md)."
    if copy is None:
        return (
            f"{file} was NOT copied. Without it all personal data are lost with this disk: name one"
            " place for its copy with --key-copy, apart from both folders."
        )
    try:
        tools.private_folder(copy.parent)
        keyfile.write_private(copy, keyfile.written(keyfile.halves()))
    except OSError as error:
        raise BackupError(f"{copy} cannot be replaced ({error.strerror}).") from None
    return f"{copy} was replaced. Keep no older copy of it."


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
