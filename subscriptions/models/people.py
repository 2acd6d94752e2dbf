"""Who gets what, who asked for it, and what they wrote."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from messengers.models import Address, Channel
from privacy.ids import uuid7
from privacy.models import User
from subscriptions.models.offers import LANGUAGES, Newsletter, SourceForm, Topic
from subscriptions.models.texts import Wording


class Subscriber(models.Model):
    """The person, with one or more addresses on channels. `id` is the data subject's."""

    id = models.UUIDField(primary_key=True)
    language = models.CharField(max_length=2, choices=LANGUAGES, default="de")
    created_at = models.DateTimeField(auto_now_add=True)


class Subscription(models.Model):
    """One subscriber, one newsletter, one address on one channel. Its gate has the same id."""

    class Status(models.TextChoices):
        IMPORTED = "imported", _("Imported, waiting for approval")
        CONFIRMED = "confirmed", _("Confirmed")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        LAPSED = "lapsed", _("Lapsed")
        OBJECTED = "objected", _("Objected")

    TRANSITIONS: ClassVar[dict[str, tuple[str, ...]]] = {
        Status.IMPORTED: (Status.CONFIRMED, Status.WITHDRAWN, Status.OBJECTED),
        Status.CONFIRMED: (Status.WITHDRAWN, Status.LAPSED, Status.OBJECTED),
        # Only a new double opt-in leads back.
        Status.WITHDRAWN: (Status.CONFIRMED,),
        Status.LAPSED: (Status.CONFIRMED, Status.WITHDRAWN, Status.OBJECTED),
        Status.OBJECTED: (Status.CONFIRMED,),
    }

    class LegalBasis(models.TextChoices):
        CONSENT = "consent", _("Consent")
        EXISTING_CUSTOMER = "existing_customer_7_3", _("Existing customer, § 7(3) UWG")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.CASCADE, related_name="subscriptions"
    )
    newsletter = models.ForeignKey(
        Newsletter, on_delete=models.PROTECT, related_name="subscriptions"
    )
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    address = models.ForeignKey(Address, on_delete=models.CASCADE, related_name="+")
    language = models.CharField(max_length=2, choices=LANGUAGES, default="de")
    topics = models.ManyToManyField(Topic, related_name="subscriptions", blank=True)
    status = models.CharField(max_length=12, choices=Status.choices)
    legal_basis = models.CharField(
        max_length=24, choices=LegalBasis.choices, default=LegalBasis.CONSENT
    )
    source = models.CharField(max_length=12)  # chat, web, import
    imported_by = models.ForeignKey(
        "Import", null=True, on_delete=models.SET_NULL, related_name="subscriptions"
    )
    confirmed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    newsletter_path: ClassVar[str] = "newsletter_id"

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["newsletter", "address"], name="one_subscription_per_address"
            ),
            models.CheckConstraint(
                condition=Q(status="imported", ended_at__isnull=True)
                | Q(status="confirmed", confirmed_at__isnull=False, ended_at__isnull=True)
                | Q(status__in=["withdrawn", "lapsed", "objected"], ended_at__isnull=False),
                name="status_and_dates_agree",
            ),
        ]
        indexes = [
            models.Index(
                fields=["newsletter", "channel", "language"],
                name="audience",
                condition=Q(status="confirmed"),
            ),
            models.Index(
                fields=["ended_at"],
                name="ended_subscriptions",
                condition=Q(ended_at__isnull=False),
            ),
        ]


AGE_REACHED = "reached"


class OptIn(models.Model):
    """Somebody asked to subscribe and has not confirmed; gone after its term."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    address = models.OneToOneField(
        Address, on_delete=models.CASCADE, related_name="opt_in"
    )  # one question
    newsletter = models.ForeignKey(Newsletter, on_delete=models.CASCADE, related_name="+")
    language = models.CharField(max_length=2, choices=LANGUAGES)
    topics = models.ManyToManyField(Topic, related_name="+", blank=True)
    wording = models.ForeignKey(Wording, on_delete=models.PROTECT, related_name="+")
    method = models.CharField(max_length=12)  # keyword, button, web_form
    token_hash = models.BinaryField(max_length=32, null=True, unique=True)
    evidence_sealed = models.BinaryField()  # of the request: text, ids, time
    # The age under which nobody may say yes alone, if that was asked; and what was declared.
    age_limit = models.PositiveSmallIntegerField(null=True)
    age_declared = models.CharField(max_length=8, blank=True)  # "", or AGE_REACHED
    source_form = models.ForeignKey(
        SourceForm, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    requested_at = models.DateTimeField()
    answer_until = models.DateTimeField()  # the link or question works until then
    erase_at = models.DateTimeField(db_index=True)

    newsletter_path: ClassVar[str] = "newsletter_id"


class StartToken(models.Model):
    """The one use of a link or QR code that carries choices made on a page into a chat.

    Only the token's hash is kept. It knows no person: whoever sends the word asks.
    """

    token_hash = models.BinaryField(primary_key=True, max_length=32)
    newsletter = models.ForeignKey(Newsletter, on_delete=models.CASCADE, related_name="+")
    source_form = models.ForeignKey(
        SourceForm, null=True, on_delete=models.CASCADE, related_name="+"
    )
    language = models.CharField(max_length=2, choices=LANGUAGES)
    topics = models.ManyToManyField(Topic, related_name="+", blank=True)
    age_limit = models.PositiveSmallIntegerField(null=True)
    age_declared = models.CharField(max_length=8, blank=True)
    expires_at = models.DateTimeField(db_index=True)

    newsletter_path: ClassVar[str] = "newsletter_id"


class ContactCap(models.Model):
    """How often a confirmation went to an address; by blind index, outlives the pending row."""

    key = models.BinaryField(primary_key=True, max_length=16)
    sent_at = models.JSONField(default=list)  # times of the last 30 days
    erase_at = models.DateTimeField(db_index=True)


class Reply(models.Model):
    """A text that was no command, for the editors' inbox. Sealed; gone after 30 days."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    address = models.ForeignKey(Address, on_delete=models.CASCADE, related_name="+")
    newsletter = models.ForeignKey(
        Newsletter, null=True, on_delete=models.CASCADE, related_name="replies"
    )
    sealed = models.BinaryField()
    asks_stop = models.BooleanField(default=False)  # sounded like a withdrawal; we asked back
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(null=True)
    handled_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    newsletter_path: ClassVar[str] = "newsletter_id"
