"""START-<token>: choices made on a page travel into a chat, once and within two days."""

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from privacy.vault import new_token, token_hash
from subscriptions.children import limit_of
from subscriptions.errors import TooYoung
from subscriptions.models import AGE_REACHED, Newsletter, SourceForm, StartToken, Topic

TERM = timedelta(hours=48)
PURPOSE = "start"


@transaction.atomic
def issue_start_token(
    *,
    newsletter: Newsletter,
    language: str,
    topics: Iterable[Topic] = (),
    source_form: SourceForm | None = None,
    age_reached: bool = False,
) -> str:
    """The raw token, shown once; we keep its hash. Knows nobody: whoever sends it asks.

    Raises `TooYoung` where the age has to be declared first and was not.
    """
    limit = limit_of(newsletter)
    if limit and not age_reached:
        raise TooYoung("the age was not declared.")
    raw = new_token()
    token = StartToken.objects.create(
        token_hash=token_hash(PURPOSE, raw),
        newsletter=newsletter,
        source_form=source_form,
        language=language,
        age_limit=limit,
        age_declared=AGE_REACHED if limit else "",
        expires_at=timezone.now() + TERM,
    )
    token.topics.set([topic for topic in topics if topic.newsletter_id == newsletter.pk])
    return raw


@transaction.atomic
def redeem_start_token(raw: str) -> "Started | None":
    """What a token stands for, and the token is gone; None for one unknown, used or too old.

    Two who send it at once: the row's lock lets one of them have it.
    """
    rows = StartToken.objects.select_for_update(of=("self",))
    found = rows.filter(token_hash=token_hash(PURPOSE, raw)).first()
    if found is None:
        return None
    started = Started(found, list(found.topics.all()))
    found.delete()
    return started if started.is_valid else None


class Started:
    """The choices of one page, taken out of the store."""

    def __init__(self, token: StartToken, topics: list[Topic]) -> None:
        self.newsletter = token.newsletter
        self.language = token.language
        self.topics = topics
        self.source_form = token.source_form
        self.age_reached = token.age_declared == AGE_REACHED
        self.is_valid = token.expires_at > timezone.now()
