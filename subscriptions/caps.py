"""How often something may be sent to an address: counted by blind index, without the address.

The counters outlive the request they were made for, so nobody can be bombed with confirmations by
asking again and again; they forget by themselves after 30 days.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from messengers.models import Channel
from privacy.vault import blind_index
from subscriptions.models import ContactCap

MEMORY = timedelta(days=30)


@dataclass(frozen=True)
class Limit:
    """At most `count` within `period`."""

    count: int
    period: timedelta


# docs/consent.md tells these. The first one waits for an answer: a question that was answered does
# not hold up the next one.
CONFIRMATION = (
    Limit(1, timedelta(minutes=10)),
    Limit(3, timedelta(days=1)),
    Limit(5, MEMORY),
)
ONCE_A_DAY = (Limit(1, timedelta(days=1)),)
LIMITS = {
    "confirmation": CONFIRMATION,
    "known": ONCE_A_DAY,  # "you get it already", by mail
    "hint": ONCE_A_DAY,
    "farewell": ONCE_A_DAY,
    "ask_stop": (Limit(3, timedelta(days=1)),),
    "data_link": (Limit(2, timedelta(days=1)),),
    "question": (Limit(5, timedelta(days=1)),),
    "unproved": (Limit(5, timedelta(days=1)),),  # any answer to a sender that may be forged
}


@transaction.atomic
def take(purpose: str, channel: Channel, canonical: str) -> bool:
    """Whether one more may be sent now; if so, it is counted. Safe against two at once."""
    now = timezone.now()
    key = _key(purpose, channel, canonical)
    ContactCap.objects.bulk_create(
        [ContactCap(key=key, sent_at=[], erase_at=now + MEMORY)], ignore_conflicts=True
    )
    counter = ContactCap.objects.select_for_update().get(key=key)
    sent = [moment for moment in _times(counter) if moment > now - MEMORY]
    for limit in LIMITS[purpose]:
        if sum(moment > now - limit.period for moment in sent) >= limit.count:
            return False
    counter.sent_at = [moment.isoformat() for moment in [*sent, now]]
    counter.erase_at = now + MEMORY
    counter.save(update_fields=["sent_at", "erase_at"])
    return True


def answered(channel: Channel, canonical: str) -> None:
    """The last confirmation was answered: it counts on, but no longer as the one just now."""
    key = _key("confirmation", channel, canonical)
    counter = ContactCap.objects.select_for_update().filter(key=key).first()
    if counter and counter.sent_at:
        shortest = CONFIRMATION[0].period
        aside = [min(moment, timezone.now() - shortest) for moment in _times(counter)]
        counter.sent_at = [moment.isoformat() for moment in aside]
        counter.save(update_fields=["sent_at"])


def forget(channel: Channel, canonical: str) -> int:
    """Drop all counters of an address, when its person is erased."""
    keys = [_key(purpose, channel, canonical) for purpose in LIMITS]
    return ContactCap.objects.filter(key__in=keys).delete()[0]


def expire(now: datetime) -> int:
    """Forget what is over."""
    return ContactCap.objects.filter(erase_at__lte=now).delete()[0]


def _times(counter: ContactCap) -> list[datetime]:
    return [datetime.fromisoformat(text) for text in counter.sent_at]


def _key(purpose: str, channel: Channel, canonical: str) -> bytes:
    return blind_index(f"cap/{purpose}", f"{channel.pk}|{canonical}")
