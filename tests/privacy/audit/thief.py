"""What a thief with the rights of the tables' owner would do: fences down, act, fences up."""

from typing import Any

from django.db import connection

STAYS = "ALTER TABLE {table} {how} TRIGGER {table}_stays"


def as_thief(table: str, statement: str, params: list[Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(STAYS.format(table=table, how="DISABLE"))
        cursor.execute(statement, params)
        cursor.execute(STAYS.format(table=table, how="ENABLE ALWAYS"))
