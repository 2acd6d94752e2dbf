"""`manage.py audit_stamp`: have the newest checkpoint of each log time-stamped now."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from privacy.audit.checkpoints import latest
from privacy.audit.proofs import stamp_of
from privacy.audit.stamps import stamp_now
from privacy.models import Log


class Command(BaseCommand):
    help = "Time-stamp the newest checkpoint of each log (JAWORT_TSA). Exits 1 if one has none."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.JAWORT_TSA:
            raise CommandError("JAWORT_TSA names no time-stamping authority: see docs/audit.md.")
        stamp_now(timezone.now())
        bare = []
        for log in Log:
            checkpoint = latest(log)
            if checkpoint is None:
                self.stdout.write(f"{log.name.lower()}: nothing is signed yet")
            elif stamp_of(checkpoint):
                self.stdout.write(f"{log.name.lower()}: {checkpoint.size} entries, time-stamped")
            else:
                bare.append(log.name.lower())
        if bare:
            raise CommandError(f"No time-stamp for {', '.join(bare)}: the audit page says why.")
