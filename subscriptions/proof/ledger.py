"""The consent ledger's tree, as far as proofs need it."""

from typing import Protocol
from uuid import UUID

from privacy import audit
from privacy.models import Log


class Inclusion(Protocol):
    """Where a record stands in the log, and the checkpoint that covers it."""

    @property
    def index(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def path(self) -> list[bytes]: ...
    @property
    def root(self) -> bytes: ...
    @property
    def checkpoint(self) -> str: ...


def inclusion_of(record: UUID) -> Inclusion | None:
    found: Inclusion | None = getattr(audit, "proof_of", lambda *_: None)(Log.CONSENT, record)
    return found


def proof_text(inclusion: Inclusion) -> str:
    """The C2SP tlog-proof."""
    text: str = audit.tlog_proof(inclusion)  # type: ignore[attr-defined]
    return text


def log_keys() -> list[str]:
    """The vkeys of the consent log and of its witnesses."""
    keys: list[str] = audit.verifier_keys(Log.CONSENT)  # type: ignore[attr-defined]
    return keys
