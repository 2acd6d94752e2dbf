"""Reading entries as they lie in the table, and saying what is wrong with one.

A row comes as raw binary of PostgreSQL's COPY: the fastest way for ten million. Most pass by
comparing bytes; only a row that does not is read as JSON, to say what exactly is wrong with it.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct
from typing import NamedTuple
from zoneinfo import ZoneInfo

from privacy.audit.canonical import canonical, timestamp
from privacy.audit.logs import Source
from privacy.audit.prune import YEARS_AT_LEAST
from privacy.models import Log

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # from where PostgreSQL counts its microseconds
TERM_ZONE = ZoneInfo("Europe/Berlin")  # as in the database's own rule
_MICROSECONDS = Struct(">q")

COLUMNS = {
    Log.AUDIT: ("action", "actor", "object", "ref"),
    Log.CONSENT: ("state", "newsletter::text", "wording"),
}


class Row(NamedTuple):
    """An entry as it is read: its bytes, the hash beside them, the columns that tell it again."""

    id: bytes  # a UUID as text
    leaf: bytes
    entry: bytes
    at: bytes  # microseconds since EPOCH, as PostgreSQL sends them
    shown: tuple[bytes, ...]


def columns_of(source: Source, alias: str = "e") -> str:
    """What a query selects so that `Reader.wrong` and `row_of` can read it."""
    return ", ".join(expressions_of(source, alias))


def expressions_of(source: Source, alias: str = "e") -> list[str]:
    """The same, one by one."""
    names = ("id::text", "leaf", "entry", "at", *COLUMNS[source.log])
    return [f"{alias}.{name}" for name in names]


def row_of(fields: Sequence[bytes | None]) -> Row:
    ident, leaf, entry, at, *shown = (field or b"" for field in fields)
    return Row(ident, leaf, entry, at, tuple(shown))


class Reader:
    """Says what is wrong with a row of one log; remembers the last second's spelling.

    Ten million rows come through here: what passes does so without a further call.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.second = -1
        self.spelled = b""
        self.wrong = self._audit if source.log == Log.AUDIT else self._consent

    def _audit(
        self,
        ident: bytes,
        leaf: bytes,
        entry: bytes,
        at: bytes,
        action: bytes,
        actor: bytes,
        obj: bytes,
        ref: bytes,
    ) -> str:
        """Nothing is the good answer."""
        if sha256(b"\x00" + entry).digest() == leaf:
            second, micro = divmod(_MICROSECONDS.unpack(at)[0], 1_000_000)
            if second != self.second:
                self._spell(second)
            begin = b'{"action":"%b","actor":"%b","at":"%b.%03dZ","facts":{' % (
                *(action, actor, self.spelled, micro // 1000),
            )
            # No fact can hold the brace that closes the facts.
            middle = entry.find(b'},"id":"%b","object":"%b","purpose":"' % (ident, obj))
            if (
                entry.startswith(begin)
                and middle > 0
                and entry.find(b'","ref":"%b","result":"' % ref, middle) > 0
            ):
                return ""
        return self._named(Row(ident, leaf, entry, at, (action, actor, obj, ref)))

    def _consent(
        self,
        ident: bytes,
        leaf: bytes,
        entry: bytes,
        at: bytes,
        state: bytes,
        newsletter: bytes,
        wording: bytes,
    ) -> str:
        """An entry of this log holds no list and no object, so each name occurs once."""
        if sha256(b"\x00" + entry).digest() == leaf:
            second, micro = divmod(_MICROSECONDS.unpack(at)[0], 1_000_000)
            if second != self.second:
                self._spell(second)
            if (
                b'"id":"%b"' % ident in entry
                and b'"state":"%b"' % state in entry
                and b'"list":"%b"' % newsletter in entry
                and b'"wording_id":"%b"' % wording in entry
                and b'"time":"%b.%03dZ"' % (self.spelled, micro // 1000) in entry
            ):
                return ""
        return self._named(Row(ident, leaf, entry, at, (state, newsletter, wording)))

    def _named(self, row: Row) -> str:
        if not row.entry:
            return "" if is_over(moment_of(row.at)) else "its bytes are gone before their time"
        if sha256(b"\x00" + row.entry).digest() != row.leaf:
            return "its bytes do not yield its hash"
        return wrong_columns(self.source, row)

    def _spell(self, second: int) -> None:
        self.second = second
        moment = EPOCH + timedelta(seconds=second)
        self.spelled = moment.strftime("%Y-%m-%dT%H:%M:%S").encode()


def wrong_columns(source: Source, row: Row) -> str:
    """The slow way: read the bytes, and name the first column that tells something else."""
    try:
        told = json.loads(row.entry)
        if canonical(told) != row.entry:
            return "its bytes are not in canonical form"
        names = dict(source.shown)
        shown = {"id": row.id.decode(), names["at"]: timestamp(moment_of(row.at))}
        for column, value in zip(COLUMNS[source.log], row.shown, strict=True):
            shown[names[column.partition(":")[0]]] = value.decode()
        different = [name for name, value in sorted(shown.items()) if told[name] != value]
    except (ValueError, TypeError, KeyError):
        return "its bytes are no entry"
    columns = {name: column for column, name in source.shown}
    return f"its column {columns.get(different[0], 'id')} tells something else" if different else ""


def moment_of(at: bytes) -> datetime:
    return EPOCH + timedelta(microseconds=_MICROSECONDS.unpack(at)[0])


def is_over(at: datetime) -> bool:
    """Whether an entry of that time may have given up its bytes: its third year has ended."""
    ends = datetime(at.astimezone(TERM_ZONE).year + YEARS_AT_LEAST + 1, 1, 1)
    return ends.replace(tzinfo=TERM_ZONE) <= datetime.now(UTC)
