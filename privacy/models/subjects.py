"""Who is concerned: people as random numbers, and addresses we must not write to."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from privacy.ids import uuid7


class DataSubject(models.Model):
    """A person, as a random number. What we know about them hangs on it, sealed under their key."""

    class Status(models.TextChoices):
        ACTIVE = "active", _("Active")
        RESTRICTED = "restricted", _("Restricted")
        ERASED = "erased", _("Erased")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    erased_at = models.DateTimeField(null=True)


class Suppression(models.Model):
    """An address we must not write to, as a slow keyed hash (never the address itself)."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=24)
    fingerprint = models.BinaryField(max_length=32)
    newsletter = models.UUIDField(null=True)
    reason = models.CharField(max_length=24)
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "fingerprint", "newsletter"],
                nulls_distinct=False,
                name="one_suppression_per_address_and_scope",
            )
        ]
