"""What people are shown before they say yes: versions named by their own hash."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from privacy.audit import canonical
from privacy.ids import uuid7
from privacy.models import User
from subscriptions.models.offers import LANGUAGES, Newsletter


class Notice(models.Model):
    """A version of the privacy notice; its id is the SHA-256 of its canonical bytes."""

    id = models.CharField(primary_key=True, max_length=64)
    newsletter = models.ForeignKey(Newsletter, on_delete=models.PROTECT, related_name="notices")
    language = models.CharField(max_length=2, choices=LANGUAGES)
    text = models.TextField()  # Markdown
    published_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    published_at = models.DateTimeField()

    newsletter_path: ClassVar[str] = "newsletter_id"

    def exact(self) -> bytes:
        """The canonical bytes that its id is the hash of."""
        return canonical(
            {
                "kind": "notice",
                "newsletter": self.newsletter_id,
                "language": self.language,
                "text": self.text,
            }
        )


class Wording(models.Model):
    """The exact text somebody says yes to; its id is the SHA-256 of its canonical bytes."""

    id = models.CharField(primary_key=True, max_length=64)
    newsletter = models.ForeignKey(Newsletter, on_delete=models.PROTECT, related_name="wordings")
    language = models.CharField(max_length=2, choices=LANGUAGES)
    channel_kind = models.CharField(max_length=24)
    text = models.TextField()
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="+")
    published_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    published_at = models.DateTimeField()

    newsletter_path: ClassVar[str] = "newsletter_id"

    def exact(self) -> bytes:
        """The canonical bytes that its id is the hash of."""
        return canonical(
            {
                "kind": "wording",
                "newsletter": self.newsletter_id,
                "language": self.language,
                "channel": self.channel_kind,
                "text": self.text,
                "notice": self.notice_id,
            }
        )


class TextProposal(models.Model):
    """A wording or notice that waits for a second person before anybody is shown it."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waits for a second person")
        PUBLISHED = "published", _("Published")
        REFUSED = "refused", _("Refused")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    newsletter = models.ForeignKey(Newsletter, on_delete=models.CASCADE, related_name="proposals")
    language = models.CharField(max_length=2, choices=LANGUAGES)
    kind = models.CharField(max_length=24)  # "notice", or the kind of channel of a wording
    text = models.TextField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    proposed_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    proposed_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True)

    newsletter_path: ClassVar[str] = "newsletter_id"
