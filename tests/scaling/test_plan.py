"""docs/scaling.md and the script that plans say the same, to the last character."""

from dataclasses import replace
from pathlib import Path

from tests.scaling.plan import SIZES, need, read_costs, tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"


def test_the_page_holds_what_the_script_prints():
    page = PAGE.read_text(encoding="utf-8")

    for table in tables().split("\n\n"):
        assert table in page
    assert read_costs().source in page.replace("\n", " ")


def test_dearer_receipts_need_more_web_servers_and_more_people_more_of_everything():
    costs = read_costs()
    dear = replace(costs, receipt_hook_us=3 * costs.receipt_hook_us)

    assert need(SIZES[-1], dear).web_cores > 2 * need(SIZES[-1], costs).web_cores
    rows = [need(size, costs) for size in SIZES]
    assert [row.hosts for row in rows] == sorted(row.hosts for row in rows)
    assert [row.wal_a_day for row in rows] == sorted(row.wal_a_day for row in rows)
