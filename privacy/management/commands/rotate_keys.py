"""`manage.py rotate_keys`: a new key that wraps all keys, while everything goes on."""

import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from privacy.access import Actor
from privacy.vault import VaultError, epochs, keyfile


class Command(BaseCommand):
    help = (
        "Begin a new key epoch, wrap every key anew, retire the old epoch and destroy those whose"
        " term is over. Goes on where a killed run has stopped. docs/keys.md tells more."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        group = parser.add_mutually_exclusive_group()
        group.add_argument(
            "--check", action="store_true", help="only say how many rows are on old keys; 1 if any"
        )
        group.add_argument(
            "--prepare",
            action="store_true",
            help="only write the next line of the key file, to be copied to the other hosts first",
        )
        group.add_argument(
            "--finish", action="store_true", help="begin nothing new; finish what was begun"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["check"]:
                self.check_only()
            elif options["prepare"]:
                number = epochs.prepare_epoch()
                self.stdout.write(
                    f"{keyfile.path()} holds the line of epoch {number}, which nobody uses yet."
                    " Copy the file to every host, then run `manage.py rotate_keys`."
                )
            else:
                self.rotate(begin=not options["finish"])
        except (VaultError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from None

    def check_only(self) -> None:
        epoch, left = epochs.current_epoch(), epochs.rows_on_old_keys()
        self.stdout.write(f"Epoch {epoch} is the newest; {left} rows are on older keys.")
        if left:
            sys.exit(1)

    def rotate(self, *, begin: bool) -> None:
        unfinished = epochs.keys_on_old_epochs()
        if unfinished and begin:
            self.stdout.write(f"An earlier rotation left {unfinished} keys: it is finished first.")
        elif begin:
            epochs.new_epoch(Actor.system("rotate_keys"))
        quiet = not sys.stderr.isatty()
        with tqdm(total=epochs.rows_on_old_keys(), unit=" keys", disable=quiet) as bar:
            done = epochs.rewrap(progress=bar.update)
        retired = epochs.retire_left_behind()
        destroyed = epochs.destroy_due(timezone.now())
        left = epochs.rows_on_old_keys()
        self.stdout.write(
            f"Epoch {epochs.current_epoch()}: {done} rows were wrapped anew, {left} are left on old"
            f" keys. Retired: {_listed(retired)}. Destroyed for good: {_listed(destroyed)}."
        )
        self.stdout.write(f"Replace the one copy of {keyfile.path()}; keep no older one.")
        if left:
            raise CommandError(
                f"{left} rows do not open under their own key: compare with docs/keys.md,"
                ' "Rows that stay behind".'
            )


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"
