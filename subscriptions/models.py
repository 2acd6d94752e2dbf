"""Tables of consent: what is offered, who asked, who said yes, and the proof of it."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from messengers.models import Address, Channel
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


class Notice(models.Model):
    """A version of the privacy notice; its id is the SHA-256 of its canonical bytes."""

    id = models.CharField(primary_key=True, max_length=64)
    newsletter = models.ForeignKey(Newsletter, on_delete=models.PROTECT, related_name="notices")
    language = models.CharField(max_length=2, choices=LANGUAGES)
    text = models.TextField()  # Markdown
    published_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    published_at = models.DateTimeField()

    newsletter_path: ClassVar[str] = "newsletter_id"


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
            )
        ]


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
    requested_at = models.DateTimeField()
    answer_until = models.DateTimeField()  # the link or question works until then
    erase_at = models.DateTimeField(db_index=True)

    newsletter_path: ClassVar[str] = "newsletter_id"


class ConsentRecord(models.Model):
    """Who agreed to which wording, when and how; never changed, only followed by another.

    `entry` holds exact canonical bytes with commitments instead of identities. Insert-only.
    """

    class State(models.TextChoices):
        REQUESTED = "requested"
        GIVEN = "given"
        REFUSED = "refused"
        WITHDRAWN = "withdrawn"
        RENEWED = "renewed"
        EXPIRED = "expired"
        INVALIDATED = "invalidated"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.UUIDField(db_index=True)  # random; means nothing once its keys are gone
    subscription = models.UUIDField(null=True)
    newsletter = models.UUIDField()
    state = models.CharField(max_length=12, choices=State.choices)
    wording = models.CharField(max_length=64)
    at = models.DateTimeField()
    entry = models.BinaryField()
    leaf = models.BinaryField(max_length=32)

    newsletter_path: ClassVar[str] = "newsletter"


class Evidence(models.Model):
    """What a consent record's commitments open to, sealed under the person's `evidence` key."""

    record = models.OneToOneField(ConsentRecord, on_delete=models.CASCADE, primary_key=True)
    subject = models.UUIDField(db_index=True)
    sealed = models.BinaryField()


class ContactCap(models.Model):
    """How often a confirmation went to an address; by blind index, outlives the pending row."""

    key = models.BinaryField(primary_key=True, max_length=16)
    sent_at = models.JSONField(default=list)  # times of the last 30 days
    erase_at = models.DateTimeField(db_index=True)


class Import(models.Model):
    """A list from elsewhere, with its evidence; written to only after the DPO approved it."""

    class Status(models.TextChoices):
        CHECKED = "checked", _("Checked")
        LOADED = "loaded", _("Loaded, waiting for approval")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    newsletter = models.ForeignKey(Newsletter, on_delete=models.PROTECT, related_name="imports")
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CHECKED)
    legal_basis = models.CharField(max_length=24, choices=Subscription.LegalBasis.choices)
    file_sha256 = models.CharField(max_length=64)
    content_sealed = models.BinaryField(null=True)  # until loaded or rejected
    counts = models.JSONField(default=dict)  # reason code -> number
    report = models.JSONField(default=list)  # [line, reason code] of refused rows: no addresses
    uploaded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)

    newsletter_path: ClassVar[str] = "newsletter_id"


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
