"""Every messenger we know: one line each."""

from __future__ import annotations

from messengers.adapters.email import Email
from messengers.adapters.simulator import Simulator
from messengers.contract import Account, Adapter

ADAPTERS: dict[str, type[Adapter]] = {
    adapter.kind: adapter
    for adapter in (
        Simulator,
        Email,
    )
}


def kind_choices() -> list[tuple[str, str]]:
    """The kinds for a model field; a callable, so that a new messenger needs no migration."""
    return [(kind, adapter.label) for kind, adapter in ADAPTERS.items()]


def adapter_for(account: Account) -> Adapter:
    """The adapter of an account. Raises `LookupError` for a kind that is not registered."""
    try:
        adapter = ADAPTERS[account.kind]
    except KeyError:
        known = ", ".join(sorted(ADAPTERS))
        raise LookupError(
            f"No messenger of the kind {account.kind!r}: known are {known}."
        ) from None
    return adapter(account)
