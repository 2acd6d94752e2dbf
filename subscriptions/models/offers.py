"""What is offered: newsletters, their topics and words, and where people are asked."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from messengers.models import Channel
from privacy.ids import uuid7
from privacy.models import User

LANGUAGES = [("de", "Deutsch"), ("en", "English")]


class Newsletter(models.Model):
    """What people subscribe to."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(_("Short name in addresses"), unique=True)
    name = models.CharField(_("Name"), max_length=80)
    publisher = models.CharField(_("Publisher"), max_length=120)  # named in every wording
    what_de = models.CharField(_("What it brings (German)"), max_length=200)
    what_en = models.CharField(_("What it brings (English)"), max_length=200)
    frequency_de = models.CharField(_("How often (German)"), max_length=80)
    frequency_en = models.CharField(_("How often (English)"), max_length=80)
    imprint_url = models.URLField(_("Imprint"))
    channels = models.ManyToManyField(Channel, related_name="+", blank=True)
    time_zone = models.CharField(max_length=40, default="Europe/Berlin")
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    daily_cap = models.PositiveSmallIntegerField(default=3)  # broadcasts per person and day
    is_public = models.BooleanField(default=False)
    # Directed at children: everybody is asked for their age first (Art. 8 GDPR).
    for_children = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    newsletter_path: ClassVar[str] = "id"

    def __str__(self) -> str:
        return self.name

    def what(self, language: str) -> str:
        return self.what_en if language == "en" else self.what_de

    def frequency(self, language: str) -> str:
        return self.frequency_en if language == "en" else self.frequency_de


class Topic(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    newsletter = models.ForeignKey(Newsletter, on_delete=models.CASCADE, related_name="topics")
    slug = models.SlugField()
    name_de = models.CharField(max_length=60)
    name_en = models.CharField(max_length=60)
    position = models.PositiveSmallIntegerField(default=0)

    newsletter_path: ClassVar[str] = "newsletter_id"

    class Meta:
        ordering: ClassVar[list[str]] = ["position", "slug"]
        constraints = [
            models.UniqueConstraint(fields=["newsletter", "slug"], name="one_topic_of_a_name")
        ]

    def name(self, language: str) -> str:
        return self.name_en if language == "en" else self.name_de


class Keyword(models.Model):
    """A word of a newsroom's own, for one newsletter or, without one, for all of them.

    The defaults (START, JA, STOP …) are code, `subscriptions/words/vocabulary.py`: rows add to
    them, and none can take STOP away. Why: docs/decisions/subscriptions.md.
    """

    class Intent(models.TextChoices):
        START = "start", _("Subscribe")
        YES = "yes", _("Confirm")
        NO = "no", _("Decline")
        STOP = "stop", _("Withdraw")
        TOPICS = "topics", _("Choose topics")
        HELP = "help", _("Help")
        ACCESS = "access", _("Access to my data")
        ERASURE = "erasure", _("Erase my data")

    id = models.BigAutoField(primary_key=True)
    newsletter = models.ForeignKey(
        Newsletter, null=True, on_delete=models.CASCADE, related_name="keywords"
    )
    language = models.CharField(max_length=2, choices=LANGUAGES)
    word = models.CharField(max_length=40)
    intent = models.CharField(max_length=8, choices=Intent.choices)
    only_alone = models.BooleanField(default=False)  # counts only as the whole message (AUS, END …)

    newsletter_path: ClassVar[str] = "newsletter_id"

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["newsletter", "language", "word"],
                nulls_distinct=False,
                name="a_word_means_one_thing",
            )
        ]


class SourceForm(models.Model):
    """A place where people are asked to subscribe, with what they were promised there.

    What it says never changes: another text is another form. A coupled offer (Art. 7(4) GDPR) is
    published by a decision of the data-protection officer and in no other way.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("Waits for a decision")
        PUBLISHED = "published", _("Published")
        REFUSED = "refused", _("Refused")
        CLOSED = "closed", _("Closed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    newsletter = models.ForeignKey(Newsletter, on_delete=models.CASCADE, related_name="forms")
    code = models.SlugField(_("Short name in addresses"), max_length=40)
    name = models.CharField(_("Name"), max_length=80)
    coupled_offer = models.BooleanField(_("Something is given for the consent"), default=False)
    offer_de = models.TextField(_("What is given, and how to get it without (German)"), blank=True)
    offer_en = models.TextField(_("What is given, and how to get it without (English)"), blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    made_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True)
    reasons = models.TextField(_("Reasons"), blank=True)  # of the decision

    newsletter_path: ClassVar[str] = "newsletter_id"

    class Meta:
        ordering: ClassVar[list[str]] = ["name", "code"]
        constraints = [
            models.UniqueConstraint(fields=["newsletter", "code"], name="one_form_of_a_name"),
            models.CheckConstraint(
                condition=Q(coupled_offer=False)
                | ~Q(status="published")
                | (Q(decided_at__isnull=False) & ~Q(reasons="")),
                name="a_coupled_offer_was_decided",
            ),
            models.CheckConstraint(
                condition=Q(coupled_offer=False) | (~Q(offer_de="") & ~Q(offer_en="")),
                name="a_coupled_offer_says_what",
            ),
        ]

    def offer(self, language: str) -> str:
        return self.offer_en if language == "en" else self.offer_de


class Segment(models.Model):
    """A saved choice of recipients."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    newsletter = models.ForeignKey(Newsletter, on_delete=models.CASCADE, related_name="segments")
    name = models.CharField(_("Name"), max_length=80)
    rule = models.JSONField(default=dict)

    newsletter_path: ClassVar[str] = "newsletter_id"

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["newsletter", "name"], name="one_segment_of_a_name")
        ]
