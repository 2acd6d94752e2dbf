"""One private PostgreSQL cluster: made, configured, started, stopped; reached by a socket only."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from config.embedded.home import APP, DATABASE, OWNER, Home, HouseError, ServerUser, server_user

SUPERUSER = "postgres"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
STEP_SECONDS = 0.05

# No TCP; and no value of a statement ever in the log: a unique violation would quote the row.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "80",
    "shared_buffers": "128MB",
    "jit": "off",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "120s",
    "timezone": "UTC",
}
# For tests alone: a power cut would destroy such a cluster.
UNSAFE_AND_FAST: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_wal_size": "4GB",
}


@dataclass(frozen=True)
class Cluster:
    name: str
    data: Path
    sockets: Path
    binaries: Path
    user: ServerUser
    log: Path
    extra: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def at(
        cls, home: Home, name: str, log: Path, extra: Mapping[str, str] | None = None
    ) -> "Cluster":
        return cls(
            name=name,
            data=home.cluster(name),
            sockets=home.socket_folder(name),
            binaries=home.binaries,
            user=server_user(home.folder),
            log=log,
            extra=extra or {},
        )

    def program(self, name: str) -> str:
        return str(self.binaries / "bin" / name)

    def make(self) -> None:
        """Make the cluster unless it is there; a half-made one of a killed start is redone."""
        if (self.data / "jawort.conf").exists():
            self._refuse_other_version()
            return
        if self.data.exists():
            shutil.rmtree(self.data)
        self.data.mkdir(mode=0o700)
        os.chown(self.data, self.user.uid, self.user.gid)
        done = subprocess.run(
            [
                *(self.program("initdb"), "--pgdata", str(self.data), "--username", SUPERUSER),
                *("--auth", "peer", "--encoding", "UTF8", "--locale-provider", "builtin"),
                *("--builtin-locale", "C.UTF-8", "--locale", "C", "--no-instructions"),
                *(["--no-sync"] if "fsync" in self.extra else []),
            ],
            cwd="/",
            capture_output=True,
            text=True,
            **self.user.run_options(),
        )
        if done.returncode:
            raise HouseError(f"PostgreSQL could not make its cluster: {done.stderr.strip()[-300:]}")

    def configure(self) -> None:
        """Write the server's settings and who may connect; done before every start."""
        values = {**SETTINGS, **self.extra, "unix_socket_directories": str(self.sockets)}
        lines = [f"{name} = '{value}'" for name, value in values.items()]
        self._write("pg_hba.conf", ["local all,replication all peer map=jawort"])
        names = {self.user.name, pwd.getpwuid(os.geteuid()).pw_name}
        self._write(
            "pg_ident.conf",
            [f'jawort "{who}" {role}' for who in sorted(names) for role in (SUPERUSER, OWNER, APP)],
        )
        self._write("postgresql.conf", lines)
        self._write("jawort.conf", ["# The cluster is complete."])
        self.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(self.sockets, self.user.uid, self.user.gid)
        self.sockets.chmod(0o700)

    def _write(self, name: str, lines: list[str]) -> None:
        file = self.data / name
        file.write_text("\n".join(lines) + "\n")
        os.chown(file, self.user.uid, self.user.gid)
        file.chmod(0o600)

    def _refuse_other_version(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        ours = self.binaries.name.removeprefix("pginstall")
        if ours.isdigit() and ours != found:
            raise HouseError(
                f"The data in {self.data} are PostgreSQL {found}'s, and PostgreSQL {ours} is"
                " installed: docs/operating.md, section Upgrade, says how to move them."
            )

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server as a child; `wait_ready` tells when it can be used."""
        self.clear_stale_lock()
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [self.program("postgres"), "-D", str(self.data)],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.user.run_options(),
            )

    def clear_stale_lock(self) -> None:
        """Remove the lock files of a killed server, once none of its processes lives any more.

        PostgreSQL believes a lock file as long as any process has that id, even a dead one that
        nobody has buried, and in a container ids repeat. The servers' processes all stand in the
        data folder, so that is what we ask.
        """
        running = list(self.processes())
        chief = self._postmaster()
        for pid in [chief] if chief in running else running:
            _end(pid, signal.SIGINT if pid == chief else signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(self.processes()):
            if time.monotonic() > deadline:
                raise HouseError(f"A PostgreSQL server still uses {self.data}: stop it first.")
            time.sleep(STEP_SECONDS)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for file in self.sockets.glob(".s.PGSQL.*"):
            file.unlink()

    def _postmaster(self) -> int:
        try:
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return 0

    def processes(self) -> Iterator[int]:
        """The ids of the processes that stand in the data folder."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if os.readlink(entry / "cwd") == str(self.data.resolve()):
                        yield int(entry.name)
                except OSError:
                    continue

    def wait_ready(self, process: subprocess.Popen[bytes], seconds: float = START_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while True:
            if process.poll() is not None:
                raise HouseError(f"PostgreSQL ({self.name}) did not start: see {self.log}.")
            try:
                with self.connect():
                    return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise HouseError(
                        f"PostgreSQL ({self.name}) is not ready: see {self.log}."
                    ) from None
            time.sleep(STEP_SECONDS)

    def connect(self, database: str = "postgres", role: str = SUPERUSER) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.sockets), user=role, dbname=database, autocommit=True, connect_timeout=5
        )

    def furnish(self) -> None:
        """Make the two roles and the database; harmless when they are there.

        The owner makes tables and is used by `manage.py setup_databases` alone; the app's role
        gets only the rights that are granted there.
        """
        with self.connect() as connection:
            for role in (OWNER, APP):
                if not _exists(connection, "pg_roles", "rolname", role):
                    connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            if not _exists(connection, "pg_database", "datname", DATABASE):
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(DATABASE), sql.Identifier(OWNER)
                    )
                )
            for statement in (
                "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
                "GRANT CONNECT ON DATABASE {database} TO {app}",
                "ALTER ROLE {app} SET statement_timeout = '300s'",
            ):
                names = {"database": sql.Identifier(DATABASE), "app": sql.Identifier(APP)}
                connection.execute(sql.SQL(statement).format(**names))


def _exists(connection: psycopg.Connection, table: str, column: str, value: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(
        sql.Identifier(table), sql.Identifier(column)
    )
    return connection.execute(query, [value]).fetchone() is not None


def stop(process: subprocess.Popen[bytes], seconds: float = STOP_SECONDS) -> None:
    """Stop a server: open connections are cut, everything committed is on disk."""
    _end(process.pid, signal.SIGINT)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        _end(process.pid, signal.SIGQUIT)
        process.wait(seconds)


def _end(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return
