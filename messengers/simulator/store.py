"""What the simulator keeps: phones, their chats, pictures and hooks waiting to be delivered.

It plays the other people's phones and the provider between, so it has a small SQLite file of its
own under `var/`, apart from Jawort's databases: what Jawort erases is not thereby gone from
somebody's phone. Only the demo has one.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

PHONES_SHOWN = 30
MESSAGES_SHOWN = 100
MESSAGES_KEPT = 500  # per chat
BUSY_MS = 10_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS account (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, hook_url TEXT NOT NULL, hook_secret TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS phone (
    id TEXT PRIMARY KEY, number TEXT NOT NULL UNIQUE, name TEXT NOT NULL DEFAULT '',
    changed_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS phone_recent ON phone (changed_at);
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, ref TEXT NOT NULL UNIQUE, account TEXT NOT NULL,
    number TEXT NOT NULL, is_ours INTEGER NOT NULL, text TEXT NOT NULL, buttons TEXT NOT NULL,
    media TEXT NOT NULL, alt TEXT NOT NULL, attempt TEXT NOT NULL, at REAL NOT NULL,
    state TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS message_chat ON message (number, account, id);
CREATE INDEX IF NOT EXISTS message_unread ON message (number) WHERE state = 'delivered';
CREATE TABLE IF NOT EXISTS media (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, type TEXT NOT NULL, data BLOB NOT NULL,
    at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS block (
    account TEXT NOT NULL, number TEXT NOT NULL, PRIMARY KEY (account, number));
CREATE TABLE IF NOT EXISTS hook (
    id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, is_text INTEGER NOT NULL,
    event TEXT NOT NULL, message TEXT NOT NULL, due_at REAL NOT NULL, tries INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS hook_due ON hook (due_at);
"""


@dataclass(frozen=True, slots=True)
class Received:
    """A message that the API took for a phone."""

    account: str
    number: str
    text: str
    attempt: str
    buttons: list[dict[str, str]]
    media: str = ""
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message of a chat. `is_ours`: the phone's owner wrote it. `state`: see `STATES`."""

    id: int
    ref: str
    is_ours: bool
    text: str
    buttons: list[dict[str, str]]
    media: str
    alt: str
    at: float
    state: str


@dataclass(frozen=True, slots=True)
class Phone:
    id: str
    number: str
    name: str
    unread: int = 0


# A message to the phone is delivered, then read; one from it is sent, then taken by the hook.
STATES = ("delivered", "read", "sent", "taken")

_local = threading.local()


def folder() -> Path:
    return Path(settings.JAWORT_VAR) / "simulator"


def connection() -> sqlite3.Connection:
    """This thread's connection; the file is made when there is none."""
    path = str(folder() / "simulator.sqlite3")
    here = (path, os.getpid())
    if getattr(_local, "here", None) != here:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_MS / 1000)
        os.chmod(path, 0o600)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA journal_mode=WAL")
        # A power cut may cost the demo its last messages, never its file.
        db.execute("PRAGMA synchronous=NORMAL")
        db.executescript(SCHEMA)
        _local.db, _local.here = db, here
    db = _local.db
    assert isinstance(db, sqlite3.Connection)
    return db


@contextlib.contextmanager
def writing() -> Iterator[sqlite3.Connection]:
    """One transaction that writes; everything or nothing."""
    db = connection()
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


# --- Accounts and pictures --------------------------------------------------------------------


def save_account(account: str, name: str, hook_url: str, hook_secret: str) -> None:
    """Remember where an account's hooks go."""
    with writing() as db:
        db.execute(
            "INSERT INTO account VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " name = excluded.name, hook_url = excluded.hook_url,"
            " hook_secret = excluded.hook_secret",
            (account, name, hook_url, hook_secret),
        )


def hook_of(account: str) -> tuple[str, str] | None:
    """(address, secret) of an account's hook."""
    row = (
        connection()
        .execute("SELECT hook_url, hook_secret FROM account WHERE id = ?", (account,))
        .fetchone()
    )
    return (row[0], row[1]) if row else None


def save_media(account: str, media_type: str, data: bytes) -> str:
    """Keep a picture; the id is hard to guess."""
    media = secrets.token_urlsafe(16)
    with writing() as db:
        db.execute(
            "INSERT INTO media VALUES (?, ?, ?, ?, ?)",
            (media, account, media_type, data, time.time()),
        )
    return media


def media(media_id: str) -> tuple[str, bytes] | None:
    """(type, data) of a picture."""
    row = connection().execute("SELECT type, data FROM media WHERE id = ?", (media_id,)).fetchone()
    return (row[0], row[1]) if row else None


# --- Messages to phones -----------------------------------------------------------------------


def blocked(account: str, numbers: Iterable[str]) -> set[str]:
    """Those of the numbers that block the account."""
    marks = list(numbers)
    rows = connection().execute(
        f"SELECT number FROM block WHERE account = ? AND number IN ({','.join('?' * len(marks))})",
        (account, *marks),
    )
    return {row[0] for row in rows}


def receive(messages: list[Received]) -> list[str]:
    """Put messages on phones, in one transaction, with their receipts; gives their ids."""
    now = time.time()
    refs = [f"sim-{secrets.token_hex(12)}" for _ in messages]
    with writing() as db:
        db.executemany(
            "INSERT INTO phone VALUES (?, ?, '', ?)"
            " ON CONFLICT (number) DO UPDATE SET changed_at = excluded.changed_at",
            [(secrets.token_hex(8), message.number, now) for message in messages],
        )
        db.executemany(
            "INSERT INTO message (ref, account, number, is_ours, text, buttons, media, alt,"
            " attempt, at, state) VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, 'delivered')",
            [
                (
                    ref,
                    m.account,
                    m.number,
                    m.text,
                    json.dumps(m.buttons),
                    m.media,
                    m.alt,
                    m.attempt,
                    now,
                )
                for ref, m in zip(refs, messages, strict=True)
            ],
        )
        _add_hooks(
            db,
            [
                (m.account, receipt(ref, m.attempt, "delivered", now), "")
                for ref, m in zip(refs, messages, strict=True)
            ],
        )
    return refs


def receipt(ref: str, attempt: str, status: str, at: float) -> dict[str, Any]:
    return {
        "type": "receipt",
        "id": f"{ref}-{status}",
        "at": at,
        "message": ref,
        "attempt": attempt,
        "status": status,
    }


# --- Phones -----------------------------------------------------------------------------------


def phone_of(number: str) -> Phone:
    """The phone with this number; it is made if there is none."""
    with writing() as db:
        db.execute(
            "INSERT INTO phone VALUES (?, ?, '', ?) ON CONFLICT (number) DO NOTHING",
            (secrets.token_hex(8), number, time.time()),
        )
    row = (
        connection()
        .execute("SELECT id, number, name FROM phone WHERE number = ?", (number,))
        .fetchone()
    )
    return Phone(row["id"], row["number"], row["name"])


def phone(phone_id: str) -> Phone | None:
    row = (
        connection()
        .execute("SELECT id, number, name FROM phone WHERE id = ?", (phone_id,))
        .fetchone()
    )
    return Phone(row["id"], row["number"], row["name"]) if row else None


def phones() -> list[Phone]:
    """The phones where something happened last."""
    rows = connection().execute(
        "SELECT id, number, name, (SELECT count(*) FROM message WHERE message.number ="
        " phone.number AND state = 'delivered') AS unread"
        " FROM phone ORDER BY changed_at DESC LIMIT ?",
        (PHONES_SHOWN,),
    )
    return [Phone(row["id"], row["number"], row["name"], row["unread"]) for row in rows]


def count_phones() -> int:
    return int(connection().execute("SELECT count(*) FROM phone").fetchone()[0])


def rename(phone_id: str, name: str) -> None:
    """The name that the phone's owner shows to others."""
    with writing() as db:
        db.execute("UPDATE phone SET name = ? WHERE id = ?", (name, phone_id))


def chat(number: str, account: str) -> list[Bubble]:
    """The last messages of a chat, oldest first."""
    rows = connection().execute(
        "SELECT * FROM (SELECT * FROM message WHERE number = ? AND account = ?"
        " ORDER BY id DESC LIMIT ?) ORDER BY id",
        (number, account, MESSAGES_SHOWN),
    )
    return [
        Bubble(
            row["id"],
            row["ref"],
            bool(row["is_ours"]),
            row["text"],
            json.loads(row["buttons"]),
            row["media"],
            row["alt"],
            row["at"],
            row["state"],
        )
        for row in rows
    ]


def version(number: str, account: str) -> str:
    """Changes whenever the chat looks different."""
    row = (
        connection()
        .execute(
            "SELECT coalesce(max(id), 0), coalesce(sum(state IN ('taken', 'read')), 0)"
            " FROM message WHERE number = ? AND account = ?",
            (number, account),
        )
        .fetchone()
    )
    return f"{row[0]}-{row[1]}-{int(is_blocked(account, number))}"


def mark_read(number: str, account: str) -> bool:
    """The owner looks at the chat: what was delivered is read now, and the sender is told."""
    db = connection()
    unread = "number = ? AND account = ? AND state = 'delivered'"
    if not db.execute(f"SELECT 1 FROM message WHERE {unread}", (number, account)).fetchone():
        return False
    now = time.time()
    with writing() as db:
        rows = db.execute(
            f"UPDATE message SET state = 'read' WHERE {unread} RETURNING ref, attempt",
            (number, account),
        ).fetchall()
        hooks = [(account, receipt(row[0], row[1], "read", now), "") for row in rows]
        _add_hooks(db, hooks)
    return True


def write(phone: Phone, account: str, text: str, *, payload: str = "", reply_to: str = "") -> None:
    """The owner writes to the account, or presses a button (`payload`)."""
    now = time.time()
    ref = f"in-{secrets.token_hex(12)}"
    event = {
        "type": "text",
        "id": ref,
        "at": now,
        "from": phone.number,
        "name": phone.name,
        "text": text,
        "payload": payload,
        "reply_to": reply_to,
    }
    with writing() as db:
        db.execute(
            "INSERT INTO message (ref, account, number, is_ours, text, buttons, media, alt,"
            " attempt, at, state) VALUES (?, ?, ?, 1, ?, '[]', '', '', '', ?, 'sent')",
            (ref, account, phone.number, text, now),
        )
        db.execute("UPDATE phone SET changed_at = ? WHERE id = ?", (now, phone.id))
        db.execute(
            "DELETE FROM message WHERE number = ? AND account = ? AND id <="
            " (SELECT id FROM message WHERE number = ? AND account = ?"
            "  ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (phone.number, account, phone.number, account, MESSAGES_KEPT),
        )
        _add_hooks(db, [(account, event, ref)])


def is_blocked(account: str, number: str) -> bool:
    return bool(blocked(account, [number]))


def block(phone: Phone, account: str) -> None:
    """The owner blocks the account; the platform tells it."""
    now = time.time()
    event = {
        "type": "opt_out",
        "id": f"block-{secrets.token_hex(12)}",
        "at": now,
        "from": phone.number,
        "cause": "blocked",
    }
    with writing() as db:
        added = db.execute(
            "INSERT OR IGNORE INTO block VALUES (?, ?)", (account, phone.number)
        ).rowcount
        if added:
            _add_hooks(db, [(account, event, "")])


def unblock(phone: Phone, account: str) -> None:
    """The owner lets the account write again. That is no consent, so nobody is told."""
    with writing() as db:
        db.execute("DELETE FROM block WHERE account = ? AND number = ?", (account, phone.number))


# --- Hooks ------------------------------------------------------------------------------------


def _add_hooks(db: sqlite3.Connection, hooks: list[tuple[str, dict[str, Any], str]]) -> None:
    """Queue events; `message` is the written message that is taken once the hook was answered."""
    db.executemany(
        "INSERT INTO hook (account, is_text, event, message, due_at, tries)"
        " VALUES (?, ?, ?, ?, 0, 0)",
        [
            (account, int(event["type"] != "receipt"), json.dumps(event), message)
            for account, event, message in hooks
        ],
    )


def take_hooks(limit: int, lease: float) -> tuple[str, list[int], list[dict[str, Any]]]:
    """Events due for one account, leased for `lease` seconds; texts before receipts.

    Gives (account, ids, events); an empty account when nothing is due.
    """
    now = time.time()
    db = connection()
    first = db.execute(
        "SELECT account, is_text FROM hook WHERE due_at <= ? ORDER BY is_text DESC, id LIMIT 1",
        (now,),
    ).fetchone()
    if not first:
        return "", [], []
    with writing() as db:
        rows = db.execute(
            "UPDATE hook SET due_at = ?, tries = tries + 1 WHERE id IN (SELECT id FROM hook"
            " WHERE due_at <= ? AND account = ? AND is_text = ? ORDER BY id LIMIT ?)"
            " RETURNING id, event",
            (now + lease, now, first["account"], first["is_text"], limit),
        ).fetchall()
    rows.sort(key=lambda row: row["id"])
    return first["account"], [row["id"] for row in rows], [json.loads(row["event"]) for row in rows]


def hooks_done(ids: list[int]) -> None:
    """The events were taken: forget them, and tick the messages they told of."""
    marks = ",".join("?" * len(ids))
    with writing() as db:
        db.execute(
            f"UPDATE message SET state = 'taken' WHERE ref IN"
            f" (SELECT message FROM hook WHERE id IN ({marks}) AND message <> '')",
            ids,
        )
        db.execute(f"DELETE FROM hook WHERE id IN ({marks})", ids)


def hooks_later(ids: list[int]) -> None:
    """The events were not taken: again after 1, 2, 4 … at most 60 seconds, for a day."""
    now = time.time()
    marks = ",".join("?" * len(ids))
    with writing() as db:
        db.execute(
            f"UPDATE hook SET due_at = ? + min(60, 1 << min(tries - 1, 6)) WHERE id IN ({marks})",
            (now, *ids),
        )
        db.execute(f"DELETE FROM hook WHERE id IN ({marks}) AND tries > 1500", ids)


def hooks_waiting() -> int:
    return int(connection().execute("SELECT count(*) FROM hook").fetchone()[0])
