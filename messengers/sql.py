"""Raw statements for the hot path: no object per row, in the caller's transaction.

Values travel apart from the statement, so none of them can stand in a server's log.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

Row = tuple[Any, ...]


def rows(statement: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
    """All rows of one statement. Raises Django's database errors."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        found: list[Row] = connection.connection.execute(statement, params).fetchall()
        return found


def run(statement: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> int:
    """How many rows one statement changed."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        changed: int = connection.connection.execute(statement, params).rowcount
        return changed


def durably() -> None:
    """Make the running transaction's commit survive a crash, however the server is configured.

    With `synchronous_commit = off` a crashed server forgets what it has called committed: an intent
    that was sent, or a withdrawal that a provider got its 200 for.
    """
    rows(
        "SELECT set_config('synchronous_commit', 'on', true)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )
