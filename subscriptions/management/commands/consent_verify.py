"""Compare what the consent ledger says with the state of every subscription."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from subscriptions.proof.replay import STEPS, replay


class Command(BaseCommand):
    help = "Replay the consent ledger and name every subscription whose state differs from it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        with tqdm(total=STEPS, desc="consent_verify", disable=options["json"] or None) as bar:
            found = replay(progress=bar.update)
        if options["json"]:
            self.stdout.write(json.dumps(found.as_json(), indent=2))
        else:
            for line in found.named:
                self.stdout.write(line)
            self.stdout.write(
                f"{found.subscriptions} subscriptions and {found.records} records compared,"
                f" {found.differences} differences."
            )
        if not found.is_sound:
            raise CommandError("the subscriptions are not what the ledger says.")
