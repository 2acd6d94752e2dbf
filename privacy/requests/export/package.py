"""The package as a file: made in memory, sealed under the person's key, and gone after its term."""

import hmac
import io
import json
import os
import secrets
import zipfile
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from privacy.ids import uuid7
from privacy.models import ExportPackage, Request
from privacy.requests.errors import PackageGone, WrongCode
from privacy.requests.export.portable import portable, portable_csv
from privacy.requests.export.report import report
from privacy.requests.export.tables import csv_files
from privacy.vault import KeyDestroyed, Where, open_sealed, seal, token_hash

# A file without a row is somebody's package in the making; after this it was left by a crash.
ABANDONED = timedelta(hours=1)
SCHEMAS = Path(__file__).resolve().parent.parent / "schema"
SCHEMA_FILE = SCHEMAS / "subject-export-1.json"
WRONG_CODES = 5  # a code has eight digits: nobody guesses it in five tries
NAME_BYTES = 24


def build(data: dict[str, Any]) -> bytes:
    """The ZIP: data.json with its schema, CSV files, the PDF, and a word on what is what."""
    files = {
        "data.json": json.dumps(data, ensure_ascii=False, indent=1).encode(),
        "schema.json": SCHEMA_FILE.read_bytes(),
        "report.pdf": report(data),
        "README.txt": _readme().encode(),
        **csv_files(data),
        **_portable_files(data),
    }
    return _zip(files, data["request"]["number"])


def build_portable(data: dict[str, Any]) -> bytes:
    """The ZIP for a request under Art. 20: what the person gave us, for another program."""
    files = {**_portable_files(data), "README.txt": _readme().encode()}
    return _zip(files, data["request"]["number"])


def staff_copy(packed: bytes, number: str, actor: str) -> bytes:
    """The same package with a file that says whose copy it is: one that turns up can be traced."""
    copied = io.BytesIO(packed)
    with zipfile.ZipFile(copied, "a", zipfile.ZIP_DEFLATED) as archive:
        words = _("Copy for staff. Request %(number)s, looked at by %(actor)s on %(at)s.")
        given = {"number": number, "actor": actor, "at": timezone.now().isoformat()}
        archive.writestr("STAFF-COPY.txt", words % given)
    return copied.getvalue()


def _portable_files(data: dict[str, Any]) -> dict[str, bytes]:
    return {
        "portable/portable.json": json.dumps(portable(data), ensure_ascii=False, indent=1).encode(),
        "portable/schema.json": (SCHEMAS / "portable-1.json").read_bytes(),
        **portable_csv(data),
    }


def _zip(files: dict[str, bytes], number: str) -> bytes:
    """Marked with the number of the request, so that a copy that turns up names its origin."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.comment = number.encode()
    return packed.getvalue()


def store(subject: UUID, packed: bytes) -> ExportPackage:
    """Seal `packed` into a file of a random name; the row is not yet saved."""
    package = ExportPackage(
        id=uuid7(), subject=subject, file_name=secrets.token_hex(NAME_BYTES), size_bytes=len(packed)
    )
    _write(package.file_name, seal(subject, "ops", _where(package), packed))
    return package


def read(package: ExportPackage) -> bytes:
    """The ZIP in clear; `PackageGone` if file, key or term is gone."""
    if package.destroyed_at or package.expires_at <= timezone.now():
        raise PackageGone
    try:
        sealed = _path(package.file_name).read_bytes()
        return open_sealed(package.subject, "ops", _where(package), sealed)
    except (FileNotFoundError, KeyDestroyed):
        raise PackageGone from None


def take(token: str) -> tuple[ExportPackage, bytes]:
    """The one download that a link allows: whoever comes second gets `PackageGone`.

    The file goes as soon as it was handed out; the row stays and says so.
    """
    with transaction.atomic():
        package = by_token(token, for_update=True)
        if package is None or package.downloaded_at:
            raise PackageGone
        packed = read(package)
        package.downloaded_at = timezone.now()
        package.save(update_fields=["downloaded_at"])
        destroy(package)
    return package, packed


def code_hash(package: ExportPackage, code: str) -> bytes:
    """What is kept of the code that went to the person's other channels."""
    return token_hash("package_code", f"{package.pk}:{code}")


def check_code(token: str, code: str) -> None:
    """Raise `WrongCode`, counted even so; the last wrong one destroys the package.

    A transaction of its own, so that the count stays whatever the caller does with the error.
    """
    with transaction.atomic():
        package = by_token(token, for_update=True)
        if package is None or package.code_hash is None or not is_available(package):
            return
        given = code_hash(package, "".join(code.split()))
        if hmac.compare_digest(given, bytes(package.code_hash)):
            return
        package.code_tries += 1
        package.save(update_fields=["code_tries"])
        if package.code_tries >= WRONG_CODES:
            destroy(package)
    raise WrongCode


def digest(packed: bytes) -> str:
    return sha256(packed).hexdigest()


def by_token(token: str, *, for_update: bool = False) -> ExportPackage | None:
    rows = ExportPackage.objects.select_related("request")
    if for_update:
        rows = rows.select_for_update(of=("self",))
    return rows.filter(token_hash=token_hash("package", token)).first()


def is_available(package: ExportPackage) -> bool:
    is_whole = package.downloaded_at is None and package.destroyed_at is None
    return is_whole and package.expires_at > timezone.now()


def destroy(package: ExportPackage) -> None:
    """Remove the file once the caller's transaction has committed; may run twice."""
    if package.destroyed_at is None:
        package.destroyed_at = timezone.now()
        package.save(update_fields=["destroyed_at"])
    transaction.on_commit(lambda: _path(package.file_name).unlink(missing_ok=True))


def destroy_all_of(subject: UUID) -> int:
    """Every package of a person, files first: a crash in between leaves no file behind."""
    packages = list(ExportPackage.objects.filter(subject=subject, destroyed_at=None))
    for package in packages:
        _path(package.file_name).unlink(missing_ok=True)
        ExportPackage.objects.filter(pk=package.pk).update(destroyed_at=timezone.now())
    return len(packages)


def expire_due(now: datetime) -> int:
    """Remove packages past their term and files that a crash left; close what was delivered."""
    due = list(ExportPackage.objects.filter(expires_at__lte=now, destroyed_at=None))
    for package in due:
        _path(package.file_name).unlink(missing_ok=True)
        ExportPackage.objects.filter(pk=package.pk).update(destroyed_at=now)
    return len(due) + _remove_abandoned(now)


def unclosed(now: datetime) -> list[Request]:
    """Delivered requests whose package is over: nobody can fetch it any more."""
    over = ExportPackage.objects.filter(destroyed_at__isnull=False, destroyed_at__lte=now)
    rows = Request.objects.filter(status=Request.Status.DELIVERED, packages__in=over)
    return list(rows.distinct())


def file_name(package: ExportPackage) -> str:
    """What the download is called: the number, and nothing about the person."""
    return f"jawort-{package.request.number}.zip"


def folder() -> Path:
    """Where packages lie, readable by us alone."""
    path = Path(settings.JAWORT_EXPORT_DIR)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def _remove_abandoned(now: datetime) -> int:
    names = {path.name: path for path in folder().iterdir() if path.is_file()}
    alive = ExportPackage.objects.filter(file_name__in=names, destroyed_at=None)
    alone = set(names) - set(alive.values_list("file_name", flat=True))
    before = (now - ABANDONED).timestamp()
    old = [names[name] for name in alone if names[name].stat().st_mtime < before]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _write(name: str, content: bytes) -> None:
    """Whole or not at all: a crash leaves a name that nobody knows, removed by the next tick."""
    unfinished = folder() / f"{name}.part"
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(_path(name))


def _path(name: str) -> Path:
    return folder() / name


def _where(package: ExportPackage) -> Where:
    return Where("privacy_exportpackage", "file", package.pk)


def _readme() -> str:
    return _(
        "report.pdf: everything, for reading.\n"
        "data.json: the same data for programs; schema.json describes its shape.\n"
        "portable/: what you gave us, for another program; the CSV files can be imported there.\n"
        "csv/: the same data as tables, one file each (semicolons, UTF-8). An apostrophe"
        " in front of a cell keeps spreadsheets from taking it for a formula.\n"
    )
