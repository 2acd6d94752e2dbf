"""PostgreSQL's own programs, told where a database is without its password on the command line."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from psycopg.conninfo import make_conninfo

from config.backups.errors import BackupError
from config.embedded.home import Home

ERROR_LETTERS = 400


def program(name: str) -> str:
    """pg_dump and its kin: the newest there is, because they refuse servers newer than they are."""
    own = Home.of(settings.JAWORT_VAR).binaries / "bin" / name
    found = [str(own)] if own.exists() else []
    if not settings.EMBEDDED and (other := shutil.which(name)):
        found.append(other)
    if not found:
        raise BackupError(
            f"{name} is not installed: install PostgreSQL's client programs (postgresql-client)."
        )
    return max(found, key=major_of) if len(found) > 1 else found[0]


def major_of(path: str) -> int:
    """The major version that a program says of itself: `pg_dump (PostgreSQL) 18.4`."""
    said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    number = re.search(r"\) (\d+)", said)
    return int(number[1]) if number else 0


@dataclass(frozen=True)
class Server:
    """How the owner of the tables reaches one database: for reading all of it, and making it."""

    conninfo: str
    password: str

    @classmethod
    def of(cls, alias: str) -> "Server":
        values = settings.OWNER_DATABASES[alias]
        options = {k: v for k, v in values["OPTIONS"].items() if isinstance(v, str)}
        known = {
            "host": values["HOST"],
            "port": values["PORT"],
            "user": values["USER"],
            "dbname": values["NAME"],
        }
        given = {name: value for name, value in known.items() if value}
        return cls(make_conninfo("", **given, **options), values["PASSWORD"])

    def environment(self) -> dict[str, str]:
        return {**os.environ, **({"PGPASSWORD": self.password} if self.password else {})}

    def command(self, name: str, arguments: Sequence[str]) -> list[str]:
        return [program(name), "--dbname", self.conninfo, "--no-password", *arguments]


def run(server: Server, name: str, arguments: Sequence[str], doing: str) -> None:
    """Run one program to its end; what it writes is for its owner alone."""
    done = subprocess.run(
        server.command(name, arguments),
        env=server.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        umask=0o077,
    )
    if done.returncode:
        raise BackupError(f"{doing} failed: {said(done.stderr)}")


def said(errors: Any) -> str:
    """What a program of PostgreSQL complained about. Its own words, of which values are no part:
    the server is asked for terse errors.
    """
    text = errors.decode(errors="replace") if isinstance(errors, bytes) else str(errors)
    lines = [line for line in text.strip().splitlines() if "CONTEXT:" not in line]
    return " ".join(lines)[:ERROR_LETTERS] or "no reason was given."


def version(name: str) -> str:
    done = subprocess.run([program(name), "--version"], capture_output=True, text=True)
    return done.stdout.strip()


def private_folder(folder: Path) -> Path:
    """`folder`, made if it is missing, for its owner alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        resolved = folder.resolve()
        probe = resolved / f".probe-{os.getpid()}"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise BackupError(
            f"{folder} cannot be written ({error.strerror}): make it writable for this user."
        ) from None
    return resolved
