"""Files of pictures that go out: found by a key of our own making and by nothing else.

Whoever takes pictures in (the broadcasts) stores them here; the engine reads them for `prepare`.
"""

import os
import re
import secrets
from pathlib import Path

from django.conf import settings

KEY = re.compile(r"[0-9a-f]{32}\.(?:jpg|png)")
SUFFIXES = {"image/jpeg": "jpg", "image/png": "png"}


def path_of(key: str) -> Path:
    """Where the file of `key` lies; `ValueError` for anything that is no key."""
    if not KEY.fullmatch(key):
        raise ValueError("This is no key of a stored picture.")
    return Path(settings.JAWORT_MEDIA_DIR) / key


def store(data: bytes, media_type: str) -> str:
    """Write a new file, readable by us alone, and return its key: 128 random bits."""
    key = f"{secrets.token_hex(16)}.{SUFFIXES[media_type]}"
    path = path_of(key)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return key


def read(key: str) -> bytes:
    """The bytes of the file; `FileNotFoundError` when it is gone."""
    return path_of(key).read_bytes()


def remove(key: str) -> None:
    """Delete the file; gone already is fine."""
    path_of(key).unlink(missing_ok=True)


def stored_keys() -> set[str]:
    """The keys of all files there are."""
    return {
        path.name for path in Path(settings.JAWORT_MEDIA_DIR).glob("*") if KEY.fullmatch(path.name)
    }
