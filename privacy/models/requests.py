"""What people asked for under Art. 15 to 21 GDPR, and what came of it."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from privacy.ids import uuid7
from privacy.models.staff import User


class Request(models.Model):
    """What a person asked for under Art. 15 to 21 GDPR, with its clock."""

    class Kind(models.TextChoices):
        ACCESS = "access", _("Access (Art. 15)")
        RECTIFICATION = "rectification", _("Rectification (Art. 16)")
        ERASURE = "erasure", _("Erasure (Art. 17)")
        RESTRICTION = "restriction", _("Restriction (Art. 18)")
        PORTABILITY = "portability", _("Portability (Art. 20)")
        OBJECTION = "objection", _("Objection (Art. 21)")

    class Status(models.TextChoices):
        RECEIVED = "received", _("Received")
        VERIFYING = "verifying", _("Identity being checked")
        WORKING = "working", _("In progress")
        REVIEW = "review", _("Waiting for review")
        DELIVERED = "delivered", _("Answer delivered")
        CLOSED = "closed", _("Closed")

    class Outcome(models.TextChoices):
        FULFILLED = "fulfilled", _("Fulfilled")
        PARTLY = "partly", _("Fulfilled in part")
        NO_DATA = "no_data", _("No data")
        REFUSED = "refused", _("Refused, with reasons")
        NOT_IDENTIFIED = "not_identified", _("Person not identified")
        WITHDRAWN = "withdrawn", _("Withdrawn by the person")

    class Origin(models.TextChoices):
        CHAT = "chat", _("Chat")
        WEB = "web", _("Web page")
        STAFF = "staff", _("Entered by staff")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    number = models.CharField(max_length=16, unique=True)  # "2026-0007"
    kind = models.CharField(max_length=16, choices=Kind.choices)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.RECEIVED)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, blank=True)
    origin = models.CharField(max_length=8, choices=Origin.choices)
    subject = models.UUIDField(null=True)  # outlives the person's row: no foreign key
    channel = models.UUIDField(null=True)
    address = models.UUIDField(null=True)
    is_verified = models.BooleanField(default=False)
    received_at = models.DateTimeField()
    due_at = models.DateTimeField()
    extended_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    assigned_to = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    note_sealed = models.BinaryField(null=True)  # free text of staff, sealed for the installation
    # The proof of identity (Art. 12(6)): what was asked is kept as a hash until it is answered.
    proof_hash = models.BinaryField(max_length=32, null=True)
    paused_at = models.DateTimeField(null=True)
    paused_days = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["status", "due_at"], name="requests_by_clock")]


class RequestStep(models.Model):
    """One step of working on a request; resumable, done once."""

    id = models.BigAutoField(primary_key=True)
    request = models.ForeignKey(Request, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=32)
    position = models.PositiveSmallIntegerField()
    done_at = models.DateTimeField(null=True)
    facts = models.JSONField(default=dict)  # counts only
    # What an erasure must look for afterwards, under a key of its own that the scan destroys.
    sealed = models.BinaryField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "name"], name="one_step_of_a_name_per_request"
            )
        ]


class ExportPackage(models.Model):
    """The answer to an access request: a sealed file, one download, gone after 7 days."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    request = models.ForeignKey(Request, on_delete=models.CASCADE, related_name="packages")
    subject = models.UUIDField()
    file_name = models.CharField(max_length=80)  # random; the content is sealed under their key
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    token_hash = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    downloaded_at = models.DateTimeField(null=True)
    destroyed_at = models.DateTimeField(null=True)
    # Whoever holds one channel of a person need not be the person (a number may be stolen): with
    # several channels the download wants a code that went to the others.
    code_hash = models.BinaryField(max_length=32, null=True)
    code_tries = models.PositiveSmallIntegerField(default=0)


class RecipientNotice(models.Model):
    """One recipient who must hear of a correction, erasure or restriction (Art. 19 GDPR)."""

    class Status(models.TextChoices):
        OPEN = "open", _("To be told")
        ASKED = "asked", _("Told, no answer yet")
        CONFIRMED = "confirmed", _("Has confirmed")
        NOTHING_KEPT = "nothing_kept", _("Keeps nothing")
        IMPOSSIBLE = "impossible", _("Not possible, or only with disproportionate effort")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    request = models.ForeignKey(Request, on_delete=models.CASCADE, related_name="notices")
    recipient = models.CharField(max_length=200)  # a company's name, never the person
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPEN)
    asked_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    reply_sealed = models.BinaryField(null=True)  # what they answered, in staff's words

    class Meta:
        ordering: ClassVar[list[str]] = ["recipient"]
        constraints = [
            models.UniqueConstraint(
                fields=["request", "recipient"], name="one_notice_per_request_and_recipient"
            )
        ]


class Certificate(models.Model):
    """What was erased, what stays and why; without a word about who it was."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    request = models.OneToOneField(Request, on_delete=models.CASCADE, related_name="certificate")
    body = models.BinaryField()  # canonical bytes
    sha256 = models.CharField(max_length=64)
    token_hash = models.BinaryField(max_length=32, unique=True, null=True)  # the person's own link
    issued_at = models.DateTimeField()


class SecondApproval(models.Model):
    """What waits for a second person. Ids and counts only; the words stand where `ref` leads."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting for a second person")
        APPROVED = "approved", _("Approved")
        REFUSED = "refused", _("Not approved")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=32)  # "export.staff"; see privacy/requests/approvals.py
    ref = models.CharField(max_length=64)  # what it is about, as a random id
    facts = models.JSONField(default=dict)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    asked_by = models.CharField(max_length=64)  # "staff:<uuid>" or "system:retention"
    asked_at = models.DateTimeField()
    decided_by = models.CharField(max_length=64, blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "ref"],
                condition=models.Q(status="waiting"),
                name="one_approval_waits_per_matter",
            ),
            # Four eyes: whoever asked does not decide, whatever a program may try.
            models.CheckConstraint(
                condition=models.Q(status="waiting", decided_by="", decided_at=None)
                | models.Q(status__in=("approved", "refused"), decided_at__isnull=False)
                & ~models.Q(decided_by=models.F("asked_by"))
                & ~models.Q(decided_by=""),
                name="second_person_is_another",
            ),
        ]
        indexes = [models.Index(fields=["status", "asked_at"], name="approvals_that_wait")]
