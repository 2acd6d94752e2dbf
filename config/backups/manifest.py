"""What a copy is: a file beside it, without anybody's name or number."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from django.db import connections
from django.db.migrations.loader import MigrationLoader

from config.backups.errors import BackupError

FORMAT = 1
BLOCK = 1 << 20
PREFIX = "jawort-"


@dataclass(frozen=True)
class Manifest:
    """`migrations`: the last of each app; `epochs`: those whose keys this copy needs, each with
    the proof by which the right key is known.
    """

    format: int
    ref: str
    kind: str
    made_at: str
    file: str
    bytes: int
    sha256: str
    program: str
    generation: int
    migrations: dict[str, str]
    epochs: dict[str, str]

    def write(self, folder: Path) -> Path:
        path = (folder / self.file).with_suffix(".json")
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")
        return path

    @classmethod
    def of(cls, dump: Path) -> Self:
        """The manifest beside `dump`; `BackupError` if there is none of ours."""
        try:
            known = cls(**json.loads(dump.with_suffix(".json").read_text()))
        except (OSError, ValueError, TypeError):
            raise BackupError(
                f"{dump} has no manifest beside it: name a .dump file that `manage.py backup` made."
            ) from None
        if known.format != FORMAT:
            raise BackupError(f"{dump} was made by another version of Jawort: use that one.")
        return known

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.made_at)

    def confirm(self, dump: Path, kind: str, progress: Callable[[int], object]) -> None:
        """Raise `BackupError` unless `dump` is exactly what was written down, and of this kind."""
        if self.kind != kind:
            raise BackupError(f"{dump} is a copy of the {self.kind}, not of the {kind}.")
        try:
            digest = digest_of(dump, progress)
        except OSError:
            raise BackupError(f"{dump} cannot be read.") from None
        if digest != self.sha256:
            raise BackupError(f"{dump} is not what was copied (damaged or cut): take another copy.")

    def refuse_newer(self) -> None:
        """Raise `BackupError` if this program is older than the tables in the copy."""
        disk = MigrationLoader(None).disk_migrations
        unknown = [one for one in self.migrations.items() if one not in disk]
        if unknown:
            raise BackupError(
                "The copy was made by a newer version of Jawort: install that version first."
            )


def migrations_of(alias: str) -> dict[str, str]:
    """The last migration of each app that this database has had."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations ORDER BY id")
        return dict(cursor.fetchall())


def digest_of(file: Path, progress: Callable[[int], object] = lambda count: None) -> str:
    digest = sha256()
    with file.open("rb") as content:
        while block := content.read(BLOCK):
            digest.update(block)
            progress(len(block))
    return digest.hexdigest()


def copies_in(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The manifests of ours in `folder`, with what they say."""
    for path in sorted(folder.glob(f"{PREFIX}*.json")):
        try:
            known = json.loads(path.read_text())
            if isinstance(known, dict) and {"kind", "made_at", "file"} <= known.keys():
                yield path, known
        except (OSError, ValueError):
            continue


def delete_old(folder: Path, kind: str, keep: timedelta, now: datetime) -> int:
    """Delete the copies of `kind` that are older than `keep`, and what killed runs left."""
    deleted = 0
    for path, known in copies_in(folder):
        if known["kind"] == kind and datetime.fromisoformat(known["made_at"]) < now - keep:
            (folder / Path(str(known["file"])).name).unlink(missing_ok=True)
            path.unlink()
            deleted += 1
    for unfinished in folder.glob(f"{PREFIX}*.part"):
        if unfinished.stat().st_mtime < (now - timedelta(days=1)).timestamp():
            unfinished.unlink()
    return deleted
