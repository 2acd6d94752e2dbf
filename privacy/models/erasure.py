"""Looking through everything we keep, to prove that erased people are gone."""

from django.db import models

from privacy.ids import uuid7


class Sweep(models.Model):
    """One look through all that is kept, for every erasure that waited for it.

    It goes on where it stopped, in slices: `place` and `at` say how far it came. What was found
    stands by the step that looked for it, as names of places, never as content.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    place = models.CharField(max_length=120, blank=True)
    at = models.TextField(blank=True)  # a block of a table, or the last file of a folder
    done_bytes = models.PositiveBigIntegerField(default=0)
    total_bytes = models.PositiveBigIntegerField(default=0)
    places = models.JSONField(default=list)  # kinds of places that were read, for the certificate
    found = models.JSONField(default=dict)  # id of a step -> names of places

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["finished_at"], nulls_distinct=False, name="one_sweep_at_a_time"
            )
        ]
