"""Newsletters, their topics, channels, keywords and segments."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from messengers.models import Channel
from privacy.access import Actor, require
from privacy.audit import record
from subscriptions.actions.wordings import missing_everywhere, publish_defaults
from subscriptions.audience import check_rule
from subscriptions.errors import KeywordRefused, WordingRefused
from subscriptions.models import Keyword, Newsletter, Segment, Topic
from subscriptions.words import Intent, KeywordTable, read_word
from subscriptions.words.table import folded

MANAGE = "newsletter.manage"
TopicNames = tuple[str, str, str]  # short name, German, English
CHANGEABLE = frozenset(
    {
        "name", "publisher", "what_de", "what_en", "frequency_de", "frequency_en", "imprint_url",
        "time_zone", "quiet_from", "quiet_until", "daily_cap", "is_public", "for_children",
    }
)  # fmt: skip


@transaction.atomic
def create_newsletter(
    *,
    actor: Actor,
    topics: Iterable[TopicNames] = (),
    channels: Iterable[Channel] = (),
    **facts: Any,
) -> Newsletter:
    """A newsletter with its topics, its channels, and the default notice and wordings for them."""
    require(actor, MANAGE)
    newsletter = Newsletter.objects.create(**facts)
    record("newsletter.created", actor=actor, obj="newsletter", ref=newsletter.pk)
    for slug, name_de, name_en in topics:
        add_topic(newsletter=newsletter, slug=slug, name_de=name_de, name_en=name_en, actor=actor)
    given = list(channels)
    newsletter.channels.set(given)
    publish_defaults(newsletter=newsletter, channels=given, actor=actor)
    if newsletter.is_public:
        _may_open(newsletter, actor)
    return newsletter


def _may_open(newsletter: Newsletter, actor: Actor) -> None:
    """Raise `WordingRefused` while a privacy notice lacks something: then nobody is asked yet."""
    found = missing_everywhere(newsletter) if actor.kind != "system" else []
    if found:
        raise WordingRefused(found)


@transaction.atomic
def change_newsletter(*, newsletter: Newsletter, actor: Actor, **facts: Any) -> Newsletter:
    """Change facts; texts that were published before stay as people read them."""
    require(actor, MANAGE, newsletter.pk)
    unknown = facts.keys() - CHANGEABLE
    if unknown:
        raise TypeError(f"not to be changed here: {', '.join(sorted(unknown))}.")
    is_opened = facts.get("is_public", False) and not newsletter.is_public
    for name, value in facts.items():
        setattr(newsletter, name, value)
    if is_opened:
        _may_open(newsletter, actor)
    newsletter.full_clean()
    newsletter.save(update_fields=sorted(facts))
    record("newsletter.changed", actor=actor, obj="newsletter", ref=newsletter.pk)
    return newsletter


@transaction.atomic
def add_channel(*, newsletter: Newsletter, channel: Channel, actor: Actor) -> None:
    """Offer the newsletter on one more channel, with default wordings if it has none there."""
    require(actor, MANAGE, newsletter.pk)
    newsletter.channels.add(channel)
    publish_defaults(newsletter=newsletter, channels=[channel], actor=actor)
    record("newsletter.channel_added", actor=actor, obj="newsletter", ref=newsletter.pk)


@transaction.atomic
def remove_channel(*, newsletter: Newsletter, channel: Channel, actor: Actor) -> None:
    """Offer it there no longer; who subscribed there keeps getting it."""
    require(actor, MANAGE, newsletter.pk)
    newsletter.channels.remove(channel)
    record("newsletter.channel_removed", actor=actor, obj="newsletter", ref=newsletter.pk)


@transaction.atomic
def add_topic(
    *, newsletter: Newsletter, slug: str, name_de: str, name_en: str, actor: Actor
) -> Topic:
    """One more topic. Nobody gets it without choosing it."""
    require(actor, MANAGE, newsletter.pk)
    topic = Topic(
        newsletter=newsletter,
        slug=slug,
        name_de=name_de,
        name_en=name_en,
        position=newsletter.topics.count(),
    )
    topic.full_clean()
    topic.save(force_insert=True)
    record("topic.added", actor=actor, obj="topic", ref=topic.pk)
    return topic


@transaction.atomic
def remove_topic(*, topic: Topic, actor: Actor) -> None:
    """Take a topic away; whoever chose it keeps the rest."""
    require(actor, MANAGE, topic.newsletter_id)
    record("topic.removed", actor=actor, obj="topic", ref=topic.pk)
    topic.delete()


@transaction.atomic
def add_keyword(
    *,
    newsletter: Newsletter | None,
    language: str,
    word: str,
    intent: str,
    actor: Actor,
    only_alone: bool = False,
) -> Keyword:
    """A word of the newsroom's own. Raises `KeywordRefused` if it would get in anybody's way."""
    require(actor, MANAGE, newsletter.pk if newsletter else None)
    _check_keyword(word, intent)
    keyword = Keyword(
        newsletter=newsletter,
        language=language,
        word=" ".join(word.split()),
        intent=intent,
        only_alone=only_alone,
    )
    keyword.full_clean()
    keyword.save(force_insert=True)
    scope = str(newsletter.pk) if newsletter else "all"
    record("keyword.added", actor=actor, obj="keyword", ref=str(keyword.pk), facts={"scope": scope})
    return keyword


@transaction.atomic
def remove_keyword(*, keyword: Keyword, actor: Actor) -> None:
    """Take an own word away; the defaults always stay."""
    require(actor, MANAGE, keyword.newsletter_id)
    record("keyword.removed", actor=actor, obj="keyword", ref=str(keyword.pk))
    keyword.delete()


def _check_keyword(word: str, intent: str) -> None:
    if not folded(word):
        raise KeywordRefused("A keyword needs letters or digits.")
    meant = read_word(word, KeywordTable()).intent
    if meant in (Intent.STOP, Intent.ASK_STOP) and intent != Keyword.Intent.STOP:
        raise KeywordRefused("People write this when they want to leave: it cannot mean more.")
    if meant not in (Intent.NONE, Intent.ASK_STOP) and meant != intent:
        raise KeywordRefused("This word has a meaning already.")


@transaction.atomic
def save_segment(*, segment: Segment, actor: Actor) -> Segment:
    """Save a choice of recipients, new or changed. Raises `RuleError`; then nothing is written."""
    require(actor, "segment.write", segment.newsletter_id)
    check_rule(segment.newsletter_id, segment.rule)
    segment.name = " ".join(segment.name.split())
    segment.save()
    record("segment.saved", actor=actor, obj="segment", ref=segment.pk)
    return segment


@transaction.atomic
def delete_segment(*, segment: Segment, actor: Actor) -> None:
    """Forget a saved choice; broadcasts keep the rule they were written with."""
    require(actor, "segment.write", segment.newsletter_id)
    record("segment.deleted", actor=actor, obj="segment", ref=segment.pk)
    segment.delete()
