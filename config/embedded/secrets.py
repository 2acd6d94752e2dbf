"""The secrets of an embedded house, made at its first start and readable by its owner alone."""

import base64
import os
import secrets
from pathlib import Path

ROOT_KEY_BYTES = 32


def make_secrets(folder: Path) -> None:
    """Make what is missing; nothing is ever replaced: without the key, all data are lost."""
    folder.mkdir(mode=0o700, exist_ok=True)
    _make(folder / "root.key", base64.b64encode(secrets.token_bytes(ROOT_KEY_BYTES)).decode())
    _make(folder / "secret.key", secrets.token_urlsafe(64))


def _make(file: Path, value: str) -> None:
    if file.exists():
        return
    unfinished = file.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(value + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    os.rename(unfinished, file)
