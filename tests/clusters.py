"""Private PostgreSQL clusters for tests, ended with the process that asked for them.

A guardian process owns the servers. It reads its standard input and stops everything when that
closes, so even a killed test run leaves neither a server nor a folder behind.

    with TemporaryClusters() as clusters:
        clusters.home.socket_folder("data")

A run that has migrated its template leaves the stopped clusters behind as a store for the next run
with the same migrations, which then starts in a second. Deleting the store is always safe.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Self

from config.embedded.cluster import UNSAFE_AND_FAST, Cluster, stop
from config.embedded.home import CLUSTERS, OWNER, Home

PROJECT = Path(__file__).resolve().parent.parent
STORES_KEPT = 3
READABLE = {"wal_level": "logical"}  # tests/stopping reads the order of commits
SETTINGS = "settings.json"  # what a run wants of its servers, beside fast and unsafe
MEMORY = Path("/dev/shm")
MEMORY_BYTES_AT_LEAST = 8 * 1024**3  # databases of all workers, and their write-ahead logs


class TemporaryClusters:
    """Both clusters, with fsync off, in a folder of their own; a context manager.

    `settings`: what the servers are to be told beside or instead of that.
    """

    def __init__(
        self,
        names: tuple[str, ...] = CLUSTERS,
        store: Path | None = None,
        *,
        on_disk: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.names = names
        self.store = store
        self.settings = dict(settings or {})
        self.place = None if on_disk else in_memory()

    def start(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="jawort-test-", dir=self.place))
        (self.folder / SETTINGS).write_text(json.dumps(self.settings))
        self.guardian = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.clusters"),
                *(str(self.folder), str(self.store or ""), *self.names),
            ],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.guardian.stdout
        if self.guardian.stdout.readline() != b"ready\n":
            raise RuntimeError("The test clusters did not start.")
        self.home = Home.of(self.folder)
        return self

    def stop(self) -> None:
        self.guardian.communicate(timeout=60)

    def cluster(self, name: str) -> Cluster:
        return cluster_in(self.folder, name)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


def in_memory() -> str | None:
    """A folder that needs no disk, if there is one with room: a third of a run was waiting."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_AT_LEAST:
        return str(MEMORY)
    return None


def cluster_in(folder: Path, name: str) -> Cluster:
    given = folder / SETTINGS
    extra = {
        **UNSAFE_AND_FAST,
        **READABLE,
        **(json.loads(given.read_text()) if given.exists() else {}),
    }
    return Cluster.at(Home.of(folder), name, folder / f"{name}.log", extra)


def guard(folder: Path, store: Path | None, names: list[str]) -> None:
    """Start the clusters, say so, wait until nobody holds our standard input, clean up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.stdin.close())
    folder.chmod(0o711)
    home = Home.decide(folder)
    if store and store.exists():
        _copy(store, home, names)
    servers = []
    try:
        with ThreadPoolExecutor() as threads:
            for server in threads.map(lambda name: _start(folder, name), names):
                servers.append(server)
        print("ready", flush=True)
        sys.stdin.buffer.read()
    finally:
        for server in servers:
            stop(server)
        if store and not store.exists() and all(is_prepared(folder, name) for name in names):
            _keep(home, store, names)
        for leftover in {folder, home.folder, home.sockets}:
            shutil.rmtree(leftover, ignore_errors=True)


def _copy(store: Path, home: Home, names: list[str]) -> None:
    """Begin with what is on the shelf; with nothing if another run clears it away meanwhile."""
    try:
        os.utime(store)
        for name in names:
            subprocess.run(["cp", "-a", store / name, home.cluster(name)], check=True)
    except (OSError, subprocess.CalledProcessError):
        for name in names:
            shutil.rmtree(home.cluster(name), ignore_errors=True)


def prepared(folder: Path, name: str) -> Path:
    """The file that says that a cluster holds a whole template and nothing else."""
    return folder / f"{name}.prepared"


def is_prepared(folder: Path, name: str) -> bool:
    return prepared(folder, name).exists()


def store_for(*sources: Path) -> Path | None:
    """Where clusters that were migrated with just these files are kept; None if that is unsafe."""
    shelf = Path(tempfile.gettempdir()) / f"jawort-test-store-{os.geteuid()}"
    shelf.mkdir(mode=0o711, exist_ok=True)
    if shelf.stat().st_uid != os.geteuid():
        return None
    digest = sha256()
    for source in sorted(sources):
        digest.update(str(source).encode() + b"\0" + source.read_bytes() + b"\0")
    return shelf / digest.hexdigest()[:16]


def _keep(home: Home, store: Path, names: list[str]) -> None:
    """Put the stopped clusters on the shelf, whole or not at all, and clear out the oldest."""
    unfinished = Path(tempfile.mkdtemp(dir=store.parent))
    unfinished.chmod(0o711)
    for name in names:  # perhaps from memory to disk, so this is no renaming
        subprocess.run(["cp", "-a", home.cluster(name), unfinished / name], check=True)
    try:
        os.rename(unfinished, store)
    except OSError:  # another run was first
        shutil.rmtree(unfinished, ignore_errors=True)
    by_age = sorted(store.parent.iterdir(), key=lambda kept: kept.stat().st_mtime)
    for old in by_age[:-STORES_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _start(folder: Path, name: str) -> subprocess.Popen[bytes]:
    cluster = cluster_in(folder, name)
    cluster.make()
    cluster.configure()
    server = cluster.start()
    cluster.wait_ready(server)
    cluster.furnish()
    with cluster.connect() as connection:
        connection.execute(f"ALTER ROLE {OWNER} CREATEDB")
        connection.execute(f"GRANT jawort_app TO {OWNER}")
    return server


if __name__ == "__main__":
    folder_, store_, *names_ = sys.argv[1:]
    guard(Path(folder_), Path(store_) if store_ else None, names_)
