"""What a test with transactions of its own leaves behind, removed in milliseconds.

Django truncates every table after such a test and tells all apps that they were migrated: a quarter
of a second, and two hundred tests pay it. Most tables are empty all the time, so only those that
hold something are emptied, and only what our own apps write after a migration is written again.
"""

from typing import Any

from django.core.management.commands import flush
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from privacy.audit import INSERT_ONLY_TABLES
from privacy.retention.rules import ensure_defaults

# Written by Django after each migration, changed by no test.
KEPT = frozenset({"django_content_type", "auth_permission", "django_migrations"})
# From here on cutting a table costs less than deleting its rows.
MANY = 2_000


class QuickFlush(flush.Command):
    """Stands in for `flush`, which pytest-django and Django's TransactionTestCase call."""

    def handle(self, **options: Any) -> None:
        alias = options["database"]
        empty(connections[alias])
        if alias == DEFAULT_DB_ALIAS:
            ensure_defaults()


def empty(connection: BaseDatabaseWrapper) -> None:
    """Remove all rows. Insert-only tables refuse DELETE; the rest checks its keys at the commit."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        filled = _filled(connection)
        cut = [name for name, rows in filled if name in INSERT_ONLY_TABLES or rows > MANY]
        if cut:
            names = ", ".join(f'"{name}"' for name in cut)
            cursor.execute(f"TRUNCATE {names} CASCADE")
        for name, _rows in filled:
            if name not in cut:
                cursor.execute(f'DELETE FROM "{name}"')


def _filled(connection: BaseDatabaseWrapper) -> list[tuple[str, int]]:
    """Tables that hold something, and how many rows, counted no further than needed."""
    known = connection.introspection.table_names()
    counts = " UNION ALL ".join(
        f"SELECT '{name}', (SELECT count(*) FROM (SELECT FROM \"{name}\" LIMIT {MANY + 1}) AS few)"
        for name in known
        if name not in KEPT
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({counts}) AS tables (name, rows) WHERE rows > 0")
        return list(cursor.fetchall())
