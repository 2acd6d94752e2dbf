"""`manage.py audit_rebase`: let the logs go on after a dump was restored into another cluster."""

from typing import Any

from django.core.management.base import BaseCommand

from privacy.audit.rebase import rebase


class Command(BaseCommand):
    help = (
        "Count transactions anew after a restore into another PostgreSQL cluster. What the dump did"
        " not hold stays missing: signer and witnesses refuse the smaller log until their own"
        " operators run `signer.py forget`. Harmless where it is not needed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        done = rebase()
        for log, count in done.items():
            self.stdout.write(
                f"{log.label}: goes on here; {count} waiting entries got their place."
            )
        if not done:
            self.stdout.write("Not needed: the logs were written by this cluster.")
