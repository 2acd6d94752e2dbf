"""Reading both logs again: is each entry what was written, in its place, and nothing besides?

One pass over the entries in the order of their places, in pieces of 65,536, by several processes;
then what only the whole can tell: roots of checkpoints, the log's end, entries without a place,
cosignatures, the logs of the processes, the fences. docs/audit.md says what each finding means.
"""

from collections.abc import Mapping
from uuid import UUID

from privacy.audit.insert_only import INSERT_ONLY_TABLES
from privacy.audit.logs import SOURCES
from privacy.audit.nodes import size_of
from privacy.audit.verify.fences import (
    broken_fences,
    existing,
    rewritten_functions,
    too_many_rights,
)
from privacy.audit.verify.outside import compare_with_logs, compare_with_others
from privacy.audit.verify.result import Progress, VerifyResult
from privacy.audit.verify.whole import Reading
from privacy.models import Log

__all__ = ["Progress", "VerifyResult", "verify"]


def verify(
    *,
    witness: Mapping[UUID, str] | None = None,
    progress: Progress = lambda count: None,
    since: Mapping[Log, int] | None = None,
    processes: int | None = None,
) -> VerifyResult:
    """Check both logs and the fences.

    `witness` maps ids of entries to their hashes in hex, as the processes' logs have them. `since`
    names a size for each log: what stands before is believed if a signed checkpoint covers it.
    `progress` is told how many entries were just read.
    """
    result = VerifyResult(compared_with_logs=witness is not None)
    present = existing(INSERT_ONLY_TABLES)
    for log in Log:
        if SOURCES[log].table in present:
            reading = Reading(log, result, progress, size_of(log))
            reading.read((since or {}).get(log, 0), processes)
            compare_with_others(reading)
    if witness is not None:
        compare_with_logs(witness, result)
    for table in present:
        result.fences += broken_fences(table)
        result.warnings += too_many_rights(table)
    result.fences += rewritten_functions()
    return result
