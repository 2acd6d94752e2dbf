"""A test to oneself: the real message through the real outbox, to an address of one's own."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from broadcasts.actions.people import user_of
from broadcasts.content import as_test, message_of, problems_of
from broadcasts.errors import ContentRefused, TestRefused
from broadcasts.models import Broadcast, TestAddress
from messengers.addresses import get_or_create_address, reveal, split_name
from messengers.channels import adapter_of
from messengers.contract import BadAddress
from messengers.models import Address, Channel, Dispatch, Gate
from messengers.outbox import reply
from privacy import audit
from privacy.access import Actor, require
from privacy.models import AuditEntry, DataSubject, User
from privacy.suppression import fingerprint, is_suppressed
from privacy.vault import shred_all
from subscriptions.models import Newsletter, OptIn, Subscription

TESTS_PER_HOUR = 10
ADDRESSES_PER_USER = 5
FORGOTTEN_AFTER = timedelta(days=30)
EXPIRES_AFTER = timedelta(hours=1)
ACTION = "broadcast.tested"


def test_to_self(
    *,
    broadcast: Broadcast,
    channel: Channel,
    actor: Actor,
    to: str | TestAddress,
) -> None:
    """Send the draft to an address of one's own: typed in, or one that was used before.

    Whoever said STOP here gets nothing, and the answer is the same, so that nobody can find out by
    testing who did. Raises `NotAllowed`, `ContentRefused`, or `TestRefused` with the code
    bad_address, too_many or too_many_addresses.
    """
    require(actor, "broadcast.test", broadcast.newsletter_id)
    draft = Broadcast.objects.for_pages().get(pk=broadcast.pk)
    user = user_of(actor)
    if user is None:
        raise TestRefused("no_user")
    if problems := problems_of(as_test(message_of(draft)), [channel]):
        raise ContentRefused(problems)
    canonical = _canonical(channel, to)
    is_wanted = not is_suppressed(fingerprint(channel.kind, canonical), None)
    with transaction.atomic():
        _count_against_limit(user, actor, draft)
        address = _address(user, channel, canonical)
        if is_wanted and not Gate.objects.filter(address=address.pk, is_open=False).exists():
            _send(draft, address, user)


test_to_self.__test__ = False  # type: ignore[attr-defined]  # a verb, not a test case


def _canonical(channel: Channel, to: str | TestAddress) -> str:
    if isinstance(to, TestAddress):
        return reveal(to.address)
    try:
        return adapter_of(channel).canonical(to)
    except BadAddress:
        raise TestRefused("bad_address") from None


def _count_against_limit(user: User, actor: Actor, broadcast: Broadcast) -> None:
    """One entry per test; the user's row is held, so that parallel clicks are counted too."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    tests = AuditEntry.objects.filter(
        action=ACTION, actor=str(actor), at__gt=timezone.now() - timedelta(hours=1)
    )
    if tests.count() >= TESTS_PER_HOUR:
        raise TestRefused("too_many")
    audit.record(ACTION, actor=actor, obj="broadcast", ref=broadcast.pk)


def _address(user: User, channel: Channel, canonical: str) -> Address:
    """The address, remembered for the next test."""
    address = get_or_create_address(channel, canonical)
    mine = TestAddress.objects.filter(user=user)
    if not mine.filter(address=address).exists() and mine.count() >= ADDRESSES_PER_USER:
        raise TestRefused("too_many_addresses")
    TestAddress.objects.update_or_create(
        user=user, address=address, defaults={"channel": channel, "used_at": timezone.now()}
    )
    return address


def _send(broadcast: Broadcast, address: Address, user: User) -> None:
    reply(
        address=address,
        content=as_test(message_of(broadcast)),
        values=sample_values(broadcast.newsletter, user),
        kind=Dispatch.Kind.TEST,
        expires_at=timezone.now() + EXPIRES_AFTER,
    )


def sample_values(newsletter: Newsletter, user: User | None) -> dict[str, str]:
    """What the placeholders show to an editor: their own name, and links to the public page."""
    profile = split_name(user.name if user else "")
    page = f"{settings.JAWORT_ORIGIN}/n/{newsletter.slug}/"
    values = {"newsletter": newsletter.name, "preferences_url": page, "unsubscribe_url": page}
    names = {"first_name": profile.first_name, "last_name": profile.last_name}
    return values | {name: value for name, value in names.items() if value}


def forget_test_addresses(now: datetime) -> int:
    """Erase test addresses that nobody used for a month, with their keys. May run twice."""
    old = TestAddress.objects.filter(used_at__lt=now - FORGOTTEN_AFTER)
    forgotten = 0
    for row in old.select_related("address"):
        forgotten += forget_test_address(row)
    return forgotten


def forget_test_address(row: TestAddress) -> bool:
    """Remove it; the address goes too unless it serves something else. True if it went.

    Rows first, keys last: a crash in between leaves keys to nothing, which the house sweeps.
    """
    address = row.address
    with transaction.atomic():
        row.delete()
        if _is_used(address):
            return False
        address.delete()
        is_alone = not Address.objects.filter(subject=address.subject).exists()
        if is_alone:
            DataSubject.objects.filter(pk=address.subject).delete()
    if is_alone:
        shred_all(address.subject)
    return True


def _is_used(address: Address) -> bool:
    return (
        Subscription.objects.filter(address=address).exists()
        or OptIn.objects.filter(address=address).exists()
        or TestAddress.objects.filter(address=address).exists()
    )
