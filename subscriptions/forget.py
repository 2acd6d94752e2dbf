"""Forgetting by itself: requests nobody confirmed, texts nobody needs, people who only asked."""

import contextlib
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from messengers.channels import adapter_of
from messengers.contract import BadAddress
from messengers.models import Address
from privacy.access import Actor
from privacy.audit import record
from privacy.models import DataSubject, LegalHold, Request
from privacy.requests.verbs import erase_everywhere, under_way
from privacy.retention import holds
from privacy.retention.rules import starts_before
from privacy.vault import Where, open_system, shred_all, tombstone
from subscriptions import caps
from subscriptions.imports.read import read_rows
from subscriptions.models import Evidence, Import, OptIn, Reply, Subscription
from subscriptions.queries import is_known

# Long enough for the answer to somebody's first message to leave; then nothing needs the address.
STRANGER_TERM = timedelta(minutes=10)
AT_A_TIME = 500
ROWS_AT_A_TIME = 5_000
RETENTION = Actor.system("retention")


def expire_opt_ins(now: datetime, *, is_chat: bool = True) -> int:
    """Erase questions whose term is over, with the person if nothing else is known of them.

    Those by mail have a link, and a term of their own.
    """
    held = holds.held("pending_opt_in_chat" if is_chat else "pending_opt_in")
    expired = OptIn.objects.filter(erase_at__lte=now, token_hash__isnull=is_chat)
    expired = expired.exclude(address__subject__in=held)
    return sum(_expire(opt_in) for opt_in in expired.select_related("address")[:AT_A_TIME])


def forget_replies(now: datetime) -> int:
    """Erase texts to the editors when their term is over, read or not."""
    old = Reply.objects.filter(received_at__lte=starts_before("inbound_text", now))
    free = old.exclude(address__subject__in=holds.held("inbound_text"))
    with transaction.atomic():
        count, _ = Reply.objects.filter(pk__in=free.values("pk")[:ROWS_AT_A_TIME]).delete()
        if count:
            record("reply.expired", actor=RETENTION, obj="reply", ref="", facts={"removed": count})
    return count


def forget_files(now: datetime) -> int:
    """Erase checked lists that nobody loaded."""
    old = Import.objects.filter(uploaded_at__lte=starts_before("import_file", now))
    return old.exclude(content_sealed=None).update(content_sealed=None)


def forget_in_lists(known: Collection[tuple[str, str]]) -> int:
    """Drop uploaded lists, not yet loaded, in which any of `known` ((kind, canonical) pairs)
    stands; how many. What was found in them stays as counts; the file can be uploaded again.
    """
    waiting = Import.objects.exclude(content_sealed=None).select_related("channel")
    found = [one.pk for one in waiting if known and _stands_in(one, known)]
    return Import.objects.filter(pk__in=found).update(content_sealed=None)


def _stands_in(imported: Import, known: Collection[tuple[str, str]]) -> bool:
    kind, adapter = imported.channel.kind, adapter_of(imported.channel)
    place = Where("subscriptions_import", "content_sealed", imported.pk)
    for row in read_rows(open_system(place, bytes(imported.content_sealed or b""))):
        with contextlib.suppress(BadAddress):
            if (kind, adapter.canonical(row["address"])) in known:
                return True
    return False


def forget_counters(now: datetime) -> int:
    return caps.expire(now)


def forget_strangers(now: datetime) -> int:
    """Erase addresses that belong to nobody we know: who only asked, declined or expired."""
    strangers = Address.objects.filter(created_at__lte=now - STRANGER_TERM).exclude(
        Exists(Subscription.objects.filter(address=OuterRef("pk")))
        | Exists(OptIn.objects.filter(address=OuterRef("pk")))
        | Exists(Reply.objects.filter(address=OuterRef("pk")))
        | Exists(LegalHold.objects.filter(subject=OuterRef("subject"), ended_at=None))
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
def forget_person(subject: UUID, now: datetime) -> int:
    """Rows first, keys last. The bare number stays, so that a restored backup is erased again."""
    if Request.objects.filter(subject=subject, closed_at=None).exists():
        return 0
    erase_everywhere(subject)
    Evidence.objects.filter(subject=subject).delete()
    DataSubject.objects.filter(pk=subject).update(status=DataSubject.Status.ERASED, erased_at=now)
    record("subscriber.forgotten", actor=RETENTION, obj="subject", ref=subject)
    transaction.on_commit(partial(_end_for_good, subject))
    return 1


@transaction.atomic
def _forget(address: Address) -> int:
    held = Address.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=address.pk)
    return int(held.exists() and _erase_person_if_unknown(address))


def _erase_person_if_unknown(address: Address) -> bool:
    """Rows first, key last: after the commit, or by the sweep of orphans if we die in between."""
    subject = address.subject
    is_needed = is_known(address) or under_way(subject) or _is_in_a_request(subject)
    if is_needed or holds.concerns(subject):
        return False
    erase_everywhere(subject)
    DataSubject.objects.filter(pk=subject).delete()
    record("address.forgotten", actor=RETENTION, obj="address", ref=address.pk)
    transaction.on_commit(partial(_end_for_good, subject))
    return True


def _end_for_good(subject: UUID) -> None:
    """The keystore remembers who went, because an older copy of the data does not know."""
    tombstone(subject, timezone.now(), evidence=True)
    shred_all(subject)


def _is_in_a_request(subject: UUID) -> bool:
    return Request.objects.filter(subject=subject).exists()
