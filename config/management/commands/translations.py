from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.translations import APPS, catalogue_file, compile_catalogues, merge, problems


class Command(BaseCommand):
    help = "Gather texts into the German catalogues and compile them; --check only looks."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="Fail if a text has no German.")
        parser.add_argument("apps", nargs="*", choices=[*APPS, []], help="Only these apps.")

    def handle(self, *args: Any, **options: Any) -> None:
        apps = options["apps"] or APPS
        if options["check"]:
            found = [problem for app in apps for problem in problems(app)]
            for problem in found:
                self.stdout.write(problem)
            if found:
                raise CommandError(f"{len(found)} texts need work: run `make translations`.")
            return
        for app in apps:
            merge(app)
            missing = sum(1 for _ in problems(app))
            self.stdout.write(f"{catalogue_file(app)}: {missing} texts need work")
        compile_catalogues()
