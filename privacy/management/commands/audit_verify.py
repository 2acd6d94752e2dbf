"""`manage.py audit_verify`: read both logs again and say whether they are sound."""

import json
import sys
from collections.abc import Iterable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from privacy.audit.verify import VerifyResult, verify
from privacy.audit.verify.one import check_entry
from privacy.audit.verify.record import count, recorded
from privacy.models import Checkpoint, Log


class Command(BaseCommand):
    help = "Check every entry of both logs, their trees and the fences. Exits 1 if unsound."

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
        parser.add_argument(
            "--since",
            metavar="DATE|SIZE",
            help="only what came after the last checkpoint of that day, or after so many entries",
        )
        parser.add_argument("--entry", type=UUID, metavar="ID", help="one entry, with its proof")
        parser.add_argument("--processes", type=int, help="how many; all processors otherwise")
        parser.add_argument("--record", type=UUID, metavar="ID", help="tell the officer's page")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["entry"]:
            self._one(options["entry"], options["json"])
            return
        witness = _witness(options["logs"]) if options["logs"] else None
        quiet = options["json"] or not sys.stderr.isatty()
        with (
            tqdm(total=count(), unit=" entries", disable=quiet) as bar,
            recorded(options["record"]) as record,
        ):

            def progress(number: int) -> None:
                bar.update(number)
                record.progress(number)

            result = verify(
                witness=witness,
                progress=progress,
                since=_since(options["since"]),
                processes=options["processes"],
            )
            record.result = result
        self.stdout.write(json.dumps(result.as_json()) if options["json"] else _told(result))
        if not result.is_sound:
            sys.exit(1)

    def _one(self, ident: UUID, as_json: bool) -> None:
        found = check_entry(ident)
        lines = (f"{name}: {value}" for name, value in found.items())
        self.stdout.write(json.dumps(found) if as_json else "\n".join(lines))
        if not found["is_sound"]:
            sys.exit(1)


def _since(text: str | None) -> dict[Log, int] | None:
    """Sizes of signed checkpoints, one for each log, from which to read on."""
    if not text:
        return None
    if text.isdigit():
        wanted: dict[str, Any] = {"size__lte": int(text)}
    else:
        try:
            day = datetime.combine(date.fromisoformat(text), time())
        except ValueError:
            raise CommandError("--since wants a day like 2026-11-21 or a number.") from None
        wanted = {"at__lte": timezone.make_aware(day)}
    found = {
        log: Checkpoint.objects.filter(log=log, **wanted).order_by("-size").first() for log in Log
    }
    return {log: checkpoint.size for log, checkpoint in found.items() if checkpoint}


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
    verdict = "The logs are sound." if result.is_sound else "The logs are NOT sound."
    counts = (
        f"{result.entries} entries read, {result.placed} of them in the trees,"
        f" {result.changed} changed, {result.missing} missing;"
        f" {result.checkpoints} checkpoints, {result.cosignatures} cosignatures,"
        f" {result.stamps} time-stamps"
    )
    signer = "compared with the signer" if result.compared_with_signer else "no signer asked"
    logs = "compared with the logs" if result.compared_with_logs else "no logs to compare with"
    lines = [f"{verdict} {counts}; {signer}, {logs}."]
    return "\n".join([*lines, *result.fences, *result.findings, *result.warnings])
