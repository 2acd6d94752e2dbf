"""Log files: a day each, and gone when their term is over, while their program goes on writing."""

import os
from datetime import UTC, date, datetime, timedelta

from config import tasks
from config.embedded import log_files

NOW = datetime(2026, 11, 21, 1, tzinfo=UTC)


def test_a_day_begins_once_and_the_program_goes_on_in_the_empty_file(tmp_path):
    with (tmp_path / "web.log").open("ab", buffering=0) as program:
        program.write(b"yesterday\n")
        assert log_files.begin_day(tmp_path, date(2026, 11, 21)) == 1
        program.write(b"today\n")
        assert log_files.begin_day(tmp_path, date(2026, 11, 21)) == 0

    assert (tmp_path / "web.log").read_bytes() == b"today\n"
    kept = tmp_path / "web.log.2026-11-21"
    assert kept.read_bytes() == b"yesterday\n"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_lines_older_than_the_rule_are_gone_and_the_others_stay(db, settings, tmp_path):
    settings.JAWORT_VAR = tmp_path
    folder = tmp_path / "log"
    folder.mkdir()
    for days in (0, 5, 28, 29, 33):
        at = NOW - timedelta(days=days)
        path = folder / f"web.log.{at:%Y-%m-%d}"
        path.write_text("a line")
        os.utime(path, (at.timestamp(), at.timestamp()))
    long_one = folder / "web.log.1"
    long_one.write_text("a line")
    os.utime(long_one, (0, 0))
    assert tasks._count(NOW).due == 2

    assert tasks.forget_log_files(NOW) == 3

    left = sorted(path.name for path in folder.iterdir())
    assert left == ["web.log.2026-10-24", "web.log.2026-11-16", "web.log.2026-11-21"]
    assert tasks._count(NOW).due == 0


def test_without_a_folder_there_is_nothing_to_do(db, settings, tmp_path):
    settings.JAWORT_VAR = tmp_path / "none"

    assert tasks.forget_log_files(NOW) == 0
