"""Tables of the database `keystore`: wrapped keys and nothing else.

They live in a database of their own, with its own WAL and its own short backup cycle, so that a
destroyed key is soon gone from every copy (docs/architecture.md, "Two databases").
"""

from django.db import models


class KeyEpoch(models.Model):
    """One generation of the key that wraps the others. The key itself is never in a database."""

    number = models.PositiveSmallIntegerField(primary_key=True)
    created_at = models.DateTimeField()
    # No key is wrapped under it any more; its line in the key file stays for the backups' term …
    retired_at = models.DateTimeField(null=True)
    # … and is gone then: no copy of the keystore from before opens any more.
    destroyed_at = models.DateTimeField(null=True)
    # A keyed hash that only the right root key yields: a swapped key file is noticed at once.
    proof = models.BinaryField(max_length=16)


class SubjectKey(models.Model):
    """A data key of one person and class, wrapped under the key of its epoch."""

    class Klass(models.TextChoices):
        OPS = "ops"
        EVIDENCE = "evidence"

    id = models.BigAutoField(primary_key=True)
    subject = models.UUIDField()
    klass = models.CharField(max_length=8, choices=Klass.choices)
    epoch = models.PositiveSmallIntegerField()
    wrapped = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "klass"], name="one_key_per_subject_and_class"
            )
        ]


class InboxKey(models.Model):
    """The key of one day's incoming bodies; destroyed with its term, and the bodies with it."""

    day = models.DateField(primary_key=True)
    epoch = models.PositiveSmallIntegerField()
    wrapped = models.BinaryField()


class SystemKey(models.Model):
    """A key for secrets of the house: channels' credentials, seeds of codes, notes of staff.

    The highest number seals; earlier ones open what older copies of the data hold, for their term.
    """

    number = models.PositiveSmallIntegerField(primary_key=True)
    epoch = models.PositiveSmallIntegerField()
    wrapped = models.BinaryField()
    created_at = models.DateTimeField()


class Tombstone(models.Model):
    """Somebody was erased: a random number, kept here so that an older copy of the data cannot
    bring them back. `evidence`: the key of the proof was destroyed as well.
    """

    subject = models.UUIDField(primary_key=True)
    erased_at = models.DateTimeField()
    evidence = models.BooleanField(default=False)
    # What the erasure put on the suppression list: [kind, slow keyed hash in hex].
    suppressed = models.JSONField(default=list)


class Generation(models.Model):
    """How far data and keys have come together: one row, counted up here first, then in the data.

    A keystore that has come less far than the data is an old copy; so are data that lag behind.
    """

    value = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_generation_row")]
