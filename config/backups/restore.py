"""Putting the data back beside today's keystore: who was erased since stays erased.

The data are replaced in one transaction, or not at all, and are silent from its commit on: nobody
sends from them before a person says `manage.py activate`.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

from django.core.management import call_command
from django.db import connections, transaction

from config.backups import tools
from config.backups.errors import BackupError
from config.backups.manifest import BLOCK, Manifest
from messengers import instance
from privacy.access import Actor
from privacy.audit import record
from privacy.vault import (
    EpochUnknown,
    confirm_root_key,
    epochs,
    keyfile,
    tombstone,
    tombstones,
    wrapping,
)
from privacy.vault.replay import replay
from privacy.vault.tombstones import Stone

ACTOR = Actor.system("restore")
Say = Callable[[str], None]
Progress = Callable[[int], object]

PLAIN = ("--no-owner", "--no-privileges", "--file", "-")
EMPTY = "DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public"
# In the same transaction as the data: a crash right after it must not let an old copy send.
SILENT = "UPDATE public.messengers_instance SET epoch = gen_random_uuid(), activated_at = NULL"


def confirm(
    data: Path | None, keystore: Path | None, progress: Progress = lambda count: None
) -> None:
    """Raise `BackupError` unless these copies are whole, ours, and of this version's tables."""
    for dump, kind in ((data, "data"), (keystore, "keystore")):
        if dump is not None:
            manifest = Manifest.of(dump)
            manifest.confirm(dump, kind, progress)
            manifest.refuse_newer()
    if keystore is not None:
        _refuse_unknown_epochs(Manifest.of(keystore))


def restore(
    data: Path | None, keystore: Path | None, say: Say, progress: Progress = lambda count: None
) -> dict[str, int]:
    """Put copies back, confirmed before; returns what had to be erased again.

    Without `keystore` the current one stays, which is the right way unless it is lost.
    """
    stones: list[Stone] = []
    if keystore is not None:
        stones = _known_stones()
        say("Putting the keystore back …")
        _load("keystore", keystore, [EMPTY], [], progress)
    if data is not None:
        say("Putting the data back …")
        _load("default", data, [EMPTY], [SILENT], progress)
    say("Bringing the tables up to date …")
    connections.close_all()
    wrapping.forget()
    call_command("setup_databases", no_demo=True, verbosity=0)
    for stone in stones:
        tombstone(
            stone.subject, stone.erased_at, evidence=stone.evidence, suppressed=stone.suppressed
        )
    confirm_root_key()
    instance.silence(ACTOR)
    say("Erasing again who was erased since …")
    done = replay(lambda count: None)
    epochs.rewrap()  # secrets of the house in older data are under an older key
    with transaction.atomic():
        facts: dict[str, int | str | bool] = {
            "data": data is not None,
            "keys": keystore is not None,
            "erased_again": done.get("people", 0),
        }
        record("backup.restored", actor=ACTOR, obj="backup", ref=_ref(data, keystore), facts=facts)
    return done


def _load(alias: str, dump: Path, first: list[str], last: list[str], progress: Progress) -> None:
    """One transaction: everything that is there goes, everything from the copy comes."""
    server = tools.Server.of(alias)
    steps = [part for one in first for part in ("--command", one)]
    steps += ["--file", "-"]
    steps += [part for one in last for part in ("--command", one)]
    quiet = ["--no-psqlrc", "--quiet", "--single-transaction", "--set", "ON_ERROR_STOP=1"]
    with (
        subprocess.Popen(
            server.command("psql", [*quiet, *steps]),
            env=server.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as writer,
        subprocess.Popen(
            [tools.program("pg_restore"), *PLAIN, str(dump)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as reader,
    ):
        try:
            _pour(reader, writer, progress)
        finally:
            for process in (reader, writer):
                if process.poll() is None:
                    process.kill()


def _pour(
    reader: "subprocess.Popen[bytes]", writer: "subprocess.Popen[bytes]", progress: Progress
) -> None:
    """psql sees the end, and commits, only after pg_restore has read the whole copy well."""
    assert reader.stdout
    assert reader.stderr
    assert writer.stdin
    assert writer.stderr
    try:
        while block := reader.stdout.read(BLOCK):
            writer.stdin.write(block)
            progress(len(block))
        if reader.wait():
            raise BackupError(
                f"The copy cannot be read: {tools.said(reader.stderr.read())} Nothing was changed."
            )
        writer.stdin.close()
    except BrokenPipeError:
        pass  # psql has said why
    if writer.wait():
        raise BackupError(
            f"The database refused: {tools.said(writer.stderr.read())} Nothing was changed."
        )


def _known_stones() -> list[Stone]:
    """Who was erased, as far as the keystore that is about to be replaced still knows."""
    try:
        return list(tombstones())
    except Exception:
        return []


def _refuse_unknown_epochs(manifest: Manifest) -> None:
    for number, proof in manifest.epochs.items():
        try:
            fits = wrapping.proof_of(int(number)).hex() == proof
        except EpochUnknown:
            fits = False
        if not fits:
            raise BackupError(
                f"The key file {keyfile.path()} does not hold the key of epoch {number}, under"
                " which this keystore's keys are: put the copy of that file back first. If its"
                " term is over, this copy cannot be opened any more, and that is meant."
            )


def _ref(data: Path | None, keystore: Path | None) -> str:
    dump = data or keystore
    return Manifest.of(dump).ref if dump else ""
