"""The register (Art. 30 GDPR) and the impact assessment (Art. 35): compare, store, write files.

manage.py records --check            ends with 1 if a stored version is outdated
manage.py records --store            stores what has changed, as a new version
manage.py records --out FOLDER       writes the stored versions as JSON and PDF
"""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import translation

from privacy.access import Actor
from privacy.records import documents

LANGUAGE = "en"
CHANGES_SHOWN = 20


class Command(BaseCommand):
    help = "Checks, stores and writes the register of processing activities and the assessment."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="end with 1 if one is outdated")
        parser.add_argument("--store", action="store_true", help="store new versions")
        parser.add_argument("--out", metavar="FOLDER", help="write JSON and PDF there")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["store"]:
            self._store()
        outdated = [state for state in documents.states() if state.is_outdated]
        for state in outdated:
            self._say(state)
        if options["out"]:
            self._write(Path(options["out"]))
        if not outdated:
            self.stdout.write("Every record says what the house does.")
        elif options["check"]:
            raise CommandError(f"{len(outdated)} records are outdated: store them.", returncode=1)

    def _store(self) -> None:
        for state in documents.states():
            made, is_new = documents.store(kind=state.kind, actor=Actor.system("shell"))
            if is_new:
                self.stdout.write(f"{state.kind}: version {made.version} stored")

    def _say(self, state: documents.State) -> None:
        if state.stored is None:
            self.stdout.write(f"{state.kind}: no version has been stored yet")
            return
        found = documents.changes(state.stored, state.body, LANGUAGE)
        self.stdout.write(
            f"{state.kind}: version {state.stored.version} is outdated in {len(found)} places"
        )
        for change in found[:CHANGES_SHOWN]:
            self.stdout.write(f"  {change.section} · {change.row}")
            for line in change.removed:
                self.stdout.write(f"    - {line}")
            for line in change.added:
                self.stdout.write(f"    + {line}")

    def _write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for state in documents.states():
            for language in documents.LANGUAGES if state.stored else ():
                assert state.stored
                name = f"{state.kind}-{state.stored.version}-{language}"
                with translation.override(language):
                    (folder / f"{name}.json").write_bytes(documents.as_json(state.stored, language))
                    (folder / f"{name}.pdf").write_bytes(documents.as_pdf(state.stored, language))
                self.stdout.write(f"written: {name}.json, {name}.pdf")
