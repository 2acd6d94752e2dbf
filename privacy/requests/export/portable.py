"""What a person provided, in a form that another program reads, ours first (Art. 20 GDPR).

The CSV files have the columns of our own import of lists: whoever moves to another newsroom that
runs Jawort brings subscription, topics and the proof of consent along. The JSON says the same and
what the person wrote; its shape is `schema/portable-1.json`.
"""

from collections import defaultdict
from typing import Any

from privacy.requests.export.tables import csv_file, file_part

SCHEMA = "jawort/portable/1"
COLUMNS = (
    "address", "first_name", "last_name", "language", "topics", "consent_at", "consent_source",
    "wording", "status",
)  # fmt: skip
# Tables whose rows are texts of the person.
WRITTEN = ("messages_to_us", "received")


def portable(data: dict[str, Any]) -> dict[str, Any]:
    """The part of a collected answer that the person gave us."""
    return {
        "schema": SCHEMA,
        "generated_at": data["generated_at"],
        "request": data["request"],
        "controller": data["controller"],
        "subscriptions": data["portable"],
        "messages": [row for name in WRITTEN for row in _rows(data, name)],
    }


def portable_csv(data: dict[str, Any]) -> dict[str, bytes]:
    """One file for each newsletter and messenger, as the import of lists takes them."""
    lists: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in data["portable"]:
        cells = {name: row[name] for name in COLUMNS}
        cells["topics"] = ",".join(row["topics"])
        lists[f"{row['newsletter']}-{row['messenger']}"].append(cells)
    return {f"portable/{file_part(name)}.csv": csv_file(rows) for name, rows in lists.items()}


def _rows(data: dict[str, Any], table: str) -> list[dict[str, Any]]:
    return [
        {"at": row.get("received_at") or row.get("at") or "", "text": row.get("text", "")}
        for tables in data["data"].values()
        for row in tables.get(table, [])
    ]
