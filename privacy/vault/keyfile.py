"""The key file: the random half of every key that wraps keys, one line for each epoch.

    2 9fQ…=    (number of the epoch, 32 random bytes in base64)

A key that wraps keys comes from two halves: the root key, which is permanent, and the epoch's line,
which is deleted when its term is over. Without the line nothing opens that it wrapped: neither in a
forgotten copy of the keystore, nor for somebody who has the root key (docs/keys.md). So this file
is rewritten in one step and never kept in old copies, and several hosts share one.
"""

import base64
import binascii
import os
import stat
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from privacy.vault.errors import NoEpochs

HALF_BYTES = 32
MODE = 0o400
TITLE = "# Jawort: one half of each key that wraps keys. No old copies of this file: docs/keys.md\n"


def path() -> Path | None:
    """Where the file is, or would be; None where the root key comes from the environment alone."""
    named: Path | None = settings.JAWORT_EPOCHS_FILE
    return named


def halves() -> dict[int, bytes]:
    """All lines of the file; empty when there is none. Raises `ImproperlyConfigured`."""
    file = path()
    try:
        if file is None or not file.exists():
            return {}
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ImproperlyConfigured(f"{file} may be read by others: run `chmod 0400 {file}`.")
        return parsed(file.read_text(encoding="ascii"))
    except (OSError, ValueError, binascii.Error):
        raise ImproperlyConfigured(f"{file} cannot be read: restore the copy of it.") from None


def parsed(text: str) -> dict[int, bytes]:
    """The lines of a key file; raises `ValueError` for anything that is none."""
    found: dict[int, bytes] = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            number, _, half = line.strip().partition(" ")
            found[int(number)] = base64.b64decode(half, validate=True)
    if any(len(half) != HALF_BYTES or number < 1 for number, half in found.items()):
        raise ValueError("a line of the key file has another length.")
    return found


def written(lines: dict[int, bytes]) -> str:
    rows = (f"{number} {base64.b64encode(half).decode()}\n" for number, half in lines.items())
    return TITLE + "".join(rows)


def can_write() -> bool:
    """Whether this process can replace the file: epochs need it."""
    file = path()
    return file is not None and os.access(file.parent, os.W_OK | os.X_OK)


def add(number: int) -> None:
    """Add a random line for the epoch `number`, on the disk before we return; harmless if there.

    Raises `NoEpochs` where there is no file to write.
    """
    if number not in (known := halves()):
        _replace({**known, number: os.urandom(HALF_BYTES)})


def remove(number: int) -> bool:
    """Destroy the line of an epoch; whether there was one."""
    known = halves()
    if number not in known:
        return False
    _replace({one: half for one, half in known.items() if one != number})
    return True


def _replace(lines: dict[int, bytes]) -> None:
    file = path()
    if file is None:
        raise NoEpochs(
            "the root key comes from the environment alone, so there is no place for key epochs:"
            " set JAWORT_KEY_FILE, or JAWORT_EPOCHS_FILE to a file that Jawort may write."
        )
    try:
        write_private(file.resolve(), written(dict(sorted(lines.items()))))
    except OSError as error:
        raise NoEpochs(
            f"{file} cannot be replaced ({error.strerror}): let Jawort's user write in its folder,"
            " or run `manage.py rotate_keys` as a user who may."
        ) from None


def write_private(file: Path, text: str) -> None:
    """Replace `file` in one step: readers see the old or the new one, a power cut leaves one."""
    root = Path(settings.JAWORT_KEY_FILE)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    try:
        with os.fdopen(descriptor, "w") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        if os.geteuid() == 0:  # an administrator rotates for Jawort's own user
            model = next((one for one in (file, root) if one.exists()), file.parent).stat()
            os.chown(unfinished, model.st_uid, model.st_gid)
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
