"""Checking many pieces at once: each process has a connection of its own and takes the next one."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import psycopg
from django.db import connections

from privacy.audit.verify.chunks import CHUNK, Checked, Piece, check_piece

# So many pieces are worth starting processes for.
ALONE = 2
CONNECTION = ("host", "port", "user", "password", "dbname", "sslmode", "sslrootcert")


def cut(log: int, start: int, size: int, keys: tuple[str, ...]) -> list[Piece]:
    """The pieces from the one that holds `start` up to `size`."""
    first = start // CHUNK * CHUNK
    return [Piece(log, at, min(at + CHUNK, size), keys) for at in range(first, size, CHUNK)]


def check_all(pieces: Sequence[Piece], processes: int | None = None) -> Iterator[Checked]:
    """Every piece, checked, in order."""
    # One more than there are processors: while one waits for the disk, another one works.
    wanted = min(processes or (os.cpu_count() or 1) + 1, len(pieces))
    if wanted < ALONE or len(pieces) <= ALONE or connections["default"].in_atomic_block:
        for piece in pieces:
            with connections["default"].cursor() as cursor:
                yield check_piece(cursor, piece)  # type: ignore[arg-type]
        return
    with ProcessPoolExecutor(
        wanted,
        mp_context=multiprocessing.get_context("fork"),
        initializer=_connect,
        initargs=(_parameters(),),
    ) as pool:
        yield from pool.map(_check, pieces)


class _Own:
    """What a process of the pool has for itself."""

    line: psycopg.Connection[Any]


def _parameters() -> dict[str, Any]:
    known = connections["default"].get_connection_params()
    return {name: known[name] for name in CONNECTION if known.get(name)}


def _connect(parameters: dict[str, Any]) -> None:
    _Own.line = psycopg.connect(**parameters, autocommit=True)


def _check(piece: Piece) -> Checked:
    with _Own.line.cursor() as cursor:
        return check_piece(cursor, piece)
