"""One entry: its bytes, its place, and the proof that it stands there."""

from uuid import UUID

from django.db import connections
from psycopg import sql

from privacy.audit import tree
from privacy.audit.keys import log_keys
from privacy.audit.logs import SOURCES
from privacy.audit.nodes import place_of
from privacy.audit.note import Note
from privacy.audit.proofs import proof_of
from privacy.audit.verify.entries import Reader, Row, columns_of, row_of
from privacy.models import Log

ONE = "COPY (SELECT {columns} FROM {table} e WHERE e.id = {id}) TO STDOUT (FORMAT BINARY)"


def check_entry(ident: UUID) -> dict[str, object]:
    """What can be said about one entry; `is_sound` and, if not, `wrong` in words."""
    for log in Log:
        row = _read(log, ident)
        if row is not None:
            return _check(log, ident, row)
    return {"entry": str(ident), "is_sound": False, "wrong": "there is no such entry"}


def _check(log: Log, ident: UUID, row: Row) -> dict[str, object]:
    told: dict[str, object] = {"entry": str(ident), "log": SOURCES[log].path}
    wrong = Reader(SOURCES[log]).wrong(*row[:4], *row.shown)
    place = place_of(log, ident)
    proof = proof_of(log, ident)
    if place:
        told["place"] = place[0]
        if not wrong and place[1] != row.leaf:
            wrong = "another hash than at its place"
    if proof:
        told |= {"checkpoint": proof.size, "steps": len(proof.path)}
        fits = tree.check_inclusion(row.leaf, proof.index, proof.size, proof.path, proof.root)
        note = Note.parse(proof.checkpoint)
        if not fits:
            wrong = wrong or "its proof does not lead to the signed root"
        elif not any(note.signed_by(key) for key in log_keys(log)):
            wrong = wrong or "the checkpoint has no valid signature"
    state = "proven" if proof else "placed" if place else "waiting"
    return {**told, "state": state, "is_sound": not wrong, "wrong": wrong}


def _read(log: Log, ident: UUID) -> Row | None:
    source = SOURCES[log]
    statement = sql.SQL(ONE).format(
        columns=sql.SQL(columns_of(source)),
        table=sql.Identifier(source.table),
        id=str(ident),
    )
    with connections["default"].cursor() as cursor, cursor.copy(statement) as copy:
        rows = list(copy.rows())
    return row_of(rows[0]) if rows else None
