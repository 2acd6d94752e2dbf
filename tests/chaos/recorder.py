"""Watching Jawort from inside its own transactions, and reading a finished run into a `History`.

Triggers write down every intent, every change of a delivery and every move of a gate together with
the transaction that made it; PostgreSQL knows when each was committed. What a crash undoes is
undone here, too.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.chaos.history import (
    Answer,
    Arrival,
    Audit,
    Change,
    Consent,
    GateMove,
    GivenBack,
    History,
    Intent,
    Row,
)

INSTALL = """
CREATE TABLE chaos_log (
    id bigserial PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), kind text NOT NULL,
    number bigint, token bigint, positions smallint[], was text, is_now text, cause text,
    gate uuid, until timestamptz
);
CREATE FUNCTION chaos_batches() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO chaos_log (kind, number, token, positions, until)
    SELECT 'intent', n.id, n.token,
           ARRAY(SELECT p FROM unnest(n.on_wire) AS p WHERE p <> ALL (o.on_wire)), n.lease_until
      FROM fresh n JOIN old o USING (id) WHERE NOT n.on_wire <@ o.on_wire;
    INSERT INTO chaos_log (kind, number, token, positions)
    SELECT 'back', o.id, o.token,
           ARRAY(SELECT p FROM unnest(o.on_wire) AS p WHERE p <> ALL (n.on_wire))
      FROM fresh n JOIN old o USING (id) WHERE NOT o.on_wire <@ n.on_wire;
    RETURN NULL;
END $$;
CREATE TRIGGER chaos AFTER UPDATE ON messengers_batch REFERENCING OLD TABLE AS old
    NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION chaos_batches();
CREATE FUNCTION chaos_deliveries() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO chaos_log (kind, number, was, is_now, cause)
    SELECT 'change', n.id, o.status, n.status, n.cause FROM fresh n JOIN old o USING (id);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos AFTER UPDATE ON messengers_delivery REFERENCING OLD TABLE AS old
    NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION chaos_deliveries();
CREATE FUNCTION chaos_gates() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO chaos_log (kind, gate, is_now, cause)
    SELECT 'gate', n.id, n.is_open, n.reason FROM fresh n;
    RETURN NULL;
END $$;
CREATE TRIGGER chaos AFTER UPDATE ON messengers_gate REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION chaos_gates();
"""
COMMITTED = "extract(epoch FROM pg_xact_commit_timestamp({}::text::xid))::float8"
INTENTS = f"""
    SELECT {COMMITTED.format("l.xid")}, d.id, l.token, extract(epoch FROM l.until)::float8, l.id
      FROM chaos_log l CROSS JOIN unnest(l.positions) AS p
      JOIN messengers_delivery d ON d.batch_id = l.number AND d.position = p
     WHERE l.kind = 'intent' AND l.id > %s"""
GIVEN_BACK = f"""
    SELECT {COMMITTED.format("l.xid")}, d.id, l.token, l.id
      FROM chaos_log l CROSS JOIN unnest(l.positions) AS p
      JOIN messengers_delivery d ON d.batch_id = l.number AND d.position = p
     WHERE l.kind = 'back' AND l.id > %s"""
CHANGES = f"""
    SELECT {COMMITTED.format("xid")}, number, was, is_now, cause, id FROM chaos_log
     WHERE kind = 'change' AND id > %s"""
GATES = f"""
    SELECT {COMMITTED.format("xid")}, gate::text, is_now = 'true', cause FROM chaos_log
     WHERE kind = 'gate' AND id > %s"""
CONSENTS = f"""
    SELECT {COMMITTED.format("xid")}, id::text, subscription::text, state, xid::text::bigint
      FROM subscriptions_consentrecord"""
AUDITS = "SELECT entry, xid::text::bigint FROM privacy_auditentry WHERE action LIKE 'consent.%%'"
ROWS = """
    SELECT d.id, d.address, coalesce(d.gate::text, ''), d.status, d.cause, d.dispatch_id::text
      FROM messengers_delivery d WHERE d.dispatch_id = ANY(%s)"""
# Receipts that wait, one each: (channel, delivery or null, hash of the provider's id or null).
WAITING = """(SELECT channel, told.* FROM messengers_receiptgroup
    CROSS JOIN unnest(deliveries, refs) AS told (delivery, ref)) AS r"""
# Those that name a delivery of ours wait for its answer; these wait for nobody we know.
PARKED = f"""
    SELECT count(DISTINCT r.ref) FROM {WAITING}
     WHERE r.channel = %s AND r.delivery IS NULL AND r.ref IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM messengers_delivery d WHERE d.provider_ref = r.ref)"""
UNSETTLED = f"""
    SELECT EXISTS (SELECT 1 FROM {WAITING} JOIN messengers_delivery d
                     ON d.id = r.delivery OR d.provider_ref = r.ref)
        OR EXISTS (SELECT 1 FROM messengers_inboundevent WHERE status = 'waiting')
        OR EXISTS (SELECT 1 FROM messengers_dispatch WHERE status = 'running')
        OR EXISTS (SELECT 1 FROM messengers_recount WHERE is_stale)"""


def is_settled() -> bool:
    """Receipts are merged and counted, texts answered, answers sent."""
    return not _rows(UNSETTLED)[0][0]


def install() -> None:
    """Set the triggers, as the owner of the tables."""
    from django.db import connection, connections

    from config.databases import as_owner

    with as_owner():
        connection.ensure_connection()
        connection.connection.execute(INSTALL)
    connections.close_all()


def begin() -> int:
    """Where a run begins in the log: several may follow each other in one database."""
    return int(_rows("SELECT coalesce(max(id), 0) FROM chaos_log")[0][0])


def read(
    *,
    dispatch: UUID,
    channel: UUID,
    people: dict[UUID, str],
    provider_log: Path,
    answers: Iterable[Answer] = (),
    since: int = 0,
    call_seconds: float = 0.0,
) -> History:
    """Everything that was noted. `people`: address -> the identifier its provider is given."""
    ours = _rows("SELECT DISTINCT dispatch_id FROM messengers_delivery WHERE address = ANY(%s)",
                 [list(people)])  # fmt: skip
    history = told_of(dispatch, History(size=0))
    rows = _rows(ROWS, [[row[0] for row in ours]])
    history.rows = [Row(row[0], people[row[1]], *row[2:]) for row in rows]
    history.arrivals = list(_arrivals(provider_log))
    history.intents = [Intent(*row) for row in _rows(INTENTS, [since])]
    history.given_back = [GivenBack(*row) for row in _rows(GIVEN_BACK, [since])]
    history.changes = [Change(*row) for row in _rows(CHANGES, [since])]
    history.gates = [GateMove(*row) for row in _rows(GATES, [since])]
    history.consents = [Consent(*row) for row in _rows(CONSENTS)]
    told = [(_record_of(row[0]), row[1]) for row in _rows(AUDITS)]
    history.audits = [Audit(record, transaction) for record, transaction in told if record]
    history.answers = list(answers)
    history.parked = _rows(PARKED, [channel])[0][0]
    history.call_seconds = call_seconds
    return history


def told_of(dispatch: UUID, history: History) -> History:
    """The same history, with `dispatch` as its broadcast and what is reported of that."""
    from messengers.models import Dispatch
    from messengers.outbox import causes, counts

    chief = Dispatch.objects.get(id=dispatch)
    return replace(
        history,
        size=chief.size,
        dispatch=str(dispatch),
        status=chief.status,
        report=counts(dispatch),
        causes={cause: n for status, cause, n in causes(dispatch) if status == "in_doubt"},
    )


def _arrivals(log: Path) -> Iterable[Arrival]:
    from messengers.attempts import open_attempt

    for line in log.read_text().splitlines():
        entry = json.loads(line)
        attempt = open_attempt(str(entry["attempt"]))
        pair = (attempt.delivery, attempt.token) if attempt else (0, 0)
        yield Arrival(
            entry["at"], entry["to"], str(entry["attempt"]), *pair, frozenset(entry["fields"])
        )


def _record_of(entry: bytes) -> str:
    """Which consent record an audit entry names; "" for one about the ledger as a whole."""
    return str(json.loads(bytes(entry))["facts"].get("record", ""))


def _rows(statement: str, params: list[Any] | None = None) -> list[Any]:
    from messengers.sql import rows

    return rows(statement, params or [])
