"""Real signers and witnesses: `signer.py` as a process of its own, over its socket or HTTP."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clusters import PROJECT

SIGNER = PROJECT / "privacy" / "audit" / "signer.py"


def run_signer(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, str(SIGNER), *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
    )
    return done.stdout


@contextmanager
def signing(folder: Path, place: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A signer that serves `folder` at the socket `place`."""
    with _process("sign", str(folder), "--socket", str(place), *more) as process:
        deadline = time.monotonic() + 10
        while not _answers(place) and time.monotonic() < deadline:
            time.sleep(0.02)
        yield process


@contextmanager
def witnessing(folder: Path, name: str) -> Iterator[str]:
    """A witness on a free port; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with _process("witness", str(folder), "--listen", f"127.0.0.1:{port}", "--name", name):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, str(SIGNER), *arguments], stderr=subprocess.DEVNULL, cwd="/"
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(os.fspath(place))
        except OSError:
            return False
    return True
