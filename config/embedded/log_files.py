"""Log files of the house: one file for each day, and none older than the rule for logs allows.

A running program keeps its file open and only appends, so the file is copied and emptied in place.
What comes between the two is lost: less than a millisecond's lines of one night.
"""

import os
import re
from datetime import date
from pathlib import Path

DATED = re.compile(r"\.log\.(\d{4}-\d{2}-\d{2})$")


def begin_day(folder: Path, today: date) -> int:
    """Put what was written up to now into the file of `today`, once; how many files that gave."""
    made = 0
    for log in sorted(folder.glob("*.log")):
        kept = log.with_name(f"{log.name}.{today.isoformat()}")
        if log.stat().st_size and not kept.exists():
            _copy(log, kept)
            os.truncate(log, 0)
            made += 1
    return made


def older_than(folder: Path, day: date) -> list[Path]:
    """Files that hold nothing newer than `day`."""
    dated = ((path, DATED.search(path.name)) for path in sorted(folder.glob("*.log.*")))
    found = [path for path, match in dated if match and date.fromisoformat(match[1]) < day]
    # What grew too long within a day has no date in its name: the last line gives it.
    long_ones = (path for path in folder.glob("*.log.1"))
    return found + [path for path in long_ones if date.fromtimestamp(path.stat().st_mtime) < day]


def _copy(log: Path, to: Path) -> None:
    """Whole or not at all, and readable by nobody else."""
    part = to.with_name(f"{to.name}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file, log.open("rb") as source:
        while block := source.read(1 << 20):
            file.write(block)
    part.rename(to)
