"""What happened, as a log that only grows."""

from django.db import models

from privacy.fields import CurrentXid, XidField
from privacy.ids import uuid7


class AuditEntry(models.Model):
    """What somebody did, as exact bytes; written in the transaction of the act. Insert-only."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    action = models.CharField(max_length=64)
    actor = models.CharField(max_length=64)  # "staff:<uuid>", "subscriber:<uuid>", "system:tick"
    object = models.CharField(max_length=40)
    ref = models.CharField(max_length=64)
    at = models.DateTimeField()
    entry = models.BinaryField()
    leaf = models.BinaryField(max_length=32)
    # The writer's transaction, given by the database: the sequencer numbers what is complete.
    xid = XidField(db_default=CurrentXid(), editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["ref", "at"], name="audit_by_ref"),
            models.Index(fields=["at"], name="audit_by_time"),
        ]
