"""The consent ledger and its sealed evidence."""

from typing import ClassVar

from django.db import models

from privacy.fields import CurrentXid, XidField
from privacy.ids import uuid7


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
        OBJECTED = "objected"  # to direct marketing (Art. 21(2) GDPR)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.UUIDField(db_index=True)  # random; means nothing once its keys are gone
    subscription = models.UUIDField(null=True)
    newsletter = models.UUIDField()
    state = models.CharField(max_length=12, choices=State.choices)
    wording = models.CharField(max_length=64)
    at = models.DateTimeField()
    entry = models.BinaryField()
    leaf = models.BinaryField(max_length=32)
    # The writer's transaction, given by the database: the sequencer numbers what is complete.
    xid = XidField(db_default=CurrentXid(), editable=False)

    newsletter_path: ClassVar[str] = "newsletter"

    class Meta:
        indexes = [models.Index(fields=["xid", "id"], name="consent_in_order")]


class Evidence(models.Model):
    """What a consent record's commitments open to, sealed under the person's `evidence` key."""

    record = models.OneToOneField(ConsentRecord, on_delete=models.CASCADE, primary_key=True)
    subject = models.UUIDField(db_index=True)
    sealed = models.BinaryField()
