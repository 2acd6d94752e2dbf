"""The crash matrix is whole: every row has a scenario, and every scenario a place in the manual."""

import re

import pytest

from tests.chaos.scenarios import PROJECT, SCENARIOS, Seen, all_of_them, line, rows_of, scenario

PAGE = PROJECT / "docs" / "chaos.md"


def test_every_row_is_played() -> None:
    played = {re.match(r"C\d+", row)[0] for row in all_of_them()}  # type: ignore[index]

    assert played == {f"C{number}" for number in range(1, 25)}


def test_the_manual_tells_what_every_scenario_saw() -> None:
    told = set(re.findall(r"^\| (C\d+[^|]*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))

    assert told == set(all_of_them())


def test_a_row_is_registered_once_and_prints_as_a_line_of_the_table() -> None:
    row = next(iter(all_of_them().values()))

    with pytest.raises(ValueError, match="registered twice"):
        scenario(row.id, event="", promised="")(lambda: Seen("", True))
    told = line(row, Seen("nothing", False), 1.0)
    skipped = line(row, Seen("not played here: no root", None), 1.0)

    assert SCENARIOS[row.id] is row
    assert told.startswith(f"| {row.id} | ")
    assert told.endswith("| nothing | NO | 1 s |")
    assert skipped.endswith("| not played here: no root | – | 1 s |")


def test_a_row_is_named_by_itself_or_with_its_event() -> None:
    assert rows_of([], ["C1", "C6 B1", "C6 B10"]) == ["C1", "C6 B1", "C6 B10"]
    assert rows_of(["C6"], ["C1", "C6 B1", "C6 B10"]) == ["C6 B1", "C6 B10"]
    assert rows_of(["C6 B1"], ["C1", "C6 B1", "C6 B10"]) == ["C6 B1"]
    with pytest.raises(SystemExit, match="no such row: C60"):
        rows_of(["C60"], ["C1", "C6 B1"])
