"""A small app that stores people, with every verb of the inventory: a stand-in for the floors
above.

Its table is a real one, made by `make_table()`, because erasure has to be seen in the database.
"""

import json
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from privacy.inventory import AppData, Field, Klass
from privacy.vault import KeyDestroyed, Where, open_sealed, seal

CREATE = """
    CREATE TABLE IF NOT EXISTS people_person
        (subject uuid PRIMARY KEY, sealed bytea, plain text NOT NULL DEFAULT '', is_open bool,
         under_way int NOT NULL DEFAULT 0)"""


@dataclass(frozen=True)
class Point:
    """As `messengers` describes a way to reach somebody."""

    channel_id: UUID
    address_id: UUID


DATA = AppData(
    app="people",
    fields={
        "Person.sealed": Field(Klass.IDENTIFIER, "To write to you", "active_subscription"),
    },
)
sent: list[tuple[UUID, str, dict[str, str]]] = []
places: list[UUID | None] = []
# Further ways to reach a person, beside the number that is planted with them.
points: dict[UUID, list[Point]] = {}


def make_table():
    forget()  # what others were sent, who had no table
    with connection.cursor() as cursor:
        cursor.execute(CREATE)


def drop_table():
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS people_person")
    forget()


def forget():
    sent.clear()
    places.clear()
    points.clear()


def run(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall() if cursor.description else cursor.rowcount


def plant(subject, number, *, name="Jörg Müßig", text="", plain="", language="de"):
    """Store a person, sealed; `plain` is a leak, for scans to find."""
    row = {"number": number, "name": name, "text": text, "language": language}
    sealed = seal(subject, "ops", _where(subject), json.dumps(row).encode())
    run(
        "INSERT INTO people_person (subject, sealed, plain, is_open) VALUES (%s, %s, %s, true)",
        subject,
        sealed,
        plain,
    )


def opened(subject):
    rows = run("SELECT sealed FROM people_person WHERE subject = %s", subject)
    try:
        return [
            json.loads(open_sealed(subject, "ops", _where(subject), bytes(row[0]))) for row in rows
        ]
    except KeyDestroyed:
        return []


def _where(subject):
    return Where("people_person", "sealed", subject)


def answer(subject, template, context, where=None):
    """What settings.ANSWER_SUBJECT names in tests: it keeps what was to be sent, and where to."""
    sent.append((subject, template, dict(context)))
    places.append(where)


# The verbs


def kinds():
    return ["phone"]


def find(kind, canonical):
    every = [row[0] for row in run("SELECT subject FROM people_person")]
    return {one for one in every if any(row["number"] == canonical for row in opened(one))}


def describe(subject):
    rows = opened(subject)
    return {"number": f"…{rows[0]['number'][-2:]}", "name": "J. M."} if rows else {}


def block(subject, reason):
    return run("UPDATE people_person SET is_open = false WHERE subject = %s AND is_open", subject)


def restrict(subject):
    return block(subject, "restricted")


def unrestrict(subject):
    return run("UPDATE people_person SET is_open = true WHERE subject = %s", subject)


def rectify(subject, changes):
    done = {}
    for row in opened(subject):
        pairs = {"name": changes.get("first_name"), "language": changes.get("language")}
        done = {key: (row[key], new) for key, new in pairs.items() if new and new != row[key]}
        row |= {key: new for key, (_, new) in done.items()}
        sealed = seal(subject, "ops", _where(subject), json.dumps(row).encode())
        run("UPDATE people_person SET sealed = %s WHERE subject = %s", sealed, subject)
    return done


def contact(subject):
    return points.get(subject, [])


def identifiers(subject):
    return [("phone", row["number"]) for row in opened(subject)]


def under_way(subject):
    rows = run("SELECT under_way FROM people_person WHERE subject = %s", subject)
    return rows[0][0] if rows else 0


def export(subject):
    return {"people": opened(subject), "nothing": []}


def erase(subject):
    return {"people": run("DELETE FROM people_person WHERE subject = %s", subject)}


def scan(subject, needles):
    rows = run("SELECT 1 FROM people_person WHERE subject = %s", subject)
    return ["Person"] if rows else []


def recipients(subject):
    return ["Postbote GmbH"]
