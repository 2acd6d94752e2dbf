"""Private PostgreSQL clusters for tests, ended with the process that asked for them.

A guardian process owns the servers. It reads its standard input and stops everything when that
closes, so even a killed test run leaves neither a server nor a folder behind.

    with TemporaryClusters() as clusters:
        clusters.home.socket_folder("data")
"""

import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from config.embedded.cluster import UNSAFE_AND_FAST, Cluster, stop
from config.embedded.home import CLUSTERS, OWNER, Home

PROJECT = Path(__file__).resolve().parent.parent


class TemporaryClusters:
    """Both clusters, with fsync off, in a folder of their own; a context manager."""

    def __init__(self, names: tuple[str, ...] = CLUSTERS) -> None:
        self.names = names

    def start(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="jawort-test-"))
        self.guardian = subprocess.Popen(
            [sys.executable, "-m", "tests.clusters", str(self.folder), *self.names],
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


def cluster_in(folder: Path, name: str) -> Cluster:
    return Cluster.at(Home.of(folder), name, folder / f"{name}.log", UNSAFE_AND_FAST)


def guard(folder: Path, names: list[str]) -> None:
    """Start the clusters, say so, wait until nobody holds our standard input, clean up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.stdin.close())
    folder.chmod(0o711)
    home = Home.decide(folder)
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
        for leftover in {folder, home.folder, home.sockets}:
            shutil.rmtree(leftover, ignore_errors=True)


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
    guard(Path(sys.argv[1]), sys.argv[2:])
