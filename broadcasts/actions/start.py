"""The start: content and recipients are frozen in one transaction, or nothing happens."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from broadcasts.actions.people import locked, user_of
from broadcasts.actions.rules import hash_of
from broadcasts.actions.trial import set_aside
from broadcasts.audience import reach, recipients
from broadcasts.content import channels_of, message_of, problems_of
from broadcasts.errors import (
    AlreadyStarted,
    ContentRefused,
    EditedMeanwhile,
    NoAudience,
    QuietHours,
)
from broadcasts.models import Broadcast
from broadcasts.schedule import quiet_until
from messengers.errors import FooterMissing
from messengers.models import Channel, Dispatch
from messengers.outbox import content_hash, owed_a_footer, start_dispatch
from privacy import audit
from privacy.access import Actor, require
from subscriptions.models import Newsletter, Subscription

URGENT_PRIORITY = 5
LegalBasis = Subscription.LegalBasis


@transaction.atomic
def start(
    broadcast: Broadcast,
    *,
    actor: Actor,
    idempotency_key: str,
    seen_at: datetime | None = None,
) -> Broadcast:
    """Send to everybody in the audience now. The same key again gives the same broadcast.

    `seen_at` is the `edited_at` of what the sender saw: with it, nothing else is ever sent.

    Freezes the content by its hash and writes every delivery in this transaction, so that a crash
    leaves all or nothing. Raises `NotAllowed` or a `StartRefused`: `AlreadyStarted`, `QuietHours`,
    `NoAudience`, `ContentRefused`; `EditedMeanwhile`, and `IllegalTransition` for what is over.
    """
    require(actor, "broadcast.send", broadcast.newsletter_id)
    row = locked(broadcast)
    if row.dispatch:
        if idempotency_key and row.start_key == idempotency_key:
            return row
        raise AlreadyStarted(f"broadcast {row.pk} was started before.")
    if seen_at is not None and seen_at != row.edited_at:
        raise EditedMeanwhile(f"broadcast {row.pk} was saved since it was looked at.")
    now = timezone.now()
    # Starts of one newsletter come one by one: the daily cap counts what the one before reserved.
    newsletter = Newsletter.objects.select_for_update(no_key=True).get(pk=row.newsletter_id)
    require_waking_hours(row, newsletter, now)
    channels = _channels_with_people(row, newsletter, now)
    return _freeze(row, newsletter, channels, actor, idempotency_key, now)


def require_waking_hours(broadcast: Broadcast, newsletter: Newsletter, now: datetime) -> None:
    """Raise `QuietHours` if the newsletter's readers are asleep and the broadcast is not urgent."""
    if until := asleep_until(broadcast, newsletter, now):
        raise QuietHours(until)


def asleep_until(broadcast: Broadcast, newsletter: Newsletter, now: datetime) -> datetime | None:
    """When this broadcast may go on; None if it may now."""
    if broadcast.is_urgent:
        return None
    return quiet_until(now, newsletter.time_zone, newsletter.quiet_from, newsletter.quiet_until)


def _channels_with_people(
    broadcast: Broadcast, newsletter: Newsletter, now: datetime
) -> list[Channel]:
    """The channels that somebody is reached on; the content has to fit each of them."""
    channels = channels_of(newsletter)
    found = reach(newsletter, broadcast.rule, channels, now, is_urgent=broadcast.is_urgent)
    if not found.total:
        raise NoAudience(f"nobody is in the audience of broadcast {broadcast.pk}.")
    broadcast.left_out = found.left_out
    channels = [share.channel for share in found.shares]
    if problems := problems_of(message_of(broadcast), channels):
        raise ContentRefused(problems)
    return channels


def _freeze(
    broadcast: Broadcast,
    newsletter: Newsletter,
    channels: list[Channel],
    actor: Actor,
    key: str,
    now: datetime,
) -> Broadcast:
    dispatch = _dispatch(broadcast, newsletter, now)
    sql, params = recipients(
        newsletter, broadcast.rule, channels, now, is_urgent=broadcast.is_urgent
    )
    try:
        size = start_dispatch(dispatch=dispatch, recipients_sql=sql, params=params)
    except FooterMissing:
        # A list of existing customers was approved between the text and the snapshot.
        raise EditedMeanwhile(f"the audience of broadcast {broadcast.pk} has changed.") from None
    if not size:
        raise NoAudience(f"everybody left the audience of broadcast {broadcast.pk} just now.")
    bases = _bases(size, owed_a_footer(dispatch.pk))
    set_aside(broadcast, newsletter, dispatch.pk)
    broadcast.advance(
        Broadcast.Status.RUNNING,
        dispatch=dispatch.pk,
        start_key=key,
        started_by=user_of(actor),
        started_at=now,
        left_out=broadcast.left_out,
        audience=broadcast.rule,
        bases=bases,
        canary=broadcast.canary,
        canary_batches=broadcast.canary_batches,
    )
    _record(broadcast, actor, size, dispatch.content_sha256)
    return broadcast


def _dispatch(broadcast: Broadcast, newsletter: Newsletter, now: datetime) -> Dispatch:
    content = message_of(broadcast)
    dispatch = Dispatch(
        kind=Dispatch.Kind.BROADCAST,
        content=content.to_json(),
        content_sha256=content_hash(content),
        newsletter=newsletter.pk,
        priority=URGENT_PRIORITY if broadcast.is_urgent else 0,
        values={"newsletter": newsletter.name},
        expires_at=now + broadcast.expires_after if broadcast.expires_after else None,
    )
    dispatch.save(force_insert=True)
    return dispatch


def _record(broadcast: Broadcast, actor: Actor, size: int, content_sha256: str) -> None:
    facts: dict[str, int | str | bool] = {
        "recipients": size,
        "left_out": broadcast.left_out,
        "urgent": broadcast.is_urgent,
        "content": content_sha256,
        "customers": broadcast.bases.get(LegalBasis.EXISTING_CUSTOMER, 0),
        "canary_batches": broadcast.canary_batches,
    }
    if broadcast.is_urgent:
        facts["reason"] = hash_of(broadcast.urgent_why)
    audit.record("broadcast.started", actor=actor, obj="broadcast", ref=broadcast.pk, facts=facts)


def _bases(size: int, customers: int) -> dict[str, int]:
    """Legal basis -> recipients, without any nought."""
    counted = {LegalBasis.CONSENT: size - customers, LegalBasis.EXISTING_CUSTOMER: customers}
    return {str(basis): number for basis, number in counted.items() if number}
