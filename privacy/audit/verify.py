"""Reading the whole log again: is each entry still what was written, and is the fence still up?

What this can promise today: any changed byte of an entry or of a column beside it is found; so is a
trigger that was taken away, switched off or rewritten. That an entry was *removed* shows only
against the second witness, the hashes in the logs (`witness`). docs/privacy-model.md says so too.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from uuid import UUID

from django.db import connections

from privacy.audit.canonical import canonical, timestamp
from privacy.audit.insert_only import (
    ALWAYS,
    FUNCTION,
    INSERT_ONLY_TABLES,
    trigger_names,
)
from privacy.audit.tree import leaf_hash
from privacy.models import AuditEntry

ROWS_AT_ONCE = 2_000
FOUND_AT_MOST = 100  # as many findings are named; all are counted
Progress = Callable[[int], object]


@dataclass
class VerifyResult:
    """What was read and what was found. `is_sound` says it in one word."""

    entries: int = 0
    changed: int = 0
    missing: int = 0
    findings: list[str] = field(default_factory=list)
    fences: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    compared_with_logs: bool = False

    @property
    def is_sound(self) -> bool:
        return not (self.changed or self.missing or self.fences)

    def as_json(self) -> dict[str, object]:
        return {"is_sound": self.is_sound, **asdict(self)}

    def found(self, text: str) -> None:
        if len(self.findings) < FOUND_AT_MOST:
            self.findings.append(text)


def verify(
    *, witness: Mapping[UUID, str] | None = None, progress: Progress = lambda count: None
) -> VerifyResult:
    """Check every entry and the fences.

    `witness` maps ids of entries to their hashes in hex, as the logs have them: entries that it
    knows and the table does not are missing. `progress` is told how many entries were just read.
    """
    result = VerifyResult(compared_with_logs=witness is not None)
    unseen = dict(witness or {})
    for page in _pages():
        for entry in page:
            _check(entry, unseen.pop(entry.id, None), result)
        progress(len(page))
    result.missing = len(unseen)
    for missing in list(unseen)[:FOUND_AT_MOST]:
        result.found(f"{missing}: in the logs, but not in the table")
    for table in _existing(INSERT_ONLY_TABLES):
        result.fences += broken_fences(table)
        result.warnings += _too_many_rights(table)
    return result


def broken_fences(table: str) -> list[str]:
    """What is wrong with the triggers that keep `table` insert-only; nothing is the good answer."""
    triggers = _rows(
        "SELECT tgname, tgenabled::text FROM pg_trigger"
        " WHERE tgrelid = %s::regclass AND NOT tgisinternal",
        [table],
    )
    enabled = {row[0]: row[1] for row in triggers}
    wrong = [
        f"{table}: trigger {name} is {'off' if name in enabled else 'gone'}"
        for name in sorted(trigger_names(table))
        if enabled.get(name) != ALWAYS
    ]
    body = _rows("SELECT prosrc FROM pg_proc WHERE proname = 'privacy_refuse_change'", [])
    if [row[0] for row in body] != [FUNCTION.split("$$")[1]]:
        wrong.append(f"{table}: the function of its triggers was rewritten")
    return wrong


def _check(entry: AuditEntry, witnessed: str | None, result: VerifyResult) -> None:
    result.entries += 1
    wrong = _what_is_wrong(entry)
    if not wrong and witnessed is not None and witnessed != bytes(entry.leaf).hex():
        wrong = "another hash than in the logs"
    if wrong:
        result.changed += 1
        result.found(f"{entry.id}: {wrong}")


def _what_is_wrong(entry: AuditEntry) -> str:
    raw = bytes(entry.entry)
    if leaf_hash(raw) != bytes(entry.leaf):
        return "its bytes do not yield its hash"
    try:
        told = json.loads(raw)
        shown = {
            "id": str(entry.id),
            "at": timestamp(entry.at),
            "action": entry.action,
            "actor": entry.actor,
            "object": entry.object,
            "ref": entry.ref,
        }
        if canonical(told) != raw:
            return "its bytes are not in canonical form"
        different = sorted(name for name, value in shown.items() if told[name] != value)
    except (ValueError, TypeError, KeyError):
        return "its bytes are no entry"
    return f"its column {different[0]} tells something else" if different else ""


def _pages() -> Iterator[list[AuditEntry]]:
    last = UUID(int=0)
    while page := list(AuditEntry.objects.filter(pk__gt=last).order_by("pk")[:ROWS_AT_ONCE]):
        yield page
        last = page[-1].pk


def _existing(tables: tuple[str, ...]) -> list[str]:
    present = connections["default"].introspection.table_names()
    return [table for table in tables if table in present]


def _too_many_rights(table: str) -> list[str]:
    sql = (
        "SELECT has_table_privilege(%s::text, 'UPDATE') OR has_table_privilege(%s::text, 'DELETE')"
    )
    if _rows(sql, [table, table])[0][0]:
        return [
            f"{table}: this role may change it; run with a role that may not (docs/operating.md)"
        ]
    return []


def _rows(sql: str, params: list[str]) -> list[tuple[str, ...]]:
    with connections["default"].cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())
