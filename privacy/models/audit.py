"""What happened, as a log that only grows."""

from django.db import models
from django.utils.translation import gettext_lazy as _

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
            models.Index(fields=["actor", "id"], name="audit_by_actor"),
            models.Index(fields=["xid", "id"], name="audit_in_order"),
        ]


class Log(models.IntegerChoices):
    """The two logs: each a tree of its own, with its own readers and its own term."""

    AUDIT = 1, _("Audit log")
    CONSENT = 2, _("Consent ledger")


class Leaf(models.Model):
    """The place of an entry in its log, counted from 0 without gaps. Insert-only.

    It keeps the entry's hash, so that an entry whose term is over can give up its bytes.
    """

    pk = models.CompositePrimaryKey("log", "idx")
    log = models.PositiveSmallIntegerField(choices=Log.choices)
    idx = models.BigIntegerField()
    entry_id = models.UUIDField()
    leaf = models.BinaryField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["log", "entry_id"], name="one_place_per_entry")
        ]


class Node(models.Model):
    """The hash over a complete subtree of 256, 65,536 or 16,777,216 … leaves. Insert-only.

    What lies between is quicker computed than stored (`privacy.audit.nodes`).
    """

    pk = models.CompositePrimaryKey("log", "level", "pos")
    log = models.PositiveSmallIntegerField(choices=Log.choices)
    level = models.PositiveSmallIntegerField()  # 2**level leaves
    pos = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)


class Checkpoint(models.Model):
    """What a log was at one moment, as the signed note of C2SP tlog-checkpoint. Insert-only."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    log = models.PositiveSmallIntegerField(choices=Log.choices)
    size = models.BigIntegerField()
    root = models.BinaryField(max_length=32)
    note = models.TextField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["log", "size"], name="checkpoints_by_size")]


class Anchor(models.Model):
    """Somebody outside who has seen a checkpoint, with what they gave for it. Insert-only."""

    class Kind(models.TextChoices):
        WITNESS = "witness", _("Witness on another host")
        REPORT = "report", _("Monthly report to the officer")
        TIMESTAMP = "timestamp", _("Time-stamp of an authority")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="anchors")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=200)
    # Signature lines of a witness, the SHA-256 of a report, an authority's answer (RFC 3161).
    proof = models.BinaryField()
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["kind", "name", "-at"], name="anchors_by_name")]


class Rebase(models.Model):
    """From here on transactions are counted anew, because the rows came from another cluster.

    Whatever had been written before stands below `size`. Insert-only.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    log = models.PositiveSmallIntegerField(choices=Log.choices)
    size = models.BigIntegerField()
    from_xid = XidField()
    at = models.DateTimeField()


class Watch(models.Model):
    """How it stands with those who watch the logs: the signer, each witness, each time-stamp."""

    name = models.CharField(primary_key=True, max_length=240)
    tried_at = models.DateTimeField()
    well_at = models.DateTimeField(null=True)
    trouble = models.CharField(max_length=40, blank=True)  # a word: "refused", "unreachable" …
    size = models.BigIntegerField(default=0)  # the last it has seen
    facts = models.JSONField(default=dict)  # public keys; nothing about anybody


class Verification(models.Model):
    """One reading of the logs from the officer's page, while it runs and with what it found."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    started_at = models.DateTimeField()
    started_by = models.UUIDField(null=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)
    is_sound = models.BooleanField(null=True)
    result = models.JSONField(default=dict)
