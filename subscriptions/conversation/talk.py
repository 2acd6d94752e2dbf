"""Who talks to us, in which language, and which handler answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction

from messengers.addresses import find_address, get_or_create_address
from messengers.contract import Button
from messengers.models import Address, Channel
from messengers.outbox import reply
from subscriptions import caps, texts
from subscriptions.conversation.incoming import Incoming, Understood, understand
from subscriptions.models import Newsletter, OptIn, Subscription
from subscriptions.queries import is_known, offered_on, reached_on
from subscriptions.words import Intent, Reading


@dataclass
class Talk:
    """One message on its way through: everything a handler needs, looked up once."""

    incoming: Incoming
    understood: Understood
    address: Address
    was_known: bool
    subscriptions: list[Subscription]  # reached now, the newest first
    question: OptIn | None
    offered: list[Newsletter] = field(default_factory=list)

    @property
    def channel(self) -> Channel:
        return self.incoming.channel

    @property
    def reading(self) -> Reading:
        return self.understood.reading

    @property
    def target(self) -> UUID | None:
        return self.understood.target

    @property
    def language(self) -> str:
        """The word's own language for those whom we do not know yet, else theirs."""
        if self.question:
            return self.question.language
        if self.subscriptions:
            return self.subscriptions[0].language
        known = Subscription.objects.filter(address=self.address).order_by("-pk").first()
        return known.language if known else self.reading.language or "de"

    @property
    def newsletter(self) -> Newsletter | None:
        """The newsletter this is most likely about; None if nobody can say."""
        if self.question:
            return self.question.newsletter
        about = {one.newsletter_id: one.newsletter for one in self.subscriptions}
        candidates = list(about.values()) or self.offered
        return candidates[0] if len(candidates) == 1 else None

    def may(self, purpose: str) -> bool:
        """Whether one more message of this kind may go to this address now; counts it."""
        return caps.take(purpose, self.channel, self.incoming.canonical)

    def say(self, name: str, values: Mapping[str, str] | None = None, *buttons: Button) -> None:
        """Answer with one of our messages.

        A forged sender is a stranger whom we would write to: after a few a day we are silent.
        """
        if not self.incoming.is_proved and not self.may("unproved"):
            return
        about = self.newsletter or (self.offered[0] if self.offered else None)
        facts = texts.newsletter_values(about, self.language) if about else {}
        content = texts.content(name, self.language, buttons=buttons)
        reply(address=self.address, content=content, values={**NOBODY, **facts, **(values or {})})

    def buttons(self, *payloads: str) -> list[Button]:
        return texts.payload_buttons(self.channel, self.language, *payloads)


# Where no newsletter is offered at all, a text still has to read well.
NOBODY = {"newsletter": "Newsletter", "publisher": "–"}
Handler = Callable[[Talk], None]


@transaction.atomic
def answer(incoming: Incoming) -> None:
    """Do what a message asks for, and answer it. One transaction; a withdrawal may run twice.

    A confirmation must not be handled inside a longer transaction than this one.
    """
    from subscriptions.conversation.handlers import HANDLERS

    talk = _begin(incoming)
    HANDLERS[Intent(talk.reading.intent)](talk)


def _begin(incoming: Incoming) -> Talk:
    understood = understand(incoming)
    found = find_address(incoming.channel, incoming.canonical)
    address = found or get_or_create_address(incoming.channel, incoming.canonical, incoming.name)
    question = (
        OptIn.objects.select_related("newsletter", "wording", "address__channel")
        .filter(address=address)
        .first()
    )
    return Talk(
        incoming=incoming,
        understood=understood,
        address=address,
        was_known=found is not None and is_known(found),
        subscriptions=reached_on(address) if found else [],
        question=question,
        offered=offered_on(incoming.channel),
    )
