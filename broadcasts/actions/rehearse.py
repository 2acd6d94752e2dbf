"""A test to oneself: the real message through the real outbox, to an address of one's own."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from broadcasts.actions.people import user_of
from broadcasts.content import as_test, message_of, problems_of
from broadcasts.errors import ContentRefused, TestRefused
from broadcasts.models import Broadcast, TestAddress
from messengers.addresses import digest_of, get_or_create_address, split_name
from messengers.channels import adapter_of
from messengers.contract import BadAddress
from messengers.models import Address, Channel, Dispatch, Gate
from messengers.outbox import reply
from privacy import audit
from privacy.access import Actor, require
from privacy.models import AuditEntry, User
from privacy.suppression import fingerprint, is_suppressed
from privacy.vault import Where, open_system, seal_system
from subscriptions.models import Newsletter

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
        _remember(user, channel, canonical)
        address = get_or_create_address(channel, canonical)
        if is_wanted and not Gate.objects.filter(address=address.pk, is_open=False).exists():
            _send(draft, address, user)


test_to_self.__test__ = False  # type: ignore[attr-defined]  # a verb, not a test case


def _canonical(channel: Channel, to: str | TestAddress) -> str:
    if isinstance(to, TestAddress):
        return identifier_of(to)
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


def _remember(user: User, channel: Channel, canonical: str) -> None:
    """Keep the address for the next test, sealed; at most a few for each member of staff."""
    digest = digest_of(channel.pk, canonical)
    mine = TestAddress.objects.filter(user=user)
    if mine.filter(channel=channel, digest=digest).update(used_at=timezone.now()):
        return
    if mine.count() >= ADDRESSES_PER_USER:
        raise TestRefused("too_many_addresses")
    row = TestAddress(user=user, channel=channel, digest=digest, used_at=timezone.now())
    row.sealed = seal_system(_where(row), canonical.encode())
    row.save(force_insert=True)


def identifier_of(row: TestAddress) -> str:
    """The canonical address in clear: for sending."""
    return open_system(_where(row), bytes(row.sealed)).decode()


def masked_test_address(row: TestAddress) -> str:
    """Enough of it to be recognised by its owner."""
    return adapter_of(row.channel).mask(identifier_of(row))


def _where(row: TestAddress) -> Where:
    return Where("broadcasts_testaddress", "sealed", row.pk)


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
    """Erase test addresses that nobody used for a month. May run twice."""
    count, _by_model = TestAddress.objects.filter(used_at__lt=now - FORGOTTEN_AFTER).delete()
    return count
