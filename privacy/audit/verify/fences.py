"""Are the fences still up? Triggers, their functions, and the rights of the application's role."""

from typing import Any

from django.db import connections

from privacy.audit.insert_only import ALWAYS, FUNCTION, trigger_names
from privacy.audit.prune import SQL

# In PostgreSQL's catalogue: before UPDATE or DELETE of each row; before TRUNCATE of the table.
KINDS = {"_stays": 27, "_stays_whole": 34}
# The functions that decide, with the text that they must have.
FUNCTIONS = {
    "privacy_refuse_change": FUNCTION.split("$$")[1],
    "privacy_term_is_over": SQL.split("$$")[1],
    "privacy_prune_entry": SQL.split("$$")[3],
}
TRIGGERS = """
SELECT tgname, tgenabled::text, tgtype, tgqual IS NULL, tgfoid::regproc::text
FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal
"""
DETOURS = """
SELECT 'rule ' || rulename FROM pg_rules WHERE tablename = %s
UNION ALL SELECT 'row security' FROM pg_class WHERE oid = %s::regclass AND relrowsecurity
"""


def broken_fences(table: str) -> list[str]:
    """What is wrong with the triggers that keep `table` insert-only; nothing is the good answer."""
    found = {row[0]: row[1:] for row in _rows(TRIGGERS, [table])}
    wrong = []
    for name in sorted(trigger_names(table)):
        kind = KINDS[name.removeprefix(table)]
        enabled, *rest = found.get(name, ("",))
        if enabled != ALWAYS:
            wrong.append(f"{table}: trigger {name} is {'off' if name in found else 'gone'}")
        elif rest != [kind, True, "privacy_refuse_change"]:
            wrong.append(f"{table}: trigger {name} was weakened")
    wrong += [f"{table}: {row[0]} stands in the way" for row in _rows(DETOURS, [table, table])]
    return wrong


def rewritten_functions() -> list[str]:
    """Functions behind the triggers that are not ours any more."""
    names = list(FUNCTIONS)
    rows = _rows("SELECT proname, prosrc FROM pg_proc WHERE proname = ANY (%s)", [names])
    found: dict[str, list[str]] = {}
    for name, source in rows:
        found.setdefault(name, []).append(source)
    return [
        f"the function {name} was rewritten"
        for name, source in FUNCTIONS.items()
        if found.get(name) != [source]
    ]


def existing(tables: tuple[str, ...]) -> list[str]:
    present = connections["default"].introspection.table_names()
    return [table for table in tables if table in present]


def too_many_rights(table: str) -> list[str]:
    sql = (
        "SELECT has_table_privilege(%s::text, 'UPDATE') OR has_table_privilege(%s::text, 'DELETE')"
    )
    if _rows(sql, [table, table])[0][0]:
        return [
            f"{table}: this role may change it; run with a role that may not (docs/operating.md)"
        ]
    return []


def _rows(sql: str, params: list[Any]) -> list[tuple[Any, ...]]:
    with connections["default"].cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())
