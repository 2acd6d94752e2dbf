"""`manage.py audit_verify`: read the whole audit log again and say whether it is sound."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from privacy.audit import VerifyResult, verify
from privacy.models import AuditEntry


class Command(BaseCommand):
    help = "Check every entry of the audit log, and the triggers that keep it. Exits 1 if unsound."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the result as JSON")
        parser.add_argument(
            "--logs",
            nargs="+",
            type=Path,
            default=[],
            metavar="FILE",
            help="logs of all processes since the beginning: entries they know must be there",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        witness = _witness(options["logs"]) if options["logs"] else None
        quiet = options["json"] or not sys.stderr.isatty()
        with tqdm(total=AuditEntry.objects.count(), unit=" entries", disable=quiet) as bar:
            result = verify(witness=witness, progress=bar.update)
        self.stdout.write(json.dumps(result.as_json()) if options["json"] else _told(result))
        if not result.is_sound:
            sys.exit(1)


def _witness(files: Iterable[Path]) -> dict[UUID, str]:
    """The hashes that the processes logged when the entries were committed."""
    known: dict[UUID, str] = {}
    for file in files:
        try:
            with file.open(encoding="utf-8", errors="replace") as lines:
                known.update(filter(None, map(_emitted, lines)))
        except OSError:
            raise CommandError(f"{file} cannot be read: name the log files of Jawort.") from None
    return known


def _emitted(line: str) -> tuple[UUID, str] | None:
    try:
        told = json.loads(line)
        return UUID(told["entry"]), str(told["leaf"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _told(result: VerifyResult) -> str:
    verdict = "The log is sound." if result.is_sound else "The log is NOT sound."
    witness = "compared with the logs" if result.compared_with_logs else "no logs to compare with"
    counts = f"{result.entries} entries read, {result.changed} changed, {result.missing} missing"
    lines = [f"{verdict} {counts}; {witness}."]
    return "\n".join([*lines, *result.fences, *result.findings, *result.warnings])
