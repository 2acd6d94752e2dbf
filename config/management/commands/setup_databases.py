from typing import Any

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections

from config.databases import as_owner, grant, migrate


class Command(BaseCommand):
    help = "Bring both databases up to date as their owner, and grant the app its rights."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-demo", action="store_true", help="Leave the demo newsroom out.")

    def handle(self, *args: Any, **options: Any) -> None:
        """May be run any number of times."""
        app_roles = {alias: settings.DATABASES[alias]["USER"] for alias in connections}
        with as_owner():
            for alias in connections:
                migrate(alias)
                if app_roles[alias] != settings.OWNER_DATABASES[alias]["USER"]:
                    grant(connections[alias], app_roles[alias])
        if settings.JAWORT_DEMO and not options["no_demo"] and "load_demo" in get_commands():
            call_command("load_demo", stdout=self.stdout)
