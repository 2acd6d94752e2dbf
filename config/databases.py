"""Who may do what in the two databases: the owner makes tables, the app only fills them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.module_loading import import_string

# Rights of the app's role on every table of a database, now and made later by the owner.
APP_RIGHTS = (
    "GRANT USAGE ON SCHEMA public TO {app}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {app}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {app}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public"
    " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {app}",
)
# Evidence is only ever added to: the app's role could not change it even with a bug in it.
INSERT_ONLY_RIGHTS = "REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM {app}"


# The one app with tables in the key store. Without its name, Django would walk through the
# migrations of all others there, too, to find that none of them may do anything: four seconds.
APPS_IN = {"keystore": ("keystore",)}


def migrate(alias: str) -> None:
    """Bring the tables of one database up to date; as the owner."""
    call_command("migrate", *APPS_IN.get(alias, ()), database=alias, verbosity=0, interactive=False)
    if alias == DEFAULT_DB_ALIAS:
        call_command("createcachetable", database=alias, verbosity=0)


@contextmanager
def as_owner() -> Iterator[None]:
    """Every connection opened inside is the owner's; afterwards the app's role is back."""
    before = {alias: _use(alias, settings.OWNER_DATABASES[alias]) for alias in connections}
    try:
        yield
    finally:
        for alias, kept in before.items():
            _use(alias, kept)


def _use(alias: str, values: dict[str, Any]) -> dict[str, Any]:
    connection = connections[alias]
    connection.close()
    changed = {name: values[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")}
    before = {name: connection.settings_dict[name] for name in changed}
    connection.settings_dict.update(changed)
    return before


def grant(connection: BaseDatabaseWrapper, app: str) -> None:
    """Give the role `app` its rights; run as the owner after migrations, any number of times."""
    quote = connection.ops.quote_name
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for statement in APP_RIGHTS:
            cursor.execute(statement.format(app=quote(app)))
        for table in tables.intersection(insert_only_tables()):
            cursor.execute(INSERT_ONLY_RIGHTS.format(table=quote(table), app=quote(app)))


def insert_only_tables() -> tuple[str, ...]:
    if not apps.is_installed("privacy"):
        return ()
    tables: tuple[str, ...] = import_string("privacy.audit.INSERT_ONLY_TABLES")
    return tables
