"""Forgetting by itself: requests nobody confirmed, texts nobody needs, people who only asked."""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce, Greatest

from messengers.models import Address
from privacy.access import Actor
from privacy.audit import record
from privacy.models import DataSubject, Request
from privacy.requests.verbs import erase_everywhere, under_way
from privacy.retention.rules import starts_before
from privacy.vault import shred_all
from subscriptions import caps
from subscriptions.actions.withdrawal import lapse
from subscriptions.models import Evidence, Import, OptIn, Reply, Subscriber, Subscription
from subscriptions.queries import is_known

# law.md, section 1: courts accept between 18 months and four years of disuse; the shortest counts.
UNUSED_TERM = timedelta(days=548)
# Long enough for the answer to somebody's first message to leave; then nothing needs the address.
STRANGER_TERM = timedelta(minutes=10)
AT_A_TIME = 500
RETENTION = Actor.system("retention")


def expire_opt_ins(now: datetime) -> int:
    """Erase questions whose term is over, with the person if nothing else is known of them."""
    expired = OptIn.objects.filter(erase_at__lte=now).select_related("address")[:AT_A_TIME]
    return sum(_expire(opt_in) for opt_in in expired)


def forget_replies(now: datetime) -> int:
    """Erase texts to the editors when their term is over, read or not."""
    with transaction.atomic():
        due = Reply.objects.filter(received_at__lte=starts_before("inbound_text", now))
        count, _ = due.delete()
        if count:
            record("reply.expired", actor=RETENTION, obj="reply", ref="", facts={"removed": count})
    return count


def forget_files(now: datetime) -> int:
    """Erase checked lists that nobody loaded."""
    old = Import.objects.filter(uploaded_at__lte=starts_before("import_file", now))
    return old.exclude(content_sealed=None).update(content_sealed=None)


def forget_ended(now: datetime) -> int:
    """Erase people whose consents have all ended so long ago that nobody can ask for the proof."""
    due = starts_before("consent_evidence", now)
    ended = Subscription.objects.filter(subscriber=OuterRef("pk"), ended_at__lt=due)
    lasting = Subscription.objects.filter(subscriber=OuterRef("pk")).exclude(ended_at__lt=due)
    people = Subscriber.objects.filter(Exists(ended)).exclude(Exists(lasting))
    return sum(_forget_person(person.pk, now) for person in people[:AT_A_TIME])


def lapse_unused(now: datetime) -> int:
    """End consents on which nothing was sent for too long: nobody expects it any more."""
    used = Coalesce("last_used_at", Greatest("confirmed_at", "imported_by__decided_at"))
    unused = Subscription.objects.filter(status=Subscription.Status.CONFIRMED).annotate(used=used)
    due = unused.filter(used__lte=now - UNUSED_TERM).select_related("address", "newsletter")
    return sum(lapse(subscription=one, event_at=now) for one in due[:AT_A_TIME])


def forget_counters(now: datetime) -> int:
    return caps.expire(now)


def forget_strangers(now: datetime) -> int:
    """Erase addresses that belong to nobody we know: who only asked, declined or expired."""
    strangers = Address.objects.filter(created_at__lte=now - STRANGER_TERM).exclude(
        Exists(Subscription.objects.filter(address=OuterRef("pk")))
        | Exists(OptIn.objects.filter(address=OuterRef("pk")))
        | Exists(Reply.objects.filter(address=OuterRef("pk")))
    )
    return sum(_forget(address) for address in strangers.order_by("created_at")[:AT_A_TIME])


@transaction.atomic
def _expire(opt_in: OptIn) -> int:
    held = OptIn.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=opt_in.pk)
    address = opt_in.address
    if not held.exists():
        return 0
    held.delete()
    record("opt_in.expired", actor=RETENTION, obj="opt_in", ref=opt_in.pk)
    _erase_person_if_unknown(address)
    return 1


@transaction.atomic
def _forget_person(subject: UUID, now: datetime) -> int:
    """Rows first, keys last. The bare number stays, so that a restored backup is erased again."""
    if Request.objects.filter(subject=subject, closed_at=None).exists():
        return 0
    erase_everywhere(subject)
    Evidence.objects.filter(subject=subject).delete()
    DataSubject.objects.filter(pk=subject).update(status=DataSubject.Status.ERASED, erased_at=now)
    record("subscriber.forgotten", actor=RETENTION, obj="subject", ref=subject)
    transaction.on_commit(partial(shred_all, subject))
    return 1


@transaction.atomic
def _forget(address: Address) -> int:
    held = Address.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=address.pk)
    return int(held.exists() and _erase_person_if_unknown(address))


def _erase_person_if_unknown(address: Address) -> bool:
    """Rows first, key last: after the commit, or by the sweep of orphans if we die in between."""
    subject = address.subject
    if is_known(address) or under_way(subject) or _is_in_a_request(subject):
        return False
    erase_everywhere(subject)
    DataSubject.objects.filter(pk=subject).delete()
    record("address.forgotten", actor=RETENTION, obj="address", ref=address.pk)
    transaction.on_commit(partial(shred_all, subject))
    return True


def _is_in_a_request(subject: UUID) -> bool:
    return Request.objects.filter(subject=subject).exists()
