"""Writing: drafts and their pictures."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from broadcasts.actions.people import locked, user_of
from broadcasts.content import MAX_BUTTONS, ButtonData, save_content
from broadcasts.errors import EditedMeanwhile, NotADraft
from broadcasts.media import read_picture
from broadcasts.models import Broadcast, Media
from messengers import media as files
from privacy import audit
from privacy.access import Actor, require
from subscriptions.audience import check_rule
from subscriptions.models import Newsletter, Segment

# How long a picture may lie around before a text uses it.
UNUSED_AFTER = timedelta(days=1)


class Fields(TypedDict, total=False):
    """What an editor may write. `audience` is a rule of subscriptions.audience, {} is everybody."""

    title: str
    markdown: str
    language: str
    buttons: Sequence[ButtonData]
    image: Media | None
    image_alt: str
    is_ai_text: bool
    audience: dict[str, object]
    segment: Segment | None
    is_urgent: bool
    urgent_why: str
    expires_after: timedelta | None
    canary_size: int | None


CONTENT_FIELDS = ("markdown", "language", "buttons", "image", "image_alt", "is_ai_text")


@transaction.atomic
def create_broadcast(
    *, newsletter: Newsletter, actor: Actor, **fields: Unpack[Fields]
) -> Broadcast:
    """A new draft. Raises `NotAllowed`, or `RuleError` for an audience that is no rule."""
    require(actor, "broadcast.write", newsletter.pk)
    broadcast = Broadcast(newsletter=newsletter, created_by=user_of(actor))
    _write(broadcast, fields)
    audit.record("broadcast.created", actor=actor, obj="broadcast", ref=broadcast.pk)
    return broadcast


@transaction.atomic
def edit_broadcast(
    *,
    broadcast: Broadcast,
    actor: Actor,
    seen_at: datetime | None = None,
    **fields: Unpack[Fields],
) -> Broadcast:
    """Change a draft. `seen_at` is the `edited_at` that the editor saw when the page was opened.

    Raises `NotADraft`, and `EditedMeanwhile` rather than overwrite what a colleague just saved.
    """
    require(actor, "broadcast.write", broadcast.newsletter_id)
    row = locked(broadcast)
    if not row.is_draft:
        raise NotADraft(f"broadcast {row.pk} is {row.status}: only a draft is edited.")
    if seen_at is not None and seen_at != row.edited_at:
        raise EditedMeanwhile(f"broadcast {row.pk} was saved by somebody else.")
    row.edited_at = timezone.now()
    _write(row, fields)
    audit.record("broadcast.edited", actor=actor, obj="broadcast", ref=row.pk)
    return row


@transaction.atomic
def duplicate_broadcast(*, broadcast: Broadcast, actor: Actor) -> Broadcast:
    """A new draft that says the same to the same people; whoever sent the old one is not copied."""
    require(actor, "broadcast.write", broadcast.newsletter_id)
    content = broadcast.content
    copy = Broadcast(newsletter=broadcast.newsletter, created_by=user_of(actor))
    _write(
        copy,
        {
            "title": broadcast.title,
            "audience": broadcast.audience,
            "segment": broadcast.segment,
            "expires_after": broadcast.expires_after,
            "canary_size": broadcast.canary_size,
            "markdown": content.markdown,
            "language": content.language,
            "buttons": content.buttons,
            "image": content.image,
            "image_alt": content.image_alt,
            "is_ai_text": content.is_ai_text,
        },
    )
    audit.record(
        "broadcast.duplicated",
        actor=actor,
        obj="broadcast",
        ref=copy.pk,
        facts={"of": str(broadcast.pk)},
    )
    return copy


@transaction.atomic
def delete_draft(*, broadcast: Broadcast, actor: Actor) -> None:
    """Remove a draft for good. Raises `NotADraft`: what was sent stays as evidence."""
    require(actor, "broadcast.write", broadcast.newsletter_id)
    row = locked(broadcast)
    if not row.is_draft:
        raise NotADraft(f"broadcast {row.pk} is {row.status}: only a draft is deleted.")
    audit.record("broadcast.deleted", actor=actor, obj="broadcast", ref=row.pk)
    row.delete()


def add_picture(*, newsletter: Newsletter, upload: bytes, actor: Actor) -> Media:
    """Take in an uploaded picture. Raises `PictureRefused`; then nothing is kept."""
    require(actor, "broadcast.write", newsletter.pk)
    picture = read_picture(upload)
    key = files.store(picture.data, picture.media_type)
    return Media.objects.create(
        newsletter=newsletter,
        key=key,
        media_type=picture.media_type,
        width=picture.width,
        height=picture.height,
        size_bytes=len(picture.data),
        sha256=picture.sha256,
        uploaded_by=user_of(actor),
    )


def forget_unused_pictures(now: datetime) -> int:
    """Delete pictures that no text uses for a day, rows first, then files without a row.

    May run twice: a row or file that is gone is not found again.
    """
    unused = Media.objects.filter(contents=None, uploaded_at__lt=now - UNUSED_AFTER)
    keys = list(unused.values_list("key", flat=True))
    deleted, _by_model = Media.objects.filter(key__in=keys, contents=None).delete()
    for key in _old_files(now) - set(Media.objects.values_list("key", flat=True)):
        files.remove(key)
    return deleted


def _old_files(now: datetime) -> set[str]:
    """Keys of files old enough that no upload can still be on its way to its row."""
    old = set()
    for key in files.stored_keys():
        try:
            written = files.path_of(key).stat().st_mtime
        except FileNotFoundError:
            continue
        if written < (now - UNUSED_AFTER).timestamp():
            old.add(key)
    return old


def _write(broadcast: Broadcast, fields: Fields) -> None:
    """Save the draft and its content with these fields, others as they are."""
    values: dict[str, object] = dict(fields)
    if segment := fields.get("segment"):
        values["audience"] = segment.rule
    elif "audience" in fields:
        check_rule(broadcast.newsletter_id, fields["audience"])
        values["segment"] = None  # or its rule would count instead of this one
    content = {name: values.pop(name) for name in CONTENT_FIELDS if name in values}
    if len(fields.get("buttons", ())) > MAX_BUTTONS:
        raise ValueError(f"A message has at most {MAX_BUTTONS} buttons.")
    for name, value in values.items():
        setattr(broadcast, name, value)
    broadcast.save()
    save_content(broadcast, **content)
