"""The tables of a database, read as the server stores them, some pages at a time.

Every column that can hold words, bytes or long numbers is read, whoever made the table; columns
that hold random numbers of rows are compared with those of the erased person, unless the inventory
says that the number stays.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.apps import apps as django_apps
from django.conf import settings
from django.db import connections
from psycopg import sql

from privacy import inventory
from privacy.inventory import Classified, Erase, Field, Klass
from privacy.requests.erasure.places.base import Look, Seekers, Whose

PAGES_AT_A_TIME = 512  # 4 MB of the table itself
WINDOW_BYTES = 1 << 20
# Tables of all schemas but the server's own. Temporary ones belong to one connection and go with
# it; a partitioned table has no rows but those of its partitions, which are classified as it is.
COLUMNS = """
    SELECT n.nspname, c.relname, coalesce(whole.relname, c.relname), a.attname, t.typname,
           t.typcategory::text,
           EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid
                    AND k.contype IN ('p', 'f') AND a.attnum = ANY(k.conkey))
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
      LEFT JOIN pg_class whole ON whole.oid = i.inhparent
     WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
       AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
     ORDER BY 1, 2, a.attnum"""
SIZES = """
    SELECT n.nspname, c.relname, pg_relation_size(c.oid) / current_setting('block_size')::int,
           pg_total_relation_size(c.oid)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND pg_relation_size(c.oid) > 0"""
PAGES = "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::int"
WORDS = frozenset("SAIRE")  # strings, arrays, network addresses, ranges, words of an enumeration
OTHERS_WITHOUT_WORDS = frozenset({"uuid", "xid8", "xid", "tid", "pg_lsn", "pg_snapshot"})
LONG_NUMBERS = frozenset({"int8", "numeric"})


@dataclass(frozen=True)
class Column:
    table: str
    name: str
    type: str
    category: str
    is_key: bool

    @property
    def holds_words(self) -> bool:
        is_other = self.category == "U" and self.type not in OTHERS_WITHOUT_WORDS
        return self.category in WORDS or is_other or self.holds_numbers

    @property
    def holds_numbers(self) -> bool:
        """A telephone number would fit in, and the column is not a mere count of rows."""
        return self.type in LONG_NUMBERS and not self.is_key


@dataclass(frozen=True)
class Table:
    """`words`: columns to read; `rows`: columns in which no number of an erased row may stand."""

    alias: str
    kind: str
    schema: str
    table: str
    words: tuple[Column, ...]
    rows: tuple[str, ...]
    pages: int
    stored_bytes: int
    whole: str  # the table it is a partition of, or itself

    @property
    def name(self) -> str:
        where = "" if self.schema == "public" else f"{self.schema}."
        return f"{'keystore ' if self.alias == 'keystore' else ''}table {where}{self.table}"

    def size(self) -> int:
        return self.stored_bytes

    def look(self, at: str, seekers: Seekers) -> Look:
        """A small table by one statement; a big one may have grown, or moved rows to its end."""
        first = int(at or 0)
        behind = first + PAGES_AT_A_TIME
        found, size = self._words_between(first, behind, seekers)
        found |= self._rows_between(first, behind, seekers)
        is_more = behind < self.pages or (first > 0 and behind < self._pages_now())
        return Look(frozenset(found), str(behind) if is_more else None, size)

    def _words_between(self, first: int, behind: int, seekers: Seekers) -> tuple[set[Whose], int]:
        if not self.words:
            return set(), 0
        found: set[Whose] = set()
        size = 0
        for window in self._windows(first, behind):
            found |= seekers.finder.in_bytes(window)
            size += len(window)
        return found, size

    def _windows(self, first: int, behind: int) -> Iterator[bytes]:
        """The binary form: no escapes, and bytes are bytes. A window holds whole rows."""
        columns = sql.SQL(", ").join(_as_read(column) for column in self.words)
        query = sql.SQL("COPY (SELECT {} FROM {} WHERE {}) TO STDOUT (FORMAT binary)").format(
            columns, self._identifier(), _between(first, behind)
        )
        kept: list[bytes] = []
        size = 0
        with connections[self.alias].cursor() as cursor, cursor.copy(query) as copy:
            for row in copy:
                kept.append(bytes(row))
                size += len(row)
                if size >= WINDOW_BYTES:
                    yield b"".join(kept)
                    kept, size = [], 0
        yield b"".join(kept)

    def _rows_between(self, first: int, behind: int, seekers: Seekers) -> set[Whose]:
        if not self.rows or not seekers.rows:
            return set()
        query = sql.SQL(
            "SELECT DISTINCT number FROM (SELECT unnest(ARRAY[{}]) AS number FROM {} WHERE {}) AS n"
            " WHERE number = ANY(%s)"
        ).format(
            sql.SQL(", ").join(map(sql.Identifier, self.rows)),
            self._identifier(),
            _between(first, behind),
        )
        with connections[self.alias].cursor() as cursor:
            cursor.execute(query, [list(seekers.rows)])
            return seekers.owners_of(row[0] for row in cursor.fetchall())

    def _pages_now(self) -> int:
        quote = connections[self.alias].ops.quote_name
        with connections[self.alias].cursor() as cursor:
            cursor.execute(PAGES, [f"{quote(self.schema)}.{quote(self.table)}"])
            return int(cursor.fetchone()[0])

    def _identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.table)


def tables_of(alias: str, kind: str) -> Iterator[Table]:
    """Every table of a database that has anything to read."""
    classified = classification()
    cache = str(settings.CACHES["default"].get("LOCATION", ""))
    sizes, columns_of = _sizes(alias), _columns(alias)
    for (schema, table), columns in columns_of.items():
        known = {column.name: classified.get((column.table, column.name)) for column in columns}
        words = tuple(one for one in columns if one.holds_words and not _is_staff(known[one.name]))
        rows = tuple(one.name for one in columns if one.type == "uuid" and _goes(known[one.name]))
        is_cache = table == cache  # named in the certificate even if nothing is in it
        if (is_cache or (schema, table) in sizes) and (words or rows):
            size = sizes.get((schema, table), (0, 0))
            its_kind = "cache" if is_cache else kind
            yield Table(alias, its_kind, schema, table, words, rows, *size, columns[0].table)


def _sizes(alias: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Pages and bytes of each table that is not empty."""
    with connections[alias].cursor() as cursor:
        cursor.execute(SIZES)
        return {(row[0], row[1]): (int(row[2]), int(row[3])) for row in cursor.fetchall()}


def _columns(alias: str) -> dict[tuple[str, str], list[Column]]:
    by_table: dict[tuple[str, str], list[Column]] = {}
    with connections[alias].cursor() as cursor:
        cursor.execute(COLUMNS)
        for schema, table, *facts in cursor.fetchall():
            by_table.setdefault((schema, table), []).append(Column(*facts))
    return by_table


def classification() -> Mapping[tuple[str, str], Classified]:
    """(table, column) -> what the inventory says of it."""
    names = {
        f"{model._meta.app_label}.{model.__name__}.{field.name}": (model._meta.db_table, column)
        for model in django_apps.get_models(include_auto_created=True)
        for field in model._meta.local_concrete_fields
        if (column := field.column)
    }
    found = {}
    for app in inventory.apps():
        for short, field in app.fields.items():
            name = short if short.count(".") == 2 else f"{app.app}.{short}"
            if name in names:
                found[names[name]] = field
    return found


def _is_staff(field: Classified | None) -> bool:
    """Staff sign in with their own address, which may be that of a person who was erased as a
    subscriber: their account is another matter.
    """
    if not isinstance(field, Field):
        return False
    return field.klass == Klass.STAFF and field.retention == "staff_account"


def _goes(field: Classified | None) -> bool:
    if not isinstance(field, Field) or field.klass == Klass.STAFF:
        return False
    return field.erase in (Erase.ROW, Erase.CLEAR)


def _as_read(column: Column) -> sql.Composable:
    name = sql.Identifier(column.name)
    return sql.SQL("{}::text").format(name) if column.holds_numbers else name


def _between(first: int, behind: int) -> sql.Composable:
    """The rows of these pages: the server reads no others."""
    return sql.SQL("ctid >= {}::tid AND ctid < {}::tid").format(
        sql.Literal(f"({first},0)"), sql.Literal(f"({behind},0)")
    )
