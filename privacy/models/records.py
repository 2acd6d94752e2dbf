"""What we must be able to show: who works for us, the register, and what went wrong."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from privacy.ids import uuid7


class Processor(models.Model):
    """A company that gets personal data through us: the provider of a channel, or of a service.

    The profile of a channel is the row that names it. What the channel is called stands in
    `messengers`; there is no foreign key, because this floor does not know that table.
    """

    class Role(models.TextChoices):
        OURSELVES = "ourselves", _("We run it ourselves")
        PROCESSOR = "processor", _("Processor (Art. 28 GDPR)")
        CONTROLLER = "controller", _("Controller of its own")
        JOINT = "joint", _("Joint controller (Art. 26 GDPR)")

    class Transfer(models.TextChoices):
        NONE = "none", _("None needed: the data stay in the EU or EEA")
        ADEQUACY = "adequacy", _("Adequacy decision (Art. 45 GDPR)")
        DPF = "dpf", _("EU-US Data Privacy Framework (Art. 45 GDPR)")
        CLAUSES = "clauses", _("Standard contractual clauses (Art. 46(2)(c) GDPR)")
        RULES = "rules", _("Binding corporate rules (Art. 47 GDPR)")
        EXCEPTION = "exception", _("Explicit consent in the single case (Art. 49(1)(a) GDPR)")
        MISSING = "missing", _("No instrument known")

    class Service(models.TextChoices):
        CHANNEL = "channel", _("Messenger")
        HOSTING = "hosting", _("Hosting")
        DATABASE = "database", _("Database")
        BACKUP = "backup", _("Backup")
        MAIL = "mail", _("Mail server")
        SMS = "sms", _("SMS gateway")
        SUPPORT = "support", _("Maintenance and support")
        OTHER = "other", _("Other")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    channel = models.UUIDField(null=True, unique=True)
    channel_kind = models.CharField(max_length=24, blank=True)
    service = models.CharField(max_length=10, choices=Service.choices, default=Service.OTHER)
    name = models.CharField(max_length=120)
    purpose = models.CharField(max_length=200, blank=True)
    role = models.CharField(max_length=12, choices=Role.choices, blank=True)
    country = models.CharField(max_length=2, blank=True)
    transfer = models.CharField(max_length=10, choices=Transfer.choices, blank=True)
    contract = models.CharField(max_length=200, blank=True)
    contract_on = models.DateField(null=True)
    contract_sealed = models.BinaryField(null=True)  # the signed file, sealed for the installation
    contract_sha256 = models.CharField(max_length=64, blank=True)
    contract_type = models.CharField(max_length=80, blank=True)
    sub_processors = models.TextField(blank=True)
    retention = models.CharField(max_length=300, blank=True)
    # Why it is used in spite of a warning: somebody has to answer for that.
    decision = models.TextField(blank=True)
    changed_at = models.DateTimeField(auto_now=True)
    ended_on = models.DateField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(channel=None) | Q(service="channel"), name="a_profile_is_of_a_channel"
            )
        ]


class ProcessingRecord(models.Model):
    """One version of the register (Art. 30) or the impact assessment (Art. 35), as exact bytes."""

    class Kind(models.TextChoices):
        CONTROLLER = "controller", _("Register of the controller (Art. 30(1))")
        PROCESSOR = "processor", _("Register of a processor (Art. 30(2))")
        ASSESSMENT = "assessment", _("Impact assessment, draft (Art. 35)")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    version = models.PositiveIntegerField()
    valid_from = models.DateField()
    sha256 = models.CharField(max_length=64)
    body = models.BinaryField()  # canonical JSON: {"de": document, "en": document}
    stored_by = models.CharField(max_length=64)  # an actor, as in the audit log

    class Meta:
        ordering: ClassVar[list[str]] = ["kind", "version"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "version"], name="record_versions_are_counted")
        ]


class RecordText(models.Model):
    """What only the publisher knows: added to the register and the assessment as it stands."""

    key = models.CharField(primary_key=True, max_length=40)
    text_de = models.TextField(blank=True)
    text_en = models.TextField(blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    def lines(self, language: str) -> list[str]:
        """Its lines in this language, or in the other one if only that was written."""
        text = {"de": self.text_de or self.text_en, "en": self.text_en or self.text_de}[language]
        return text.splitlines()


class LegalTerm(models.Model):
    """A term that a law sets, from a day on; a new law is a new row."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=40)
    valid_from = models.DateField()
    hours = models.PositiveIntegerField()
    source = models.CharField(max_length=120)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "valid_from"], name="one_legal_term_per_day")
        ]


class Incident(models.Model):
    """A breach of the protection of personal data, with its clock (Art. 33, 34 GDPR)."""

    class Keys(models.TextChoices):
        UNKNOWN = "unknown", _("Not known yet")
        SAFE = "safe", _("No: the keys are safe")
        EXPOSED = "exposed", _("Yes: root key and key store, or opened data")
        PARTLY = "partly", _("One of root key and key store, not both")

    class Risk(models.TextChoices):
        OPEN = "open", _("Not decided yet")
        NONE = "none", _("Unlikely: no report is needed")
        NORMAL = "normal", _("A risk: report to the authority")
        HIGH = "high", _("A high risk: report, and tell the people")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    number = models.CharField(max_length=16, unique=True)  # "2026-01"
    aware_at = models.DateTimeField()
    report_due_at = models.DateTimeField()
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    keys = models.CharField(max_length=8, choices=Keys.choices, default=Keys.UNKNOWN)
    risk = models.CharField(max_length=6, choices=Risk.choices, default=Risk.OPEN)
    reported_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)  # the notice to the people was started
    closed_at = models.DateTimeField(null=True)
    gone = models.PositiveIntegerField(default=0)  # concerned, and erased since
    texts_sealed = models.BinaryField(null=True)  # free text of staff: it may name people


class IncidentEntry(models.Model):
    """One line in the file of an incident; only ever added to (Art. 33(5) GDPR)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="entries")
    at = models.DateTimeField()
    actor = models.CharField(max_length=64)
    kind = models.CharField(max_length=24)
    facts = models.JSONField(default=dict)  # words and counts
    text_sealed = models.BinaryField(null=True)


class IncidentScope(models.Model):
    """One answer to "whose data was it?": everybody whom it names is concerned."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="scopes")
    kind = models.CharField(max_length=12)
    ref = models.CharField(max_length=64, blank=True)
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    people = models.PositiveIntegerField(default=0)
    gone = models.PositiveIntegerField(default=0)


class IncidentSubject(models.Model):
    """A person concerned by an incident, as a random number, and whether they were told."""

    class State(models.TextChoices):
        LISTED = "listed", _("Not told yet")
        TOLD = "told", _("Told")
        UNREACHABLE = "unreachable", _("No address to tell them at")

    id = models.BigAutoField(primary_key=True)
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="people")
    subject = models.UUIDField(db_index=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.LISTED)
    told_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "subject"], name="a_person_is_listed_once_per_incident"
            )
        ]
