"""Tables of consent: what is offered, who asked, who said yes, and the proof of it."""

from subscriptions.models.imports import Import, ImportJob
from subscriptions.models.ledger import ConsentRecord, Evidence
from subscriptions.models.offers import LANGUAGES, Keyword, Newsletter, Segment, SourceForm, Topic
from subscriptions.models.people import (
    AGE_REACHED,
    ContactCap,
    OptIn,
    Reply,
    StartToken,
    Subscriber,
    Subscription,
)
from subscriptions.models.texts import Notice, TextProposal, Wording

__all__ = [
    "AGE_REACHED",
    "LANGUAGES",
    "ConsentRecord",
    "ContactCap",
    "Evidence",
    "Import",
    "ImportJob",
    "Keyword",
    "Newsletter",
    "Notice",
    "OptIn",
    "Reply",
    "Segment",
    "SourceForm",
    "StartToken",
    "Subscriber",
    "Subscription",
    "TextProposal",
    "Topic",
    "Wording",
]
