"""Ends: withdrawn, objected, lapsed, blocked. Each closes the gate in its own transaction."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from messengers.gates import close_gates
from messengers.models import Address, Delivery, Dispatch, Gate
from messengers.outbox import cancel
from privacy.access import Actor
from privacy.audit import record
from subscriptions.actions.opt_in import lock
from subscriptions.actions.topics import GOES_ON, remove_topics
from subscriptions.consent import State, change_of, record_consent
from subscriptions.models import ConsentRecord, Newsletter, OptIn, Subscription, Topic

Status = Subscription.Status
ENDED = (Status.WITHDRAWN, Status.OBJECTED)


@transaction.atomic
def withdraw(
    *,
    address: Address | None = None,
    subscription: Subscription | None = None,
    newsletter: Newsletter | None = None,
    topic: Topic | Iterable[Topic] | None = None,
    method: str,
    event_at: datetime,
    evidence: Mapping[str, Any],
    actor: Actor | None = None,
    put_off: list[Address] | None = None,
) -> list[Subscription]:
    """Take consent back: everything on this address, one newsletter, or topics only.

    Effective with the caller's commit: no intent to write to these people commits after it. An
    open question of the address is erased too, and does not leave any more. Returns what ended
    now; may run twice. With `topic` nothing ends but the topics, and the subscriptions that had
    them are returned.

    Who withdraws several people in one transaction gives `put_off`, and calls `take_back` with it
    at the end.
    """
    held = _held(address, subscription)
    if topic is not None:
        topics = [topic] if isinstance(topic, Topic) else list(topic)
        return remove_topics(
            address=held, topics=topics, method=method, event_at=event_at, evidence=evidence
        )
    one = newsletter or (subscription.newsletter if subscription else None)
    dropped = _drop_question(held, one)
    ended = [
        _end(one, Status.WITHDRAWN, method=method, at=event_at, evidence=evidence, actor=actor)
        for one in _open_ones(held, one)
    ]
    if ended or dropped:
        if put_off is None:
            take_back([held])
        else:
            put_off.append(held)
    return ended


@transaction.atomic
def object_to(
    *,
    address: Address | None = None,
    subscription: Subscription | None = None,
    method: str,
    event_at: datetime,
    evidence: Mapping[str, Any],
    actor: Actor | None = None,
) -> list[Subscription]:
    """Objection to direct marketing (Art. 21(2) GDPR): like a withdrawal, and named as such."""
    held = _held(address, subscription)
    dropped = _drop_question(held, None)
    ended = [
        _end(one, Status.OBJECTED, method=method, at=event_at, evidence=evidence, actor=actor)
        for one in _open_ones(held, None)
    ]
    if ended or dropped:
        take_back([held])
    return ended


@transaction.atomic
def lapse(*, subscription: Subscription, event_at: datetime) -> bool:
    """Consent that was not used for too long is not relied on any more."""
    lock(subscription.address)
    subscription.refresh_from_db()
    if subscription.status != Status.CONFIRMED:
        return False
    system = Actor.system("retention")
    _end(subscription, Status.LAPSED, method="unused", at=event_at, evidence={}, actor=system)
    return True


@transaction.atomic
def close_by_platform(*, address: Address, cause: str, event_at: datetime) -> int:
    """The messenger says that nothing gets through any more: blocked, kicked, or no such address.

    Consent stays as it is, but only a new double opt-in opens the gates. How many closed.
    """
    held = lock(address)
    reason = Gate.Reason.HARD_BOUNCE if cause == "hard_bounce" else Gate.Reason.BLOCKED
    closed = close_gates(address_id=held.pk, reason=reason)
    if closed:
        facts: dict[str, int | str | bool] = {"cause": cause, "closed": closed}
        record(
            "address.closed",
            actor=Actor.system("platform"),
            obj="address",
            ref=held.pk,
            facts=facts,
        )
    return closed


def _held(address: Address | None, subscription: Subscription | None) -> Address:
    if subscription is not None:
        return lock(subscription.address)
    if address is None:
        raise TypeError("name an address or a subscription.")
    return lock(address)


def _drop_question(address: Address, newsletter: Newsletter | None) -> bool:
    questions = OptIn.objects.filter(address=address)
    if newsletter is not None:
        questions = questions.filter(newsletter=newsletter)
    gone, _ = questions.delete()
    return bool(gone)


def take_back(addresses: Iterable[Address]) -> None:
    """Cancel what still waits and now makes no sense: a question, and welcomes, menus and replies
    to somebody who gets nothing any more. They have no gate that would hold them up.

    Answers to requests (Art. 12 GDPR) stay. A second STOP finds nothing to end and does not come
    here: the farewell of the first one may still wait.

    After the gates, as everybody who waits for both; and the batches of all these people in the
    engine's order, by their ids: a worker that holds one of them may be waiting for another.
    """
    found = [row for address in addresses for row in _senseless(address)]
    for _batch, dispatch in sorted(set(found)):
        cancel(dispatch)


def _senseless(address: Address) -> list[tuple[int, UUID]]:
    """(batch, dispatch) of what waits for somebody who has left."""
    kinds = []
    if not OptIn.objects.filter(address=address).exists():
        kinds.append(Dispatch.Kind.CONFIRMATION)
    if not Subscription.objects.filter(address=address, status__in=GOES_ON).exists():
        kinds.append(Dispatch.Kind.REPLY)
    waiting = Delivery.objects.filter(
        address=address.pk, status=Delivery.Status.QUEUED, gate=None, dispatch__kind__in=kinds
    )
    return list(waiting.values_list("batch", "dispatch"))


def _open_ones(address: Address, newsletter: Newsletter | None) -> list[Subscription]:
    rows = Subscription.objects.filter(address=address).exclude(status__in=ENDED)
    if newsletter is not None:
        rows = rows.filter(newsletter=newsletter)
    return list(rows.select_related("newsletter", "address__channel").order_by("pk"))


# What the end of a subscription is called in the ledger, and at the gate.
LEDGER = {
    Status.WITHDRAWN: (State.WITHDRAWN, Gate.Reason.WITHDRAWN),
    Status.OBJECTED: (State.OBJECTED, Gate.Reason.OBJECTED),
    Status.LAPSED: (State.EXPIRED, Gate.Reason.LAPSED),
}


def _end(
    subscription: Subscription,
    status: Subscription.Status,
    *,
    method: str,
    at: datetime,
    evidence: Mapping[str, Any],
    actor: Actor | None,
) -> Subscription:
    state, reason = LEDGER[status]
    close_gates(gate_ids=[subscription.pk], reason=reason)
    Subscription.objects.filter(pk=subscription.pk).update(status=status, ended_at=timezone.now())
    subscription.refresh_from_db(fields=["status", "ended_at"])
    change = change_of(
        subscription.address,
        subscription=subscription.pk,
        newsletter=subscription.newsletter_id,
        state=state,
        method=method,
        at=at,
        evidence={"answer": {"at": at, "method": method, **evidence}},
        wording=None,
    )
    record_consent(change, actor=actor or Actor.subscriber(subscription.subscriber_id))
    _keep_only_proof(subscription)
    return subscription


def _keep_only_proof(subscription: Subscription) -> None:
    """What was only for sending goes with the sending: topics, and names nobody needs any more."""
    subscription.topics.clear()
    others = Subscription.objects.filter(address=subscription.address_id)
    if not others.filter(status__in=GOES_ON).exists():
        Address.objects.filter(pk=subscription.address_id).update(profile_sealed=None)


def ended_records(subscription: Subscription) -> list[ConsentRecord]:
    """The ledger of one subscription, oldest first."""
    return list(ConsentRecord.objects.filter(subscription=subscription.pk).order_by("at", "id"))
