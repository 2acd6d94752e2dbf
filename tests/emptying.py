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
        fenced = [table for table in filled if table in INSERT_ONLY_TABLES]
        if fenced:
            names = ", ".join(f'"{table}"' for table in fenced)
            cursor.execute(f"TRUNCATE {names} CASCADE")
        for table in set(filled) - set(fenced):
            cursor.execute(f'DELETE FROM "{table}"')


def _filled(connection: BaseDatabaseWrapper) -> list[str]:
    known = connection.introspection.table_names()
    tables = [table for table in known if table not in KEPT]
    union = " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT FROM \"{table}\")" for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(union)
        return [row[0] for row in cursor.fetchall()]
