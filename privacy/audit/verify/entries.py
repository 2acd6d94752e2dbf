"""Reading entries as they lie in the table, and saying what is wrong with one.

A row comes as raw binary of PostgreSQL's COPY: the fastest way for ten million. Most pass by
comparing bytes; only a row that does not is read as JSON, to say what exactly is wrong with it.
"""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from privacy.audit.canonical import canonical, timestamp
from privacy.audit.logs import Source
from privacy.audit.prune import YEARS_AT_LEAST
from privacy.models import Log

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # from where PostgreSQL counts its microseconds
TERM_ZONE = ZoneInfo("Europe/Berlin")  # as in the database's own rule
# The end of an audit entry's facts: nothing before it is free to choose.
AFTER_FACTS = b'},"id":"'

COLUMNS = {
    Log.AUDIT: ("action", "actor", "object", "ref"),
    Log.CONSENT: ("state", "newsletter::text", "wording"),
}


class Row(NamedTuple):
    """An entry: its bytes, the hash beside them, and the columns that tell the same again."""

    id: bytes
    leaf: bytes
    entry: bytes
    at: int  # microseconds since EPOCH
    shown: tuple[bytes, ...]


def columns_of(source: Source, alias: str = "e") -> str:
    """What a query selects so that `row_of` can read it."""
    shown = ", ".join(f"{alias}.{column}" for column in COLUMNS[source.log])
    return f"{alias}.id, {alias}.leaf, {alias}.entry, {alias}.at, {shown}"


def row_of(fields: tuple[bytes | None, ...]) -> Row | None:
    """None for an entry that is not there."""
    ident, leaf, entry, at, *shown = fields
    if ident is None or leaf is None or entry is None or at is None:
        return None
    return Row(
        ident,
        leaf,
        entry,
        int.from_bytes(at, "big", signed=True),
        tuple(part or b"" for part in shown),
    )


class Reader:
    """Says what is wrong with a row of one log; remembers the last second's spelling."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.second = -1
        self.spelled = b""
        self.fits = _audit_fits if source.log == Log.AUDIT else _consent_fits

    def wrong(self, row: Row) -> str:
        """Nothing is the good answer."""
        if not row.entry:
            return "" if is_over(row.at) else "its bytes are gone before their time"
        if sha256(b"\x00" + row.entry).digest() != row.leaf:
            return "its bytes do not yield its hash"
        return "" if self.fits(row, self._time(row.at)) else wrong_columns(self.source, row)

    def _time(self, at: int) -> bytes:
        second, micro = divmod(at, 1_000_000)
        if second != self.second:
            self.second = second
            moment = EPOCH + timedelta(seconds=second)
            self.spelled = moment.strftime("%Y-%m-%dT%H:%M:%S").encode()
        return b"%s.%03dZ" % (self.spelled, micro // 1000)


def _audit_fits(row: Row, at: bytes) -> bool:
    action, actor, obj, ref = row.shown
    begin = b'{"action":"%s","actor":"%s","at":"%s","facts":{' % (action, actor, at)
    if not row.entry.startswith(begin):
        return False
    end = row.entry[row.entry.rfind(AFTER_FACTS) :]
    return (
        end.startswith(b'},"id":"%s","object":"%s","purpose":"' % (spell(row.id), obj))
        and end.endswith(b'","schema":"jawort-audit/1"}')
        and b'","ref":"%s","result":"' % ref in end
    )


def _consent_fits(row: Row, at: bytes) -> bool:
    """A consent entry holds no list and no object, so each name occurs once."""
    state, newsletter, wording = row.shown
    return all(
        part in row.entry
        for part in (
            b'"id":"%s"' % spell(row.id),
            b'"state":"%s"' % state,
            b'"list":"%s"' % newsletter,
            b'"wording_id":"%s"' % wording,
            b'"time":"%s"' % at,
        )
    )


def wrong_columns(source: Source, row: Row) -> str:
    """The slow way: read the bytes, and name the first column that tells something else."""
    try:
        told = json.loads(row.entry)
        if canonical(told) != row.entry:
            return "its bytes are not in canonical form"
        names = dict(source.shown)
        shown = {"id": str(UUID(bytes=row.id)), names["at"]: timestamp(moment_of(row.at))}
        for column, value in zip(COLUMNS[source.log], row.shown, strict=True):
            shown[names[column.partition(":")[0]]] = value.decode()
        different = [name for name, value in sorted(shown.items()) if told[name] != value]
    except (ValueError, TypeError, KeyError):
        return "its bytes are no entry"
    columns = {name: column for column, name in source.shown}
    return f"its column {columns.get(different[0], 'id')} tells something else" if different else ""


def spell(raw: bytes) -> bytes:
    """A UUID as text."""
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}".encode()


def moment_of(at: int) -> datetime:
    return EPOCH + timedelta(microseconds=at)


def is_over(at: int) -> bool:
    """Whether an entry of that time may have given up its bytes: its third year has ended."""
    ends = datetime(moment_of(at).astimezone(TERM_ZONE).year + YEARS_AT_LEAST + 1, 1, 1)
    return ends.replace(tzinfo=TERM_ZONE) <= datetime.now(UTC)
