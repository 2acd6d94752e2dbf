"""`manage.py replay_erasures`: whoever was erased stays erased, whatever a restore brought back."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from privacy.vault import count_tombstones
from privacy.vault.replay import replay


class Command(BaseCommand):
    help = (
        "Erase again everybody whom the keystore knows as erased: keys, rows and files that an"
        " older copy brought back. `restore` does it by itself; harmless at any time."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        quiet = not sys.stderr.isatty()
        with tqdm(total=count_tombstones(), unit=" people", disable=quiet) as bar:
            done = replay(bar.update)
        people = done.get("people", 0)
        self.stdout.write(
            f"{people} erased people looked at: {done.get('rows', 0)} rows,"
            f" {done.get('keys', 0)} keys and {done.get('suppressions', 0)} suppressions had to be"
            " put right."
        )
