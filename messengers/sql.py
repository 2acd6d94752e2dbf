"""Raw statements for the hot path: no object per row, in the caller's transaction.

Values travel apart from the statement, so none of them can stand in a server's log.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Connection, OperationalError

from privacy.durable import DURABLY

Row = tuple[Any, ...]
Params = Sequence[Any] | Mapping[str, Any]

# Django has psycopg prepare nothing by itself, and so do we: what is worth it says so.
SELDOM = 1_000_000_000
# A snapshot of a million rows is sent before anybody has counted them: by its statistics the table
# is empty, and a scan looks cheap. So these plans have nothing but indexes to choose from, and are
# made once for a connection.
BY_INDEX = f"""
    SELECT {DURABLY}, set_config('enable_seqscan', 'off', true),
           set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
           set_config('plan_cache_mode', 'force_generic_plan', true)"""


def rows(
    statement: str, params: Params = (), *, prepare: bool = False, binary: bool = False
) -> list[Row]:
    """All rows of one statement. Raises Django's database errors.

    `prepare` keeps its plan on the server, `binary` spares both sides the text of ids and bytes.
    """
    return ask(statement, params, prepare=prepare, binary=binary)()


def ask(
    statement: str, params: Params = (), *, prepare: bool = False, binary: bool = False
) -> Callable[[], list[Row]]:
    """Like `rows`, but in two steps: send the statement, and call what is returned for its rows.

    In a pipelined transaction several statements are on their way before the first answer is read.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    with connection.wrap_database_errors:
        raw = _raw(connection.connection, prepare)
        cursor = raw.execute(statement, params, prepare=prepare or None, binary=binary)

    def fetch() -> list[Row]:
        with connection.wrap_database_errors:
            return cursor.fetchall()

    return fetch


def run(statement: str, params: Params = (), *, prepare: bool = False) -> int:
    """How many rows one statement changed; -1 in a pipelined transaction: nobody knows yet."""
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    with connection.wrap_database_errors:
        raw = _raw(connection.connection, prepare)
        return raw.execute(statement, params, prepare=prepare or None).rowcount


def _raw(connection: "Connection[Row]", prepare: bool) -> "Connection[Row]":
    if prepare and connection.prepare_threshold is None:
        connection.prepare_threshold = SELDOM
    return connection


@contextmanager
def engine_transaction(*, pipelined: bool = False) -> Iterator[None]:
    """A transaction of the engine: durable, and by index whatever the statistics say.

    Pipelined, nobody waits for a statement until its rows are fetched or the block ends: three
    round trips instead of nine for the commit of a worker, half the CPU of both sides. What a
    statement has to complain of is raised by a later one, or at the end, and nothing of the block
    is kept. Such a block holds statements of this module only, not Django's.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    is_own = pipelined and connection.get_autocommit()  # not within somebody else's transaction
    with _pipeline(connection) if is_own else transaction.atomic():
        run(BY_INDEX, prepare=True)
        yield


@contextmanager
def _pipeline(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """psycopg's own block waits for the server after BEGIN and before COMMIT, too."""
    raw = connection.connection
    with connection.wrap_database_errors:
        try:
            with raw.pipeline():
                raw.execute("BEGIN")
                yield
                ended = raw.execute("COMMIT")
            if ended.statusmessage != "COMMIT":
                raise OperationalError(f"COMMIT was answered by {ended.statusmessage}.")
        except BaseException:
            if not raw.closed:
                raw.rollback()
            raise


def forget_plans() -> None:
    """Let this connection plan its prepared statements anew, as large as their tables are now.

    A plan that was made while a month was empty reads a whole month for each batch; PostgreSQL
    drops it by itself when it has taken statistics, which may be a minute into a broadcast.
    """
    run("DISCARD PLANS")


# --- Arrays in PostgreSQL's own spelling: psycopg's way costs more than the statement ---


def numbers(values: Iterable[float | None]) -> str:
    """An array of numbers; None becomes NULL."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def ids(values: Iterable[UUID]) -> str:
    """An array of UUIDs."""
    return "{" + ",".join([f"{value.int:032x}" for value in values]) + "}"


def keys(values: Iterable[bytes]) -> str:
    """An array of UUIDs that are known by their 16 bytes."""
    return "{" + ",".join([value.hex() for value in values]) + "}"


def words(values: Iterable[str]) -> str:
    """An array of texts."""
    return "{" + ",".join([_quoted(value) for value in values]) + "}"


def hashes(values: Iterable[bytes | None]) -> str:
    """An array of bytes; None becomes NULL."""
    return "{" + ",".join(["NULL" if v is None else f'"\\\\x{v.hex()}"' for v in values]) + "}"


def _quoted(word: str) -> str:
    if '"' in word or "\\" in word:
        word = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{word}"'
