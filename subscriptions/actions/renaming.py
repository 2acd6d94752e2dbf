"""Correcting the names of topics: what people chose stays what they chose."""

from django.db import transaction

from privacy.access import Actor, require
from privacy.audit import record
from subscriptions.models import Topic


@transaction.atomic
def change_topic(*, topic: Topic, name_de: str, name_en: str, position: int, actor: Actor) -> Topic:
    """Rename a topic or move it in the list. Its short name, which people type, stays."""
    require(actor, "newsletter.manage", topic.newsletter_id)
    topic.name_de, topic.name_en, topic.position = name_de, name_en, position
    topic.full_clean()
    topic.save(update_fields=["name_de", "name_en", "position"])
    record("topic.changed", actor=actor, obj="topic", ref=topic.pk)
    return topic
