"""How long classes of data stay, and what was removed."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from privacy.ids import uuid7


class RetentionRule(models.Model):
    """How long a class of data stays, from when on, by what law. A change is a new dated row."""

    class Action(models.TextChoices):
        DELETE = "delete", _("Delete")
        SHRED = "shred", _("Destroy the key")
        AGGREGATE = "aggregate", _("Keep only counts")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    data_class = models.CharField(max_length=40)
    starts_with = models.CharField(max_length=120)
    period = models.DurationField(null=True)
    years_to_year_end = models.PositiveSmallIntegerField(null=True)
    action = models.CharField(max_length=12, choices=Action.choices)
    legal_basis = models.CharField(max_length=200)
    valid_from = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["data_class", "valid_from"], name="one_rule_per_class_and_day"
            )
        ]


class RetentionRun(models.Model):
    """What one run of the retention tick did, in counts."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    data_class = models.CharField(max_length=40)
    removed = models.PositiveIntegerField()
