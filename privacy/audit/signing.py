"""Speaking with those who sign: the signer over its Unix socket, witnesses over HTTP.

Both are asked in the words of c2sp.org/tlog-witness; the signer signs what has no signature yet.
"""

import base64
import json
import socket
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from privacy.audit.errors import SignerSays

SECONDS = 10.0
ANSWER_BYTES_MAX = 64 * 1024
# What an answer means, as a word for the page and the log.
TROUBLES = {400: "refused", 403: "key_unknown", 404: "log_unknown", 422: "inconsistent"}


class UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def add_checkpoint(where: str | Path, old: int, proof: Sequence[bytes], checkpoint: str) -> str:
    """The signature lines for `checkpoint`, which continues the tree of size `old`.

    `where` is a socket's path or a witness's address. `SignerSays` otherwise; with the trouble
    `other_size` its `size` is what they signed last.
    """
    lines = [f"old {old}", *(base64.b64encode(step).decode() for step in proof), "", checkpoint]
    status, text = _call(where, "POST", "/add-checkpoint", "\n".join(lines).encode())
    if status == 200:
        return text
    if status == 409 and text.strip().isdigit():
        raise SignerSays("other_size", int(text))
    raise SignerSays(TROUBLES.get(status, "refused"))


def signer_logs() -> dict[str, Any]:
    """What the signer tells of each log: keys, rotations of keys, last size and root."""
    status, text = _call(socket_path(), "GET", "/logs")
    if status != 200:
        raise SignerSays("refused")
    found: dict[str, Any] = json.loads(text)
    return found


def signer_self() -> dict[str, Any]:
    """As which user the signer runs (`uid`), and where its key lies (`key`)."""
    status, text = _call(socket_path(), "GET", "/self", seconds=2)
    if status != 200:
        raise SignerSays("refused")
    found: dict[str, Any] = json.loads(text)
    return found


def socket_path() -> Path:
    return Path(settings.JAWORT_SIGNER_SOCKET)


def has_signer() -> bool:
    """Whether this host is the one that has the signer."""
    return socket_path().exists()


def _call(
    where: str | Path, method: str, path: str, body: bytes = b"", seconds: float = SECONDS
) -> tuple[int, str]:
    connection, prefix = connection_to(where)
    connection.timeout = seconds
    try:
        connection.request(method, prefix + path, body or None)
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_BYTES_MAX).decode(errors="replace")
    except (OSError, HTTPException):
        raise SignerSays("unreachable") from None
    finally:
        connection.close()


def connection_to(where: str | Path) -> tuple[HTTPConnection, str]:
    """An unopened connection to a socket or an address, and the path before ours there."""
    if isinstance(where, Path):
        return UnixConnection(where), ""
    url = urlsplit(where)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise SignerSays("bad_address")
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    return kind(url.hostname, url.port, timeout=SECONDS), url.path.rstrip("/")
