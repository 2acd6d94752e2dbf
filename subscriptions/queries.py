"""Reads that join several tables."""

from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from messengers.models import Address, Channel, Gate
from privacy.models import DataSubject
from subscriptions.models import ConsentRecord, Keyword, Newsletter, OptIn, Reply, Subscription
from subscriptions.models import Topic as TopicRow
from subscriptions.words import Intent, KeywordRow, KeywordTable, Name

Row = TypeVar("Row", bound=Model)


def in_use(rows: QuerySet[Row], subject: str) -> QuerySet[Row]:
    """`rows` without those of people whose processing is restricted (Art. 18(2) GDPR).

    They are stored and nothing else: in no list, count or file of the newsroom. `subject` is the
    way from a row to the person.
    """
    return rows.filter(unrestricted(subject))


def unrestricted(subject: str) -> Q:
    """The same as a condition, for counts over a relation."""
    restricted = DataSubject.objects.filter(status=DataSubject.Status.RESTRICTED).values("pk")
    return ~Q(**{f"{subject}__in": restricted})


def offered_on(channel: Channel) -> list[Newsletter]:
    """The newsletters that anybody may ask for on this channel, by name."""
    return list(Newsletter.objects.filter(channels=channel, is_public=True).order_by("name"))


def keyword_table(channel: Channel) -> KeywordTable:
    """What this channel listens to: defaults, keywords and names of all its newsletters."""
    newsletters = list(Newsletter.objects.filter(channels=channel))
    ids = [newsletter.pk for newsletter in newsletters]
    own = Keyword.objects.filter(newsletter__in=ids) | Keyword.objects.filter(newsletter=None)
    rows = [
        KeywordRow(
            Intent(row.intent),
            row.word,
            row.language,
            str(row.newsletter_id or ""),
            only_alone=row.only_alone,
        )
        for row in own.order_by("pk")
    ]
    names = [Name(text, str(one.pk)) for one in newsletters for text in (one.name, one.slug)]
    for topic in TopicRow.objects.filter(newsletter__in=ids):
        for text in (topic.name_de, topic.name_en, topic.slug):
            names.append(Name(text, str(topic.newsletter_id), str(topic.pk)))
    return KeywordTable(rows, names)


def reached_on(address: Address) -> list[Subscription]:
    """What this address gets now: confirmed, with an open gate; the newest first."""
    open_gates = Gate.objects.filter(address=address.pk, is_open=True).values("pk")
    return list(
        Subscription.objects.filter(
            address=address, status=Subscription.Status.CONFIRMED, pk__in=open_gates
        )
        .select_related("newsletter", "channel", "address__channel")
        .order_by("-confirmed_at")
    )


def is_known(address: Address) -> bool:
    """Whether anything is stored of this person but the address itself."""
    return has_history(address) or OptIn.objects.filter(address__subject=address.subject).exists()


def has_history(address: Address) -> bool:
    """Whether more is stored of this person than a question that nobody has answered yet."""
    return (
        Subscription.objects.filter(subscriber=address.subject).exists()
        or Reply.objects.filter(address__subject=address.subject).exists()
        or ConsentRecord.objects.filter(subject=address.subject).exists()
    )
