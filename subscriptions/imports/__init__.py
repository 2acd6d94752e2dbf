"""Lists from elsewhere: check, report, load all good rows or none, wait for the DPO.

`read` understands the file, `check` judges each row, `actions` store. Nobody imported is written to
before the data-protection officer has approved the list, and no list overrides a withdrawal.
"""

from subscriptions.imports.actions import (
    approve_import,
    check_import,
    load_import,
    reject_import,
)
from subscriptions.imports.check import CODES, Verdict
from subscriptions.imports.read import MAX_BYTES, MAX_ROWS
from subscriptions.imports.report import report_csv

__all__ = [
    "CODES",
    "MAX_BYTES",
    "MAX_ROWS",
    "Verdict",
    "approve_import",
    "check_import",
    "load_import",
    "reject_import",
    "report_csv",
]
