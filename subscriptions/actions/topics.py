"""Which topics and which language: smaller choices inside a consent that goes on."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from messengers.models import Address
from privacy.access import Actor
from privacy.audit import record
from subscriptions.actions.opt_in import lock
from subscriptions.consent import State, change_of, record_consent
from subscriptions.models import Subscription, Topic

GOES_ON = (Subscription.Status.CONFIRMED, Subscription.Status.IMPORTED)


@transaction.atomic
def set_topics(
    *,
    subscription: Subscription,
    topics: Iterable[Topic],
    method: str,
    event_at: datetime,
    evidence: Mapping[str, Any],
) -> None:
    """The topics from now on. Without any, as the page says, it is all of them.

    Changes nothing for somebody who has left since `subscription` was read.
    """
    if not _goes_on(subscription):
        return
    offered = list(subscription.newsletter.topics.all())
    wanted = {topic.pk for topic in topics}
    chosen = [topic for topic in offered if topic.pk in wanted] or offered
    _change(subscription, chosen, method, event_at, evidence)


@transaction.atomic
def toggle_topic(
    *,
    subscription: Subscription,
    topic: Topic,
    method: str,
    event_at: datetime,
    evidence: Mapping[str, Any],
) -> list[Topic]:
    """Choose a topic or leave it out; the topics that are chosen now. The last one may go too.

    None, and nothing changes, for somebody who has left since `subscription` was read.
    """
    if not _goes_on(subscription):
        return []
    chosen = list(subscription.topics.all())
    now = [one for one in chosen if one.pk != topic.pk]
    if len(now) == len(chosen) and topic.newsletter_id == subscription.newsletter_id:
        now.append(topic)
    _change(subscription, now, method, event_at, evidence)
    return list(subscription.topics.all())


def remove_topics(
    *,
    address: Address,
    topics: list[Topic],
    method: str,
    event_at: datetime,
    evidence: Mapping[str, Any],
) -> list[Subscription]:
    """End topics on an address; the subscriptions that had them. The caller holds the address."""
    changed = []
    unwanted = {topic.pk for topic in topics}
    rows = Subscription.objects.filter(address=address, topics__in=unwanted).distinct()
    for subscription in rows.select_related("newsletter", "address__channel").order_by("pk"):
        kept = [topic for topic in subscription.topics.all() if topic.pk not in unwanted]
        _change(subscription, kept, method, event_at, evidence)
        changed.append(subscription)
    return changed


@transaction.atomic
def set_language(*, subscription: Subscription, language: str) -> None:
    """The language of messages to this subscription."""
    Subscription.objects.filter(pk=subscription.pk).update(language=language)
    subscription.language = language
    record(
        "subscription.language_changed",
        actor=Actor.subscriber(subscription.subscriber_id),
        obj="subscription",
        ref=subscription.pk,
        facts={"language": language},
    )


def _goes_on(subscription: Subscription) -> bool:
    """Hold the address, and read again whether there is still a consent that can be renewed.

    A choice of topics would otherwise be the last word in the ledger, after a withdrawal.
    """
    lock(subscription.address)
    subscription.refresh_from_db(fields=["status"])
    return subscription.status in GOES_ON


def _change(
    subscription: Subscription,
    topics: list[Topic],
    method: str,
    at: datetime,
    evidence: Mapping[str, Any],
) -> None:
    """Store the choice, and in the ledger that the consent goes on with it."""
    before = set(subscription.topics.values_list("pk", flat=True))
    if before == {topic.pk for topic in topics}:
        return
    subscription.topics.set(topics)
    slugs = sorted(topic.slug for topic in topics)
    change = change_of(
        subscription.address,
        subscription=subscription.pk,
        newsletter=subscription.newsletter_id,
        state=State.RENEWED,
        method=method,
        at=at,
        evidence={"answer": {"at": at, "method": method, **evidence}, "topics": slugs},
        wording=None,
    )
    record_consent(change, actor=Actor.subscriber(subscription.subscriber_id))
