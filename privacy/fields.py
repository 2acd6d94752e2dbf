"""Column types that Django lacks."""

from typing import Any

from django.db import models
from django.db.models.expressions import Func


class XidField(models.BigIntegerField):  # type: ignore[type-arg]
    """PostgreSQL's `xid8`: the number of a transaction, which never wraps around."""

    def db_type(self, connection: Any) -> str:
        return "xid8"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> int | None:
        return None if value is None else int(value)


class CurrentXid(Func):
    """The number of the transaction that writes this row."""

    function = "pg_current_xact_id"
    output_field = XidField()
