"""The fixed verbs of every app's `personal_data.py`, asked for all apps at once.

`privacy` does not know who stores what (docs/architecture.md): it asks each app in installed order,
from the roof down, and leaves out an app that does not offer the verb.
"""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from privacy import inventory


def each(verb: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """(app, function) for every app that offers `verb`."""
    for app in inventory.apps():
        function = inventory.verb(app, verb)
        if function is not None:
            yield app.app, function


def find_everywhere(typed: str) -> set[UUID]:
    """Whoever has this identifier, on a messenger of any kind, in any app."""
    kinds = {kind for _app, names in each("kinds") for kind in names()}
    return {
        subject for _app, find in each("find") for kind in kinds for subject in find(kind, typed)
    }


def describe_everywhere(subject: UUID) -> dict[str, dict[str, Any]]:
    """What a page may show before a purpose is given: masked, by app."""
    return {app: shown for app, describe in each("describe") if (shown := describe(subject))}


def block_everywhere(subject: UUID, reason: str) -> int:
    """Close every gate of the person and empty their queue; how many were open."""
    return sum(block(subject, reason) or 0 for _app, block in each("block"))


def restrict_everywhere(subject: UUID) -> int:
    """Stop everything until a restriction is lifted; how many gates were open."""
    return sum(restrict(subject) or 0 for _app, restrict in each("restrict"))


def unrestrict_everywhere(subject: UUID) -> int:
    """Let go on what only the restriction had stopped; how many gates opened."""
    return sum(unrestrict(subject) or 0 for _app, unrestrict in each("unrestrict"))


def rectify_everywhere(subject: UUID, changes: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Correct what each app keeps: field -> what it was and what it is now."""
    done: dict[str, tuple[str, str]] = {}
    for _app, rectify in each("rectify"):
        done |= rectify(subject, changes)
    return done


def portable_of(subject: UUID) -> list[dict[str, Any]]:
    """What the person provided, in the form that our own import reads (Art. 20 GDPR)."""
    return [row for _app, portable in each("portable") for row in portable(subject)]


def contacts_of(subject: UUID) -> list[Any]:
    return [point for _app, contact in each("contact") for point in contact(subject)]


def export_everywhere(subject: UUID) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """All that is stored of the person, opened: app -> table -> rows."""
    exports = {app: export(subject) for app, export in each("export")}
    return {app: kept for app, tables in exports.items() if (kept := _filled(tables))}


def erase_everywhere(subject: UUID) -> dict[str, int]:
    """Delete the person's rows and files; how many, by table. The caller holds the transaction."""
    counts: dict[str, int] = {}
    for app, erase in each("erase"):
        for table, count in (erase(subject) or {}).items():
            name = table if "." in table else f"{app}.{table}"
            counts[name] = counts.get(name, 0) + count
    return counts


def scan_everywhere(subject: UUID, needles: list[str]) -> list[str]:
    """Where something of the person was found after an erasure; empty is what we want."""
    return [f"{app}: {place}" for app, scan in each("scan") for place in scan(subject, needles)]


def recipients_of(subject: UUID) -> list[str]:
    """Who else got the person's data, by name (C-154/21)."""
    return sorted({name for _app, names in each("recipients") for name in names(subject)})


def identifiers_of(subject: UUID) -> list[tuple[str, str]]:
    """(kind, canonical identifier) in clear: what suppression and the scan need."""
    pairs = {tuple(pair) for _app, given in each("identifiers") for pair in given(subject)}
    return sorted((str(kind), str(canonical)) for kind, canonical in pairs)


def under_way(subject: UUID) -> int:
    """Messages to the person that are queued or on the wire just now."""
    return sum(count(subject) for _app, count in each("under_way"))


def consent_of(subject: UUID) -> list[dict[str, Any]]:
    """What the person agreed to or took back: rows with `record`, `at`, `state`, `wording` …"""
    return [row for _app, consent in each("consent") for row in consent(subject)]


def prove_everywhere(subject: UUID, record: UUID) -> dict[str, Any] | None:
    """The proof of one consent record, from the app that keeps it."""
    for _app, prove in each("prove"):
        proof: dict[str, Any] | None = prove(subject, record)
        if proof is not None:
            return proof
    return None


def _filled(tables: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {table: rows for table, rows in tables.items() if rows}
