from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.demo.newsroom import furnish


class Command(BaseCommand):
    help = "Make the demo newsroom, once, and say who may sign in there."

    def handle(self, *args: Any, **options: Any) -> None:
        """Does nothing where somebody works already, so it may be run any number of times."""
        if not settings.JAWORT_DEMO:
            raise CommandError(
                "The demo newsroom is for a demo only: this installation is set up for real work."
            )
        sign_ins = furnish()
        if not sign_ins:
            return
        self.stdout.write(
            "The demo newsroom Stadtanzeiger is open. Its passwords, shown this once:"
        )
        self.stdout.write("")
        for one in sign_ins:
            self.stdout.write(f"  {one.role:<14} {one.email:<40} {one.password}")
