"""`manage.py import_subscribers people.csv --newsletter … --channel … --by …`: check, then load."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation
from tqdm import tqdm

from messengers.models import Channel
from privacy.access import Actor, NotAllowed
from privacy.models import User
from subscriptions.errors import SubscriptionsError
from subscriptions.imports import CODES, check_import, load_import, report_csv
from subscriptions.imports.read import read_rows
from subscriptions.models import Import, Newsletter, Subscription

LINES_SHOWN = 20


class Command(BaseCommand):
    help = "Check a CSV list of subscribers and, with --load, store all its good rows or none."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="CSV, as newsrooms have it")
        parser.add_argument("--newsletter", help="its short name; not needed if there is only one")
        parser.add_argument("--channel", help="id, name or kind; not needed if there is only one")
        parser.add_argument("--by", help="e-mail of the member of staff who answers for the list")
        parser.add_argument(
            "--legal-basis",
            choices=Subscription.LegalBasis.values,
            default=Subscription.LegalBasis.CONSENT.value,
        )
        parser.add_argument(
            "--similar-offers",
            default="",
            help="existing customers: which similar goods or services of your own are offered",
        )
        parser.add_argument("--load", action="store_true", help="store the good rows")
        parser.add_argument("--report", type=Path, help="write every refused line to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with translation.override("en"):
                self._run(options)
        except FileNotFoundError:
            raise CommandError(f"There is no file {options['file']}.") from None
        except (SubscriptionsError, NotAllowed) as error:
            raise CommandError(str(error)) from None

    def _run(self, options: dict[str, Any]) -> None:
        newsletter = _newsletter(options["newsletter"])
        channel = _channel(newsletter, options["channel"])
        actor = Actor.staff(_staff(options["by"]))
        content = options["file"].read_bytes()
        with tqdm(total=len(read_rows(content)), desc="Checking", unit=" rows") as bar:
            imported = check_import(
                newsletter=newsletter,
                channel=channel,
                content=content,
                actor=actor,
                legal_basis=options["legal_basis"],
                similar_offers=options["similar_offers"],
                progress=bar.update,
            )
        if options["load"]:
            self._load(imported, actor)
        self._print(imported)
        if options["report"]:
            options["report"].write_text("".join(report_csv(imported)), encoding="utf-8")

    def _load(self, imported: Import, actor: Actor) -> None:
        counts = imported.counts
        total = counts.get("good", 0) + counts.get("withdrawn", 0)
        with tqdm(total=total, desc="Loading", unit=" people") as bar:
            load_import(imported=imported, actor=actor, progress=bar.update)

    def _print(self, imported: Import) -> None:
        self.stdout.write(f"Import {imported.pk}: {imported.counts['rows']} rows")
        for code, meaning in CODES.items():
            if number := imported.counts.get(code):
                self.stdout.write(f"  {number:>7}  {code:<20} {meaning}")
        for line, code in imported.report[:LINES_SHOWN]:
            self.stdout.write(f"  line {line}: {code}")
        rest = len(imported.report) - LINES_SHOWN
        if rest > 0:
            self.stdout.write(f"  … and {rest} more lines; --report FILE writes them all")
        self.stdout.write(_next_step(imported))


def _next_step(imported: Import) -> str:
    if imported.status == Import.Status.LOADED:
        return "Loaded. Nobody is written to before the data-protection officer approves it."
    return "Checked only: nothing was stored of anybody. Add --load to store the good rows."


def _newsletter(slug: str | None) -> Newsletter:
    rows = Newsletter.objects.filter(slug=slug) if slug else Newsletter.objects.all()[:2]
    found = list(rows)
    if len(found) != 1:
        known = ", ".join(Newsletter.objects.values_list("slug", flat=True))
        raise CommandError(f"Name the newsletter with --newsletter: {known or 'there is none'}.")
    return found[0]


def _channel(newsletter: Newsletter, name: str | None) -> Channel:
    channels = list(newsletter.channels.order_by("kind", "name"))
    if name:
        channels = [one for one in channels if name in (str(one.pk), one.name, one.kind)]
    if len(channels) != 1:
        known = ", ".join(f"{one.kind} ({one.name})" for one in newsletter.channels.all())
        raise CommandError(f"Name the channel with --channel: {known or 'there is none'}.")
    return channels[0]


def _staff(email: str | None) -> User:
    found = User.objects.filter(email__iexact=email or "", is_active=True).first()
    if found is None:
        raise CommandError("Name the member of staff who answers for the list with --by E-MAIL.")
    return found
