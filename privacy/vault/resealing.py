"""Secrets of the house, sealed anew under its newest key: then the old key opens nothing live.

Found by their own first bytes in every column whose name says `sealed`, so no list can forget one.
Sessions are left out: they are over long before an old key goes.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections, models

from privacy.vault.envelope import HEADER, VERSION, Kind, Where
from privacy.vault.errors import KeyDestroyed, SealBroken
from privacy.vault.system import open_system, seal_system

log = structlog.get_logger("jawort.keys")

MARK = "sealed"
# A row may be a whole uploaded list.
ROWS_PER_STATEMENT = 10
STAFF_CODES = "SELECT id, data FROM mfa_authenticator ORDER BY id"
SAVE_CODES = "UPDATE mfa_authenticator SET data = %s::jsonb WHERE id = %s AND data = %s::jsonb"
CODES_PLACE = Where("mfa_authenticator", "data", "secret")
# What allauth seals with us: the seed of one-time codes, the seed of recovery codes.
CODES = ("secret", "seed")

Progress = Callable[[int], object]
Stop = Callable[[], bool]


@dataclass(frozen=True)
class Column:
    table: str
    name: str
    pk: str

    @property
    def is_old(self) -> str:
        """SQL: the value is a secret of the house, and not under the key in the parameter."""
        return (
            f'substring("{self.name}" FROM 1 FOR 2) = %s'
            f' AND substring("{self.name}" FROM 3 FOR 2) <> %s'
        )

    def count(self, number: int) -> int:
        sql = f'SELECT count(*) FROM "{self.table}" WHERE {self.is_old}'
        return int(_rows(sql, _old(number))[0][0])

    def page(self, number: int, last: Any) -> list[tuple[Any, ...]]:
        after = "" if last is None else f'AND "{self.pk}" > %s'
        sql = f"""SELECT "{self.pk}", "{self.name}" FROM "{self.table}"
             WHERE {self.is_old} {after} ORDER BY "{self.pk}" LIMIT {ROWS_PER_STATEMENT}"""
        return _rows(sql, [*_old(number), *([] if last is None else [last])])

    def replace(self, pk: Any, old: bytes, new: bytes) -> int:
        sql = f"""UPDATE "{self.table}" SET "{self.name}" = %s
             WHERE "{self.pk}" = %s AND "{self.name}" = %s"""
        return _run(sql, [new, pk, old])


def columns() -> list[Column]:
    """Every column that may hold a secret of the house."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        if not meta.managed or meta.app_label == "keystore":
            continue
        for field in meta.local_concrete_fields:
            if isinstance(field, models.BinaryField) and MARK in field.name:
                found.append(Column(meta.db_table, str(field.column), str(meta.pk.column)))
    return found


def outdated(number: int) -> int:
    """How many secrets are not sealed under key `number` of the house."""
    codes = sum(len(_old_codes(data, number)) for _id, data in _codes())
    return codes + sum(column.count(number) for column in columns())


def reseal(number: int, tell: Progress, is_over: Stop) -> int:
    """Seal anew what is not under key `number`, the newest; how many. May run twice and at once."""
    done = sum(_reseal_column(column, number, tell, is_over) for column in columns())
    return done if is_over() else done + sum(_reseal_codes(row, number, tell) for row in _codes())


def _reseal_column(column: Column, number: int, tell: Progress, is_over: Stop) -> int:
    last, done = None, 0
    while not is_over() and (rows := column.page(number, last)):
        for last, old in rows:
            where = Where(column.table, column.name, last)
            if (new := _anew(where, bytes(old))) is not None:
                done += column.replace(last, bytes(old), new)
        tell(len(rows))
    return done


def _reseal_codes(row: tuple[int, Any], number: int, tell: Progress) -> int:
    pk, data = row
    fresh = dict(data)
    for name in (old := _old_codes(data, number)):
        new = _anew(CODES_PLACE, base64.b64decode(data[name]))
        if new is not None:
            fresh[name] = base64.b64encode(new).decode()
    if fresh == data:
        return 0
    tell(len(old))
    return _run(SAVE_CODES, [json.dumps(fresh), pk, json.dumps(data)]) * len(old)


def _anew(where: Where, sealed: bytes) -> bytes | None:
    try:
        return seal_system(where, open_system(where, sealed))
    except (SealBroken, KeyDestroyed):
        log.error("secret_does_not_open", table=where.table, column=where.column)
        return None


def _codes() -> Iterator[tuple[int, dict[str, Any]]]:
    for pk, data in _rows(STAFF_CODES, []):
        yield pk, json.loads(data) if isinstance(data, str) else data


def _old_codes(data: dict[str, Any], number: int) -> list[str]:
    first, current = _old(number)
    found = []
    for name in CODES:
        try:
            sealed = base64.b64decode(str(data.get(name, "")), validate=True)
        except binascii.Error:
            continue
        if sealed[:2] == first and sealed[2:4] != current:
            found.append(name)
    return found


def _old(number: int) -> list[bytes]:
    header = HEADER.pack(VERSION, Kind.SYSTEM, number)
    return [header[:2], header[2:]]


def _rows(sql: str, params: list[Any]) -> list[tuple[Any, ...]]:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def _run(sql: str, params: list[Any]) -> int:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)
