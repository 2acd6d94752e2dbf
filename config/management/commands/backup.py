"""`manage.py backup`: copy both databases, apart, and delete copies whose term is over."""

from argparse import ArgumentTypeError
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.backups.errors import BackupError
from config.backups.house import databases
from config.backups.make import Made, Places, make
from privacy.vault import VaultError

KIB = 1024


def days(text: str) -> timedelta:
    """`35`, or `35d`; at least one day."""
    try:
        number = int(text.removesuffix("d"))
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError("a term is a number of days, such as 35.")
    return timedelta(days=number)


class Command(BaseCommand):
    help = (
        "Copy the data and the keystore into two folders, each file for its owner alone and with a"
        " manifest, then delete copies that are older than their terms."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        var = settings.JAWORT_VAR
        parser.add_argument("--data", type=Path, default=var / "backups-data", metavar="FOLDER")
        parser.add_argument("--keys", type=Path, default=var / "backups-keys", metavar="FOLDER")
        parser.add_argument(
            "--key-copy",
            type=Path,
            metavar="FILE",
            help="the one copy of the key file, replaced each time; in neither of the folders",
        )
        data_days, keys_days = (
            settings.JAWORT_DATA_BACKUP_DAYS,
            settings.JAWORT_KEYSTORE_BACKUP_DAYS,
        )
        for name, default in (("--keep-data", data_days), ("--keep-keys", keys_days)):
            parser.add_argument(
                name, type=days, default=days(str(default)), metavar="DAYS", help=f"now {default}"
            )

    def handle(self, *args: Any, **options: Any) -> None:
        places = Places(options["data"], options["keys"], options["key_copy"])
        keep = {"data": options["keep_data"], "keystore": options["keep_keys"]}
        longest = timedelta(days=settings.JAWORT_KEYSTORE_BACKUP_DAYS)
        if keep["keystore"] > longest:
            raise CommandError(
                f"--keep-keys is longer than JAWORT_KEYSTORE_BACKUP_DAYS ({longest.days}): such"
                " copies could not be opened, because their keys are destroyed by then."
            )
        try:
            with databases(self.stdout.write, stopped=False):
                made = make(places, keep, self.stdout.write)
        except (BackupError, VaultError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from None
        self.told(made)

    def told(self, made: Made) -> None:
        for manifest in (made.data, made.keystore):
            self.stdout.write(
                f"{manifest.file}: {manifest.bytes // KIB} KiB, SHA-256 {manifest.sha256[:16]}…;"
                f" {made.deleted[manifest.kind]} old ones deleted."
            )
        self.stdout.write(made.key_copy)
