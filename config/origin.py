"""The one address under which this installation is known; scheme and cookies follow from it."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config import env

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Origin:
    scheme: str
    host: str
    port: int | None

    @classmethod
    def read(cls, name: str, default: str | None) -> Self:
        """The origin in the variable `name`: scheme, host and port, nothing behind them.

        Plain http is refused unless it stays on this machine.
        """
        parts = urlsplit(env.text(name, default).rstrip("/"))
        try:
            origin = cls(parts.scheme, _host(parts.netloc), parts.port)
        except ValueError:
            raise ImproperlyConfigured(f"{name} has a port that is not a number.") from None
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
            raise ImproperlyConfigured(f"{name} must look like https://news.example.org.")
        if not origin.is_https and not origin.is_loopback:
            raise ImproperlyConfigured(f"{name} must begin with https:// unless it is 127.0.0.1.")
        return origin

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @property
    def netloc(self) -> str:
        return self.host + (f":{self.port}" if self.port else "")

    @property
    def is_https(self) -> bool:
        return self.scheme == "https"

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK_NAMES

    @property
    def hosts(self) -> list[str]:
        return list(LOOPBACK_NAMES) if self.is_loopback else [self.host]

    def cookie_name(self, name: str) -> str:
        """`__Host-` binds a cookie to this very host, but browsers take it over https only."""
        return f"__Host-{name}" if self.is_https else f"jawort_{name}"


def _host(netloc: str) -> str:
    host = netloc.rpartition("@")[2].lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
