"""How long classes of data stay, who said so, what is planned, held back and removed."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from privacy.ids import uuid7
from privacy.models.staff import User


class RetentionRule(models.Model):
    """How long a class of data stays, from when on, by what law. A change is a new dated row.

    It counts from `valid_from` on, and only once a second person has approved it.
    """

    class Action(models.TextChoices):
        DELETE = "delete", _("Delete")
        SHRED = "shred", _("Destroy the key")
        AGGREGATE = "aggregate", _("Keep only counts")
        BLOCK = "block", _("Send no more")

    class Status(models.TextChoices):
        PROPOSED = "proposed", _("Waits for a second person")
        APPROVED = "approved", _("Approved")
        REFUSED = "refused", _("Refused")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    data_class = models.CharField(max_length=40)
    version = models.PositiveIntegerField(default=1)
    starts_with = models.CharField(max_length=120)
    # At most one of the three: a span of time, calendar months, or years to the end of a year.
    period = models.DurationField(null=True)
    months = models.PositiveSmallIntegerField(null=True)
    years_to_year_end = models.PositiveSmallIntegerField(null=True)
    warn_months = models.PositiveSmallIntegerField(null=True)  # somebody is told this early
    action = models.CharField(max_length=12, choices=Action.choices)
    legal_basis = models.CharField(max_length=200)
    exceptions = models.CharField(max_length=200, blank=True)
    owner = models.CharField(max_length=80, blank=True)  # the office that answers for the rule
    # More than both of these due in one night waits for the officer.
    outlier_percent = models.PositiveSmallIntegerField(default=20)
    outlier_rows = models.PositiveIntegerField(default=1000)
    valid_from = models.DateField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.APPROVED)
    reason = models.CharField(max_length=300, blank=True)  # why it was changed; about no person
    proposed_by = models.UUIDField(null=True)
    proposed_at = models.DateTimeField(null=True)
    decided_by = models.UUIDField(null=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["data_class", "valid_from"],
                condition=Q(status="approved"),
                name="one_approved_rule_per_class_and_day",
            ),
            models.UniqueConstraint(
                fields=["data_class", "version"], name="retention_versions_are_counted"
            ),
            models.CheckConstraint(
                condition=Q(period=None, months=None)
                | Q(period=None, years_to_year_end=None)
                | Q(months=None, years_to_year_end=None),
                name="a_retention_rule_has_one_term",
            ),
            models.CheckConstraint(
                condition=~Q(status="approved")
                | Q(proposed_by=None)
                | (Q(decided_by__isnull=False) & ~Q(decided_by=models.F("proposed_by"))),
                name="a_retention_rule_needs_four_eyes",
            ),
        ]


class RetentionRun(models.Model):
    """What one run of the retention tick did, in counts."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    data_class = models.CharField(max_length=40)
    removed = models.PositiveIntegerField()


class RetentionPlan(models.Model):
    """One night's work: counted first, then done, then checked. One for each day of the house."""

    class Status(models.TextChoices):
        RUNNING = "running", _("In progress")
        WAITING = "waiting", _("Waits for approval")
        DONE = "done", _("Done")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    day = models.DateField(unique=True)
    at = models.DateTimeField()  # what counts as "now" for the whole plan
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    finished_at = models.DateTimeField(null=True)
    summary = models.BinaryField(null=True)  # canonical bytes, once done
    sha256 = models.CharField(max_length=64, blank=True)


class RetentionItem(models.Model):
    """One class of data in one night's plan."""

    class Status(models.TextChoices):
        PLANNED = "planned", _("Planned")
        WAITING = "waiting", _("Waits for approval")
        APPROVED = "approved", _("Approved")
        REFUSED = "refused", _("Kept, on a person's decision")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed; tried again tomorrow")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    plan = models.ForeignKey(RetentionPlan, on_delete=models.CASCADE, related_name="items")
    data_class = models.CharField(max_length=40)
    due = models.PositiveIntegerField()
    total = models.PositiveIntegerField()
    held = models.PositiveIntegerField(default=0)  # due, but kept by a legal hold
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PLANNED)
    removed = models.PositiveIntegerField(default=0)
    batches = models.PositiveIntegerField(default=0)
    overdue = models.PositiveIntegerField(null=True)  # counted anew after the work
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["plan", "data_class"], name="one_retention_item_per_plan_and_class"
            )
        ]


class RetentionPause(models.Model):
    """While one of these has not ended, no nightly work is done."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    since = models.DateTimeField()
    paused_by = models.UUIDField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                models.Value(1), condition=Q(ended_at=None), name="one_retention_pause_at_a_time"
            )
        ]


class LegalHold(models.Model):
    """Data that must stay although their time is over: a person's, a class of data, or both."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.UUIDField(null=True)  # empty: everybody's
    data_class = models.CharField(max_length=40, blank=True)  # empty: every class
    reason_sealed = models.BinaryField()
    owner = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    since = models.DateTimeField()
    review_at = models.DateField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["subject"], condition=Q(ended_at=None), name="open_holds_by_subject"
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(subject__isnull=False) | ~Q(data_class=""),
                name="a_hold_names_somebody_or_something",
            )
        ]
