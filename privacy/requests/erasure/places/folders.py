"""Files: whatever lies under `var/` and in the folders of packages, pictures, queue and logs."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from privacy.requests.erasure.places.base import Look, Seekers, Whose

CHUNK_BYTES = 1 << 20
SLICE_BYTES = 64 << 20
# What is no part of the house, and what is read in another way. The simulator's phones and the
# demo's letterbox stand for other people's devices; `secrets` holds keys; the clusters' files are
# the tables.
LEFT_OUT = frozenset({"simulator", "mailbox", "secrets", "postgresql"})


@dataclass(frozen=True)
class Folder:
    kind: str
    path: Path
    left_out: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return f"file in {self.kind}"

    def size(self) -> int:
        return sum(_size(self.path / name) for name in self._files())

    def look(self, at: str, seekers: Seekers) -> Look:
        """Whole files, until there are enough of them."""
        found: set[Whose] = set()
        size = 0
        for name in self._files():
            if name <= at:
                continue
            hits, length = _look_into(self.path / name, seekers)
            found |= hits
            size += length
            if size >= SLICE_BYTES:
                return Look(frozenset(found), name, size)
        return Look(frozenset(found), None, size)

    def files_with(self, seekers: Seekers) -> Iterator[Path]:
        for name in self._files():
            if _look_into(self.path / name, seekers)[0]:
                yield self.path / name

    def _files(self) -> list[str]:
        """Paths below the folder, in order."""
        return sorted(_below(self.path, self.left_out))


def folders() -> Iterator[Folder]:
    """Every folder of files that could hold something of a person, the inner ones by themselves."""
    var = Path(settings.JAWORT_VAR)
    named = {name: path.resolve() for name, path in _named() if path.is_dir()}
    for name, path in named.items():
        yield Folder(name, path)
    if var.is_dir():
        inside = {path.name for path in named.values() if path.parent == var.resolve()}
        yield Folder("var", var.resolve(), LEFT_OUT | inside)


def _named() -> Iterator[tuple[str, Path]]:
    yield "exports", Path(settings.JAWORT_EXPORT_DIR)
    yield "media", Path(settings.JAWORT_MEDIA_DIR)
    yield "logs", Path(settings.JAWORT_VAR) / "log"
    options: dict[str, Any] = dict(settings.CELERY_BROKER_TRANSPORT_OPTIONS)
    if options.get("folder"):
        yield "broker", Path(options["folder"])
    results = str(settings.CELERY_RESULT_BACKEND or "")
    if results.startswith("file://"):
        yield "results", Path(results.removeprefix("file://"))
    cache = settings.CACHES["default"]
    if cache["BACKEND"].endswith(".FileBasedCache"):
        yield "cache", Path(str(cache["LOCATION"]))


def _below(folder: Path, left_out: frozenset[str]) -> Iterator[str]:
    for root, names, files in os.walk(folder):
        if Path(root) == folder:
            names[:] = [name for name in names if name not in left_out]
        for file in files:
            path = Path(root) / file
            if path.is_file() and not path.is_symlink():
                yield str(path.relative_to(folder))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # it has gone meanwhile


def _look_into(path: Path, seekers: Seekers) -> tuple[set[Whose], int]:
    """Its name, and its content in pieces that overlap, so that nothing hides on a border. A file
    that goes is no find.
    """
    found = set(seekers.finder.in_bytes(os.fsencode(path.name)))
    tail, size = b"", 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                window = tail + chunk
                found |= seekers.finder.in_bytes(window)
                tail = window[-seekers.finder.longest :]
                size += len(chunk)
    except FileNotFoundError:
        pass
    return found, size
