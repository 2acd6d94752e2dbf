"""Who did what, when and why: a log that only grows, without a word about the people concerned."""

from privacy.audit.canonical import canonical
from privacy.audit.errors import NotForTheLog, OutsideTransaction
from privacy.audit.insert_only import (
    INSERT_ONLY_TABLES,
    insert_only_sql,
    not_insert_only_sql,
)
from privacy.audit.log import record
from privacy.audit.verify import VerifyResult, verify

__all__ = [
    "INSERT_ONLY_TABLES",
    "NotForTheLog",
    "OutsideTransaction",
    "VerifyResult",
    "canonical",
    "insert_only_sql",
    "not_insert_only_sql",
    "record",
    "verify",
]
