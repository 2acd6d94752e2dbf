"""The door to the database `keystore`: short statements, each committed at once.

Keys are made before the row that needs them and destroyed after it, so no transaction of `default`
may hold them back (docs/architecture.md, "Two databases").
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connections, transaction
from psycopg.pq import Format

from privacy.durable import durably
from privacy.vault.errors import KeystoreDown

T = TypeVar("T")
ALIAS = "keystore"
ATTEMPTS = 2


def read(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """All rows of a query; `KeystoreDown` if the database does not answer."""
    return _run(partial(_fetch, sql, params))


def write(sql: str, params: Sequence[Any]) -> int:
    """How many rows one statement changed, committed; the statement must bear being run twice."""
    return _run(partial(_change, sql, params))


def _run(statement: Callable[[], T]) -> T:
    for attempt in range(ATTEMPTS):
        try:
            return statement()
        except (OperationalError, InterfaceError):
            # A connection that the server closed while we were idle is worth one more try.
            connections[ALIAS].close()
            if attempt + 1 == ATTEMPTS:
                break
    raise KeystoreDown("the database of keys does not answer: check KEYSTORE_URL and its server.")


def _fetch(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connections[ALIAS].cursor() as cursor:
        cursor.cursor.format = Format.BINARY  # ids and keys need not be spelled out and read again
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def _change(sql: str, params: Sequence[Any]) -> int:
    # Durable: nobody may wrap it, or the key would not be safe before its row.
    with transaction.atomic(using=ALIAS, durable=True), connections[ALIAS].cursor() as cursor:
        durably(ALIAS)
        cursor.execute(sql, params)
        return int(cursor.rowcount)
