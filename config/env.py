"""The environment, read through typed helpers whose errors name the variable and say what to do."""

import base64
import binascii
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
ROOT_KEY_BYTES = 32
DATABASE_SCHEMES = ("postgres", "postgresql")


def text(name: str, default: str | None = None) -> str:
    """The variable `name`; without `default` it must be set and not be empty."""
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise ImproperlyConfigured(f"{name} is not set: see .env.example for what it holds.")
    return default


def flag(name: str, default: bool) -> bool:
    """A yes or a no; any other word stops the start rather than being taken for a no."""
    value = text(name, "yes" if default else "no").lower()
    if value in TRUE_WORDS:
        return True
    if value in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name} must be yes or no.")


def number(name: str, default: int) -> int:
    value = text(name, str(default))
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number.") from None


def words(name: str, default: str = "") -> list[str]:
    """A list, written with commas between its words."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def path(name: str, default: Path) -> Path:
    return Path(text(name, str(default))).expanduser()


def optional_secret(name: str) -> str:
    """As `secret`, but without a variable and without a file there is none: ""."""
    if not os.environ.get(name, "").strip() and not os.environ.get(f"{name}_FILE", "").strip():
        return ""
    return secret(name, Path(os.devnull))


def secret(name: str, default_file: Path) -> str:
    """A secret from the variable `name`, from the file that `<name>_FILE` names, or `default_file`.

    The file may be read by its owner alone (0400 or 0600). The value never stands in the error.
    """
    value = os.environ.get(name, "").strip()
    if value:
        return value
    file = path(f"{name}_FILE", default_file)
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        value = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ImproperlyConfigured(
            f"{name} is missing: {file} cannot be read. Set {name}_FILE or {name},"
            " or let `make run` make everything for you."
        ) from None
    if mode & 0o077:
        raise ImproperlyConfigured(
            f"{name}_FILE may be read by others: run `chmod 0400 {file}` and replace the secret."
        )
    if not value:
        raise ImproperlyConfigured(f"{name} is missing: {file} is empty.")
    return value


def root_key(name: str, default_file: Path) -> bytes:
    """The root key: 32 bytes, written in base64."""
    try:
        key = base64.b64decode(secret(name, default_file), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != ROOT_KEY_BYTES:
        raise ImproperlyConfigured(f"{name} must be {ROOT_KEY_BYTES} random bytes in base64.")
    return key


def epochs_file(name: str, key: str, key_file: Path) -> Path | None:
    """The file of key epochs: named, or beside the root key's own file; None without either."""
    if text(name, ""):
        return path(name, key_file)
    return None if os.environ.get(key, "").strip() else key_file.with_name("epochs.key")


def database(name: str, default: str | None = None) -> dict[str, Any]:
    """Django's settings of the database that the URL in `name` points to.

    postgresql://user:password@host:port/name?sslmode=verify-full; a socket folder is given as
    `?host=/run/postgresql`. The URL holds a password, so no error repeats it.
    """
    parts = urlsplit(text(name, default))
    options = dict(parse_qsl(parts.query))
    if parts.scheme not in DATABASE_SCHEMES or len(parts.path) < 2:
        raise ImproperlyConfigured(f"{name} must look like postgresql://user:password@host/name.")
    try:
        port = str(parts.port or options.pop("port", ""))
    except ValueError:
        raise ImproperlyConfigured(f"{name} has a port that is not a number.") from None
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", unquote(parts.hostname or "")),
        "PORT": port,
        "OPTIONS": options,
    }


@dataclass(frozen=True)
class Smtp:
    host: str
    port: int
    user: str
    password: str
    starttls: bool
    tls: bool


def smtp(name: str, default: str | None = None) -> Smtp:
    """The mail server: smtps://user:password@host:465, or smtp://…:587?starttls=yes.

    Plain smtp is for the own machine; the URL may hold a password, so no error repeats it.
    """
    parts = urlsplit(text(name, default))
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ImproperlyConfigured(f"{name} must look like smtps://user:password@host:465.")
    tls = parts.scheme == "smtps"
    return Smtp(
        host=parts.hostname,
        port=parts.port or (465 if tls else 25),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        starttls=dict(parse_qsl(parts.query)).get("starttls", "no") in TRUE_WORDS,
        tls=tls,
    )


def load_file(project: Path) -> None:
    """Read NAME=value lines of JAWORT_ENV_FILE, `project`/.env by default; the environment wins."""
    file = path("JAWORT_ENV_FILE", project / ".env")
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    except OSError:
        raise ImproperlyConfigured(f"{file} cannot be read: make it readable.") from None
    for line in lines:
        name, equals, value = line.partition("=")
        if equals and not name.lstrip().startswith("#"):
            os.environ.setdefault(name.strip(), value.strip().strip("\"'"))
