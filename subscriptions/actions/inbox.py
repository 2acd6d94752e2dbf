"""What people wrote that was no command: kept sealed for the editors, for 30 days."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from messengers.contract import Content
from messengers.models import Address, Dispatch
from messengers.outbox import reply as send
from privacy.access import Actor, require
from privacy.audit import record
from privacy.vault import Where, open_sealed, seal
from subscriptions.actions.wordings import staff_of
from subscriptions.models import Newsletter, Reply, Subscription

READ = "inbox.read"


def keep_reply(
    *,
    address: Address,
    text: str,
    received_at: datetime,
    newsletter: Newsletter | None,
    asks_stop: bool = False,
) -> Reply:
    """Put a text into the editors' inbox."""
    kept = Reply(
        address=address, newsletter=newsletter, asks_stop=asks_stop, received_at=received_at
    )
    kept.sealed = seal(address.subject, "ops", _where(kept), text.encode())
    kept.save(force_insert=True)
    return kept


def read_reply(kept: Reply) -> str:
    """The text; raises `KeyDestroyed` once the person is erased."""
    return open_sealed(kept.address.subject, "ops", _where(kept), bytes(kept.sealed)).decode()


@transaction.atomic
def answer_reply(*, reply: Reply, text: str, actor: Actor) -> Dispatch:
    """An editor's own words to one person who wrote; the reply is then handled."""
    require(actor, READ, reply.newsletter_id)
    address = Address.objects.select_related("channel").get(pk=reply.address_id)
    latest = Subscription.objects.filter(address=address).order_by("-pk").first()
    language = latest.language if latest else "de"
    content = Content("{answer}", language, subject="{sender}", purpose="reply")
    sender = reply.newsletter.name if reply.newsletter else address.channel.name
    sent = send(address=address, content=content, values={"answer": text, "sender": sender})
    _handled(reply, actor, "reply.answered")
    return sent


@transaction.atomic
def mark_handled(*, reply: Reply, actor: Actor) -> None:
    """Read, and nothing to answer. May run twice."""
    require(actor, READ, reply.newsletter_id)
    if reply.handled_at is None:
        _handled(reply, actor, "reply.handled")


def _handled(reply: Reply, actor: Actor, action: str) -> None:
    reply.handled_at, reply.handled_by = timezone.now(), staff_of(actor)
    reply.save(update_fields=["handled_at", "handled_by"])
    record(action, actor=actor, obj="reply", ref=reply.pk)


def _where(kept: Reply) -> Where:
    return Where("subscriptions_reply", "sealed", kept.pk)
