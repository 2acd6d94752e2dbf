from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from messengers import partitions


class Command(BaseCommand):
    help = "Make the partitions of deliveries for the months to come, and say which there are."

    def handle(self, *args: Any, **options: Any) -> None:
        """May be run any number of times."""
        made = partitions.make_ahead()
        months = partitions.months()
        self.stdout.write(f"{made} made; {months[0]:%Y-%m} to {months[-1]:%Y-%m}.")
        for problem in partitions.problems(timezone.now()):
            self.stderr.write(problem)
