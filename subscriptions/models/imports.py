"""Lists from elsewhere, and how far a worker is with one."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from messengers.models import Channel
from privacy.ids import uuid7
from privacy.models import User
from subscriptions.models.offers import Newsletter
from subscriptions.models.people import Subscription


class Import(models.Model):
    """A list from elsewhere, with its evidence; written to only after the DPO approved it."""

    class Status(models.TextChoices):
        CHECKED = "checked", _("Checked")
        LOADED = "loaded", _("Loaded, waiting for approval")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    newsletter = models.ForeignKey(Newsletter, on_delete=models.PROTECT, related_name="imports")
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CHECKED)
    legal_basis = models.CharField(max_length=24, choices=Subscription.LegalBasis.choices)
    # Section 7(3) no. 2 UWG: which goods or services of the publisher's own are offered, and why
    # they are similar to what was sold. In the words of who uploaded it.
    similar_offers = models.CharField(max_length=300, blank=True)
    file_sha256 = models.CharField(max_length=64)
    content_sealed = models.BinaryField(null=True)  # until loaded or rejected
    counts = models.JSONField(default=dict)  # reason code -> number
    report = models.JSONField(default=list)  # [line, reason code] of refused rows: no addresses
    uploaded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)

    newsletter_path: ClassVar[str] = "newsletter_id"


class ImportJob(models.Model):
    """A long step of an import that a worker carries out, and how far it is.

    `import_id` is no foreign key: the step holds the import's row while this one moves on.
    """

    class Status(models.TextChoices):
        RUNNING = "running", _("Under way")
        DONE = "done", _("Done")
        FAILED = "failed", _("Not done")

    import_id = models.UUIDField(primary_key=True)
    verb = models.CharField(max_length=8)  # load, approve, reject
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.RUNNING)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    why = models.CharField(max_length=200, blank=True)  # of a failure; never anything about a row
    asked_by = models.UUIDField()  # member of staff
    beat_at = models.DateTimeField()  # last sign of life
