"""`manage.py restore`: put the data back beside today's keystore; nothing is sent afterwards."""

import sys
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from config.backups.errors import BackupError
from config.backups.house import databases
from config.backups.restore import confirm, restore
from privacy.vault import VaultError

WORD = "restore"


class Command(BaseCommand):
    help = (
        "Replace the data by a copy that `backup` made, beside today's keystore; erase again who"
        " was erased since; leave everything silent until `activate`. The house must be stopped."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--data", type=Path, metavar="FILE", help="a .dump of the data")
        parser.add_argument(
            "--keystore",
            type=Path,
            metavar="FILE",
            help="only if the keystore is lost: a .dump of it; people erased since come back to"
            " life in it and are erased again",
        )
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        data, keystore = options["data"], options["keystore"]
        if not data and not keystore:
            raise CommandError("Name a copy to put back: --data FILE, or --keystore FILE.")
        try:
            with self.bar("Checking", data, keystore) as bar:
                confirm(data, keystore, bar.update)
            self.ask(data, keystore, options["yes"])
            with databases(self.stdout.write, stopped=True), self.bar("Restoring") as bar:
                done = restore(data, keystore, self.stdout.write, bar.update)
        except (BackupError, VaultError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"Done. {done.get('people', 0)} people were erased before; {done.get('rows', 0)} rows"
            f" and {done.get('keys', 0)} keys of theirs had come back and are gone again."
        )
        self.stdout.write(
            "Nothing is sent yet. Start Jawort, look at it, then run `manage.py activate`. What"
            " people said since the copy was made (STOP above all) is not in it: docs/operating.md,"
            " section Restore, says what to do about that first."
        )

    def ask(self, data: Path | None, keystore: Path | None, is_sure: bool) -> None:
        if is_sure:
            return
        what = " and ".join(
            name for name, dump in (("ALL DATA", data), ("THE KEYSTORE", keystore)) if dump
        )
        if not sys.stdin.isatty():
            raise CommandError(f"This replaces {what}: say --yes if that is what you want.")
        self.stdout.write(f"This replaces {what} by the copy. What came since will be gone.")
        if input(f"Write “{WORD}” to go on: ").strip() != WORD:
            raise CommandError("Nothing was changed.")

    def bar(self, doing: str, *files: Path | None) -> "tqdm[Any]":
        total = sum(one.stat().st_size for one in files if one and one.exists()) or None
        quiet = not sys.stderr.isatty()
        return tqdm(total=total, desc=doing, unit="B", unit_scale=True, disable=quiet)
