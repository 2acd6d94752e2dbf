"""Commits that survive a crash, however the server is configured."""

from django.db import DEFAULT_DB_ALIAS, connections

# As an expression: for a statement that commits by itself.
DURABLY = """set_config('synchronous_commit',
                        replace(current_setting('synchronous_commit'), 'off', 'on'), true)"""


def durably(using: str = DEFAULT_DB_ALIAS) -> None:
    """Make the running transaction's commit survive a crash.

    With `synchronous_commit = off` a crashed server forgets what it has called committed: an intent
    that was sent, a withdrawal that a provider got its 200 for, a key that was destroyed. What was
    committed before it by others is safe with it.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {DURABLY}")
