"""Who may use the simulator's API: the channels of the kind simulator, known by their token."""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass
from uuid import UUID

from messengers.channels import account_of
from messengers.contract import Account
from messengers.models import Channel
from messengers.simulator import store

KIND = "simulator"
FRESH_SECONDS = 5.0


@dataclass
class _Known:
    """The accounts as read a moment ago, per process."""

    accounts: list[Account]
    read_at: float


_known = _Known([], float("-inf"))


def accounts() -> list[Account]:
    """All accounts, newest last; read again every few seconds."""
    if time.monotonic() - _known.read_at > FRESH_SECONDS:
        channels = Channel.objects.filter(kind=KIND).order_by("created_at", "id")
        found = [account_of(channel) for channel in channels]
        if found != _known.accounts:
            for account in found:
                _introduce(account)
        _known.accounts, _known.read_at = found, time.monotonic()
    return _known.accounts


def forget() -> None:
    """Read the accounts anew at the next question."""
    _known.accounts, _known.read_at = [], float("-inf")


def by_token(token: str) -> Account | None:
    """The account with this API token. Compares all of them, each in constant time."""
    given = token.encode()
    found = None
    for account in accounts():
        if hmac.compare_digest(account.secrets.get("token", "").encode(), given) and given:
            found = account
    return found


def by_id(account_id: UUID) -> Account | None:
    return next((account for account in accounts() if account.id == account_id), None)


def _introduce(account: Account) -> None:
    """Tell the store where the account's hooks go: its courier reads no database of ours."""
    store.save_account(
        str(account.id),
        account.name,
        f"{account.origin}/hooks/{account.id}/",
        account.secrets.get("hook_secret", ""),
    )
