"""Tables of a message to many: what it says, to whom, when."""

from typing import ClassVar, Self

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from broadcasts.errors import IllegalTransition, LostRace
from messengers.models import Channel
from privacy.ids import uuid7
from privacy.models import User
from subscriptions.models import LANGUAGES, Newsletter, Segment


class Media(models.Model):
    """An uploaded picture: type checked by its bytes, re-encoded, metadata stripped."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    newsletter = models.ForeignKey(Newsletter, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=80, unique=True)  # of the file, generated
    media_type = models.CharField(max_length=40)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size_bytes = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    uploaded_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    uploaded_at = models.DateTimeField(auto_now_add=True)

    newsletter_path: ClassVar[str] = "newsletter_id"


class BroadcastQuerySet(models.QuerySet["Broadcast"]):
    def for_pages(self) -> Self:
        """With all that a page shows about a broadcast, in one query."""
        return self.select_related(
            "newsletter", "content", "content__image", "segment", "schedule", "created_by"
        )

    def sending(self) -> Self:
        """Those whose dispatch may still change."""
        return self.filter(status__in=[Broadcast.Status.RUNNING, Broadcast.Status.PAUSED])


class Broadcast(models.Model):
    """One message to many. From `start` on its content is frozen in the dispatch."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        SCHEDULED = "scheduled", _("Scheduled")
        RUNNING = "running", _("Being sent")
        PAUSED = "paused", _("Paused")
        FINISHED = "finished", _("Finished")
        CANCELLED = "cancelled", _("Cancelled")
        EXPIRED = "expired", _("Expired")

    class Canary(models.TextChoices):
        NONE = "", _("None")
        WAITING = "waiting", _("Its outcome is awaited")
        PASSED = "passed", _("Went well")
        STOPPED = "stopped", _("Stopped the broadcast")
        OVERRULED = "overrule", _("Sent on by a person")

    TRANSITIONS: ClassVar[dict[str, tuple[str, ...]]] = {
        Status.DRAFT: (Status.SCHEDULED, Status.RUNNING),
        # Back to a draft: by a person, or because the start was refused when its time came.
        Status.SCHEDULED: (Status.DRAFT, Status.RUNNING, Status.EXPIRED),
        Status.RUNNING: (Status.PAUSED, Status.FINISHED, Status.CANCELLED, Status.EXPIRED),
        Status.PAUSED: (Status.RUNNING, Status.FINISHED, Status.CANCELLED, Status.EXPIRED),
        Status.FINISHED: (Status.RUNNING,),  # retry of what failed
        Status.CANCELLED: (),
        Status.EXPIRED: (),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    newsletter = models.ForeignKey(Newsletter, on_delete=models.PROTECT, related_name="broadcasts")
    title = models.CharField(_("Title, seen only here and as e-mail subject"), max_length=120)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    status_why = models.CharField(max_length=64, blank=True)
    # Rule of subscriptions.audience; {} = everybody. With a segment, its rule when last saved.
    audience = models.JSONField(default=dict)
    segment = models.ForeignKey(
        Segment, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    is_urgent = models.BooleanField(default=False)
    urgent_why = models.CharField(max_length=200, blank=True)
    dispatch = models.UUIDField(null=True, unique=True)  # messengers.Dispatch
    start_key = models.CharField(max_length=64, blank=True)  # idempotency key of the start click
    expires_after = models.DurationField(null=True, blank=True)
    # The trial batch: how many people go first (None: as the newsletter's rules say), how many
    # batches these are, and what came of it.
    canary_size = models.PositiveSmallIntegerField(null=True, blank=True)
    canary_batches = models.PositiveSmallIntegerField(default=0, db_default=0)
    canary = models.CharField(
        max_length=8, choices=Canary.choices, default=Canary.NONE, db_default="", blank=True
    )
    canary_done_at = models.DateTimeField(null=True)  # when the last of its answers had come
    canary_found = models.JSONField(null=True)  # people, failures, doubts, opt_outs
    left_out = models.PositiveIntegerField(default=0)  # had their broadcasts of the day already
    bases = models.JSONField(default=dict)  # legal basis -> recipients, as they were at the start
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField(auto_now_add=True)  # guards against a save over another's
    started_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    newsletter_path: ClassVar[str] = "newsletter_id"
    objects = BroadcastQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]
        indexes = [
            models.Index(fields=["newsletter", "-created_at"], name="broadcasts_by_newsletter"),
            models.Index(
                fields=["status"],
                name="broadcasts_sending",
                condition=Q(status__in=["running", "paused"]),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["draft", "scheduled"], dispatch__isnull=True)
                | Q(
                    status__in=["running", "paused", "finished", "cancelled"],
                    dispatch__isnull=False,
                )
                | Q(status="expired"),
                name="what_runs_has_a_dispatch",
            ),
            models.CheckConstraint(
                condition=Q(is_urgent=False) | ~Q(urgent_why=""), name="urgent_says_why"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def rule(self) -> dict[str, object]:
        """Whom it is for: the segment as it is now, or the rule of its own."""
        rule: dict[str, object] = self.segment.rule if self.segment else self.audience
        return rule

    @property
    def is_draft(self) -> bool:
        return self.status == self.Status.DRAFT

    @property
    def is_sending(self) -> bool:
        return self.status in (self.Status.RUNNING, self.Status.PAUSED)

    def advance(self, to: str, **changes: object) -> None:
        """Move to `to` and store `changes` with it, in one UPDATE; or raise and write nothing.

        `IllegalTransition`: the table does not lead there. `LostRace`: another was first.
        """
        if to not in self.TRANSITIONS[self.status]:
            raise IllegalTransition(f"broadcast {self.pk}: {self.status} -> {to}")
        rows = Broadcast.objects.filter(pk=self.pk, status=self.status)
        changes.setdefault("status_why", "")
        if not rows.update(status=to, **changes):
            raise LostRace(f"broadcast {self.pk} is no longer {self.status}")
        self.refresh_from_db()


class SendingRules(models.Model):
    """How careful a newsletter's broadcasts are; one without a row has the defaults."""

    newsletter = models.OneToOneField(Newsletter, on_delete=models.CASCADE, primary_key=True)
    canary_size = models.PositiveSmallIntegerField(
        _("People in the trial batch"), default=0, validators=[MaxValueValidator(5000)]
    )
    canary_minutes = models.PositiveSmallIntegerField(
        _("Minutes to wait for what they say"), default=5, validators=[MaxValueValidator(1440)]
    )
    failures_percent = models.PositiveSmallIntegerField(
        _("Stop above so many percent refused"), default=10, validators=[MaxValueValidator(100)]
    )
    doubts_percent = models.PositiveSmallIntegerField(
        _("Stop above so many percent in doubt"), default=5, validators=[MaxValueValidator(100)]
    )
    opt_outs_percent = models.PositiveSmallIntegerField(
        _("Stop above so many percent who leave"), default=2, validators=[MaxValueValidator(100)]
    )
    urgent_passes_cap = models.BooleanField(
        _("Urgent broadcasts reach those, too, who had their broadcasts of the day"), default=False
    )

    newsletter_path: ClassVar[str] = "newsletter_id"

    @classmethod
    def of(cls, newsletter: Newsletter) -> "SendingRules":
        """The rules of a newsletter, stored or not."""
        found = cls.objects.filter(newsletter=newsletter).first()
        return found or cls(newsletter=newsletter)


class DoubtPolicy(models.Model):
    """That somebody chose what happens to doubts on a channel, and why. Rows are only added."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+")
    policy = models.CharField(max_length=6, choices=Channel.OnDoubt.choices)
    reason = models.CharField(max_length=300)
    chosen_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    chosen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-chosen_at"]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="a_policy_has_a_reason")
        ]


class Content(models.Model):
    """What a broadcast says, in Markdown with placeholders."""

    broadcast = models.OneToOneField(Broadcast, on_delete=models.CASCADE, primary_key=True)
    language = models.CharField(max_length=2, choices=LANGUAGES, default="de")
    markdown = models.TextField(_("Text"))
    buttons = models.JSONField(default=list)  # up to three of {"label": …, "url": …}
    image = models.ForeignKey(
        Media, null=True, blank=True, on_delete=models.PROTECT, related_name="contents"
    )
    image_alt = models.CharField(_("Description of the picture"), max_length=300, blank=True)
    # Made by a machine and read by nobody before: must be said (Art. 50(4) AI Act).
    is_ai_text = models.BooleanField(default=False)


class Schedule(models.Model):
    """When a broadcast is to start. The local time is what the editor meant; DST-safe."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    broadcast = models.OneToOneField(Broadcast, on_delete=models.CASCADE, related_name="schedule")
    local_time = models.CharField(max_length=16)  # "2026-12-01T07:30"
    time_zone = models.CharField(max_length=40)
    fire_at = models.DateTimeField(db_index=True)  # what the local time means, in UTC
    scheduled_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")


class ScheduleFire(models.Model):
    """That a schedule fired at a time: the unique row lets five beats start it once."""

    id = models.BigAutoField(primary_key=True)
    schedule = models.UUIDField()
    fire_at = models.DateTimeField()
    fired_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["schedule", "fire_at"], name="a_schedule_fires_once")
        ]


class TestAddress(models.Model):
    """Where a member of staff sends tests to: an address of their own, sealed for the installation.

    Apart from `messengers.Address`, which forgets within minutes whoever has no subscription.
    """

    __test__ = False  # this is no test case

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+")
    digest = models.BinaryField(max_length=16)  # as in messengers.AddressIndex
    sealed = models.BinaryField()  # the canonical identifier
    used_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "channel", "digest"], name="one_test_address_per_user"
            )
        ]
