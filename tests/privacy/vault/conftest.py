"""A key file of its own for each test, and a process that remembers nothing of the one before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from privacy.vault import system, wrapping


@pytest.fixture
def key_file(tmp_path: Path, settings) -> Iterator[Path]:
    """Where the key file will be: the keystore begins with its first line."""
    settings.JAWORT_EPOCHS_FILE = tmp_path / "keys" / "epochs.key"
    settings.JAWORT_EPOCHS_FILE.parent.mkdir(mode=0o700)
    forget_all()
    yield settings.JAWORT_EPOCHS_FILE
    forget_all()


def forget_all() -> None:
    """As if the process had just begun."""
    wrapping.forget()
    system._remembered.clear()
