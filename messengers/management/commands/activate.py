"""`manage.py activate`: say that this database and this host are the ones that send."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from messengers import instance
from messengers.outbox import reconcile
from privacy.access import Actor


class Command(BaseCommand):
    help = (
        "After a restore or a copy: let this database send, and every other copy stop."
        " With --join: one more host of the same installation."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--join", action="store_true", help="take over the database's epoch")

    def handle(self, *args: Any, join: bool, **options: Any) -> None:
        actor = Actor.system("activate")
        if join:
            instance.join(actor)
            self.stdout.write("This host now belongs to the installation of this database.")
            return
        held = reconcile()
        instance.activate(actor)
        self.stdout.write(
            f"This database is the living one now. {held} running broadcasts were paused:"
            " what was sent after the copy was made is not known here. Look at each before you"
            " resume it, and run `manage.py activate --join` on the other hosts."
        )
