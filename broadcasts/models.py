"""Tables of a message to many: what it says, to whom, when."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from privacy.ids import uuid7
from privacy.models import User
from subscriptions.models import LANGUAGES, Newsletter


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

    TRANSITIONS: ClassVar[dict[str, tuple[str, ...]]] = {
        Status.DRAFT: (Status.SCHEDULED, Status.RUNNING),
        Status.SCHEDULED: (Status.DRAFT, Status.RUNNING, Status.EXPIRED),
        Status.RUNNING: (Status.PAUSED, Status.FINISHED, Status.CANCELLED, Status.EXPIRED),
        Status.PAUSED: (Status.RUNNING, Status.CANCELLED, Status.EXPIRED),
        Status.FINISHED: (Status.RUNNING,),  # retry of what failed
        Status.CANCELLED: (),
        Status.EXPIRED: (),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    newsletter = models.ForeignKey(Newsletter, on_delete=models.PROTECT, related_name="broadcasts")
    title = models.CharField(_("Title, seen only here and as e-mail subject"), max_length=120)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    status_why = models.CharField(max_length=64, blank=True)
    audience = models.JSONField(default=dict)  # rule of subscriptions.audience; {} = everybody
    is_urgent = models.BooleanField(default=False)
    urgent_why = models.CharField(max_length=200, blank=True)
    dispatch = models.UUIDField(null=True, unique=True)  # messengers.Dispatch
    start_key = models.CharField(max_length=64, blank=True)  # idempotency key of the start click
    expires_after = models.DurationField(null=True, blank=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    newsletter_path: ClassVar[str] = "newsletter_id"

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]
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


class Content(models.Model):
    """What a broadcast says, in Markdown with placeholders."""

    broadcast = models.OneToOneField(Broadcast, on_delete=models.CASCADE, primary_key=True)
    language = models.CharField(max_length=2, choices=LANGUAGES, default="de")
    markdown = models.TextField(_("Text"))
    buttons = models.JSONField(default=list)  # up to three of {"label": …, "url": …}
    image = models.ForeignKey(
        Media, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    image_alt = models.CharField(_("Description of the picture"), max_length=300, blank=True)


class Schedule(models.Model):
    """When a broadcast is to start. The local time is what the editor meant; DST-safe."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    broadcast = models.OneToOneField(Broadcast, on_delete=models.CASCADE, related_name="schedule")
    local_time = models.CharField(max_length=16)  # "2026-12-01T07:30"
    time_zone = models.CharField(max_length=40)
    fire_at = models.DateTimeField(db_index=True)
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
