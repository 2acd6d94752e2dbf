"""Looking for what should be gone: every app, every text column, files, broker folder.

It reads for real. An app is asked first, because it knows where to look; then every row of every
table of the data is read as the database shows it (bytes as hexadecimal), and every file we keep.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from privacy.requests.verbs import scan_everywhere

# Staff sign in with their own e-mail address, which may be that of a person who was erased as a
# subscriber: their account is another matter.
STAFF_TABLES = ("privacy_user", "account_emailaddress")
CHUNK_BYTES = 1 << 20
# One table may take this long; a large installation reads some gigabytes in it.
TABLE_TIMEOUT = "10min"

WORDY_COLUMNS = """
    SELECT c.table_name, array_agg(c.column_name::text ORDER BY c.ordinal_position)
      FROM information_schema.columns c
      JOIN information_schema.tables t USING (table_schema, table_name)
     WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'
       AND (c.data_type IN ('text', 'character varying', 'character', 'bytea', 'json', 'jsonb')
            OR c.data_type = 'ARRAY')
     GROUP BY c.table_name ORDER BY c.table_name"""


def residues(subject: UUID, needles: list[str]) -> list[str]:
    """The places where any of `needles` still stands; names of tables and folders, never
    content.
    """
    places = scan_everywhere(subject, needles)
    places += [f"table {table}" for table in tables_with(needles)]
    places += [f"file in {name}" for name in folders_with(needles)]
    return sorted(set(places))


def places_scanned() -> list[str]:
    """What `residues` looks at, for the certificate."""
    # The database cache is one of the tables. Another one forgets by itself, and is not read.
    in_tables = settings.CACHES["default"]["BACKEND"].endswith(".DatabaseCache")
    store = ["cache"] if in_tables else []
    return ["apps", "tables", *store, *(name for name, _folder in folders())]


def tables_with(needles: list[str]) -> Iterator[str]:
    """Tables in which any row shows any of `needles`, whatever its upper and lower case."""
    patterns = [f"%{_escaped(needle.lower())}%" for needle in needles]
    if not patterns:
        return
    with connection.cursor() as cursor:
        cursor.execute(WORDY_COLUMNS)
        tables = cursor.fetchall()
    for table, columns in tables:
        if table not in STAFF_TABLES and _table_has(table, columns, patterns):
            yield table


def folders() -> list[tuple[str, Path]]:
    """Name and path of every folder of files that could hold something of a person."""
    options: dict[str, Any] = dict(settings.CELERY_BROKER_TRANSPORT_OPTIONS)
    named = [
        ("exports", Path(settings.JAWORT_EXPORT_DIR)),
        ("media", Path(settings.JAWORT_MEDIA_DIR)),
        ("broker", Path(options["folder"]) if options.get("folder") else None),
        ("logs", Path(settings.JAWORT_VAR) / "log"),
    ]
    return [(name, path) for name, path in named if path is not None and path.is_dir()]


def folders_with(needles: list[str]) -> Iterator[str]:
    lowered = [needle.lower().encode() for needle in needles]
    for name, folder in folders():
        if any(_file_has(path, lowered) for path in sorted(folder.rglob("*")) if path.is_file()):
            yield name


def _table_has(table: str, columns: list[str], patterns: list[str]) -> bool:
    texts = sql.SQL(" OR ").join(
        sql.SQL("lower({}::text) LIKE ANY(%s::text[])").format(sql.Identifier(column))
        for column in columns
    )
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {})").format(sql.Identifier(table), texts)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [TABLE_TIMEOUT])
        cursor.execute(query.as_string(None), [patterns] * len(columns))
        return bool(cursor.fetchone()[0])


def _escaped(needle: str) -> str:
    return needle.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _file_has(path: Path, needles: list[bytes]) -> bool:
    """Read in pieces that overlap, so that nothing hides on a border. A file that goes is no
    find.
    """
    overlap = max(map(len, needles), default=1)
    tail = b""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            window = tail + chunk.lower()
            if any(needle in window for needle in needles):
                return True
            tail = window[-overlap:]
    return False
