"""Accounts at providers: made, opened for sending, stopped."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings as django_settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from messengers.contract import Account, Adapter
from messengers.models import Channel
from messengers.registry import adapter_for
from messengers.sql import rows
from privacy.access import Actor
from privacy.audit import record
from privacy.models import Processor
from privacy.records.errors import ProfileIncomplete
from privacy.records.processors import (
    Contract,
    is_complete,
    missing_of,
    profile_from,
    profile_of,
    save_profile,
    transfer_words,
)
from privacy.vault import Where, open_system, seal_system

# Not a registered messenger's setting: how long one call may take, in seconds.
CALL_SECONDS = 20.0

# Those that wait, too: one that is claimed meanwhile would commit by what its worker read before.
LOCK_BATCHES = """
    SELECT id FROM messengers_batch
     WHERE channel_id = %s AND status <> 'done' ORDER BY id FOR UPDATE"""


class UnknownKind(ValueError):
    """No messenger of this kind is registered."""


@transaction.atomic
def create_channel(
    *,
    kind: str,
    name: str,
    settings: dict[str, Any],
    secrets: dict[str, str],
    actor: Actor,
    profile: Mapping[str, Any] | None = None,
    contract: Contract | None = None,
    **facts: Any,
) -> Channel:
    """A new account. `facts` are other fields of `Channel`, such as `rate_per_second`.

    `profile` says who the provider is (privacy/records/processors.py): unless it is complete, the
    account begins stopped. The secrets are sealed for this installation and are never shown again.
    """
    told = _told(profile_from(kind, dict(profile))) if profile else {}
    channel = Channel(kind=kind, name=name, settings=settings, **(told | facts))
    channel.secrets_sealed = _sealed(channel.id, secrets)
    if profile:
        _save_profile(channel, profile, actor, contract)
    if not is_complete(channel.id):
        channel.status = Channel.Status.STOPPED
    channel.save(force_insert=True)
    record("channel.created", actor=actor, obj="channel", ref=channel.id, facts={"kind": kind})
    return channel


@transaction.atomic
def change_channel(
    *,
    channel: Channel,
    settings: dict[str, Any] | None = None,
    secrets: dict[str, str] | None = None,
    actor: Actor,
    profile: Mapping[str, Any] | None = None,
    contract: Contract | None = None,
    **facts: Any,
) -> Channel:
    """Change an account; secrets that are not given stay. Workers see it within half a minute.

    Writes what was changed and nothing else: the kill switch and the rate's clock may have moved
    since `channel` was read. Raises `ProfileIncomplete`, and changes nothing, for a profile with
    which an account that sends could not go on.
    """
    if profile is not None:
        facts |= _changed_profile(channel, profile, actor, contract)
    changed = {"paused_until", "paused_why", "setbacks", *facts}
    if secrets:
        changed.add("secrets_sealed")
        kept = _opened(channel) | secrets
        channel.secrets_sealed = _sealed(channel.id, kept)
    if settings is not None:
        changed.add("settings")
        channel.settings = settings
    for field, value in facts.items():
        setattr(channel, field, value)
    channel.paused_until, channel.paused_why, channel.setbacks = None, "", 0
    channel.save(update_fields=sorted(changed))
    record("channel.changed", actor=actor, obj="channel", ref=channel.id)
    return channel


@transaction.atomic
def stop_channel(*, channel: Channel, actor: Actor) -> None:
    """The kill switch: once this has been committed, no intent on this channel commits.

    Hooks still answer, and withdrawals are still taken.
    """
    rows(LOCK_BATCHES, [channel.id])
    _set_status(channel, Channel.Status.STOPPED, actor)


@transaction.atomic
def start_channel(*, channel: Channel, actor: Actor) -> None:
    """Let a stopped channel send again. Raises `ProfileIncomplete` while its profile lacks."""
    if missing := missing_of(profile_of(channel.id)):
        raise ProfileIncomplete(missing)
    _set_status(channel, Channel.Status.ACTIVE, actor)


def account_of(channel: Channel) -> Account:
    """The account with its secrets opened: only for adapters, never to be stored or shown."""
    return Account(
        id=channel.id,
        kind=channel.kind,
        settings=channel.settings,
        secrets=_opened(channel),
        origin=django_settings.JAWORT_ORIGIN,
        name=channel.name,
    )


def adapter_of(channel: Channel) -> Adapter:
    return adapter_for(account_of(channel))


def call_seconds(channel: Channel) -> float:
    """How long one call on this channel may take; the lease is built on it."""
    return float(channel.settings.get("call_seconds", CALL_SECONDS))


def why_silent(channel: Channel) -> str:
    """Why nothing leaves on this channel just now, for a page; "" if it does."""
    if channel.status == Channel.Status.STOPPED and not is_complete(channel.id):
        return str(_("Stopped: its profile is not complete"))
    if channel.status == Channel.Status.STOPPED:
        return str(_("Stopped by staff"))
    if channel.breaker != Channel.Breaker.CLOSED and not channel.paused_why:
        return str(BREAKERS[channel.breaker])
    return str(PAUSES.get(channel.paused_why, channel.paused_why))


BREAKERS: dict[str, Any] = {
    Channel.Breaker.OPEN: _("Too many answers were lost: broadcasts wait, replies go on"),
    Channel.Breaker.HALF_OPEN: _("After many lost answers it is being tried with a few messages"),
}
PAUSES = {
    "": "",
    "limit_reached": _("The messenger limits our account: look there what it objects to"),
    "throttled": _("The messenger asked us to slow down"),
    "unreachable": _("The messenger cannot be reached"),
    "auth_config": _("The messenger refuses our access: check the channel's settings"),
}


def _changed_profile(
    channel: Channel, profile: Mapping[str, Any], actor: Actor, contract: Contract | None
) -> dict[str, Any]:
    """Store it, unless the account sends now and could not with it."""
    wanted = profile_from(channel.kind, dict(profile))
    is_sending = Channel.objects.filter(pk=channel.pk, status=Channel.Status.ACTIVE).exists()
    if is_sending and (missing := missing_of(wanted)):
        raise ProfileIncomplete(missing)
    _save_profile(channel, profile, actor, contract)
    return _told(wanted)


def _save_profile(
    channel: Channel, profile: Mapping[str, Any], actor: Actor, contract: Contract | None
) -> None:
    save_profile(
        channel_id=channel.id,
        channel_kind=channel.kind,
        facts=dict(profile),
        actor=actor,
        contract=contract,
    )


def _told(profile: Processor) -> dict[str, Any]:
    """The few facts that stand on the account itself, for notices and exports."""
    return {
        "provider_name": profile.name,
        "provider_country": profile.country,
        "transfer_basis": transfer_words(profile)[:120],
    }


def _set_status(channel: Channel, status: str, actor: Actor) -> None:
    channel.status = status
    channel.save(update_fields=["status"])
    record("channel.switched", actor=actor, obj="channel", ref=channel.id, facts={"status": status})


def _where(channel_id: UUID) -> Where:
    return Where("messengers_channel", "secrets_sealed", channel_id)


def _sealed(channel_id: UUID, secrets: dict[str, str]) -> bytes:
    return seal_system(_where(channel_id), orjson.dumps(secrets))


def _opened(channel: Channel) -> dict[str, str]:
    if channel.secrets_sealed is None:
        return {}
    opened: dict[str, str] = orjson.loads(
        open_system(_where(channel.id), bytes(channel.secrets_sealed))
    )
    return opened
