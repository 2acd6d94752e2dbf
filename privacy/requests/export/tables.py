"""The package's CSV files: one for each table, as spreadsheets in a German newsroom open them."""

import csv
import io
from typing import Any

from privacy.requests.export.labels import cell

# Cells that a spreadsheet would take for a formula get an apostrophe in front (OWASP, CSV
# injection).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
BYTE_ORDER_MARK = "\ufeff"


def csv_files(data: dict[str, Any]) -> dict[str, bytes]:
    """File name -> content, for every table of `data["data"]` and for what is told beside it."""
    tables = {
        f"{app}-{table}": rows for app, own in data["data"].items() for table, rows in own.items()
    }
    tables |= {name: data[name] for name in (
        "lookups", "requests", "retention", "fields", "transfers", "recipients_told", "holds",
        "breaches",
    )}  # fmt: skip
    return {f"csv/{file_part(name)}.csv": csv_file(rows) for name, rows in tables.items() if rows}


def csv_file(rows: list[dict[str, Any]]) -> bytes:
    """Semicolons, quotes where needed, UTF-8 with its mark; every column that any row has."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    sheet = io.StringIO()
    writer = csv.writer(sheet, delimiter=";", lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([harmless(cell(row.get(column))) for column in columns] for row in rows)
    return (BYTE_ORDER_MARK + sheet.getvalue()).encode()


def harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def file_part(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)
