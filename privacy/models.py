"""Tables of the ground floor: who works here, who is concerned, what happened, what was asked."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from privacy.fields import CurrentXid, XidField
from privacy.ids import uuid7


class Controller(models.Model):
    """The publisher who answers for the processing (Art. 4 no. 7 GDPR); one per installation."""

    name = models.CharField(_("Name"), max_length=200)
    address = models.TextField(_("Postal address"))
    email = models.EmailField(_("E-mail"))
    imprint_url = models.URLField(_("Imprint"))
    dpo_contact = models.TextField(_("Data-protection officer"))
    authority = models.CharField(_("Supervisory authority"), max_length=200)
    land = models.CharField(_("Land, for public holidays"), max_length=2, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(pk=1), name="one_controller_per_installation")
        ]


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **extra: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)


class User(AbstractBaseUser, PermissionsMixin):
    """A member of staff. Rights come from `Grant`, never from Django's own permissions."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(_("E-mail"), unique=True)
    name = models.CharField(_("Name"), max_length=120, blank=True)
    language = models.CharField(max_length=5, default="de")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)  # may enter Django's admin; nothing else
    created_at = models.DateTimeField(auto_now_add=True)
    # Part of every session's hash: raising it ends all sessions of this user at their next request.
    session_epoch = models.PositiveIntegerField(default=0)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.name or str(self.pk)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Bound to the password, as Django does, and to the epoch, which other changes raise."""
        text = f"{self.password}:{self.session_epoch}"
        salt = "privacy.models.User.session_auth_hash"
        return salted_hmac(salt, text, secret=secret, algorithm="sha256").hexdigest()


class Grant(models.Model):
    """One role of one member of staff, for one newsletter or (empty scope) for all."""

    class Role(models.TextChoices):
        EDITOR = "editor", _("Editor")
        PUBLISHER = "publisher", _("Publisher (may send)")
        DPO = "dpo", _("Data-protection officer")
        ADMINISTRATOR = "administrator", _("Administrator")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=16, choices=Role.choices)
    newsletter = models.UUIDField(null=True, blank=True)
    granted_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    granted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role", "newsletter"],
                nulls_distinct=False,
                name="one_grant_per_user_role_and_newsletter",
            )
        ]


class ApiToken(models.Model):
    """A key for a program. Only its SHA-256 is kept; the text is shown once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=12)
    digest = models.BinaryField(unique=True, max_length=32)
    scopes = models.JSONField(default=list)  # actions, e.g. ["broadcast.write"]
    newsletters = models.JSONField(default=list)  # UUIDs as text; empty = all the user may see
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)


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


class Certificate(models.Model):
    """What was erased, what stays and why; without a word about who it was."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    request = models.OneToOneField(Request, on_delete=models.CASCADE, related_name="certificate")
    body = models.BinaryField()  # canonical bytes
    sha256 = models.CharField(max_length=64)
    token_hash = models.BinaryField(max_length=32, unique=True, null=True)  # the person's own link
    issued_at = models.DateTimeField()


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


class TotpStep(models.Model):
    """A one-time code that was used: the unique row makes it single use across processes."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    step = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "step"], name="a_code_works_once")]


class GuessCounter(models.Model):
    """How often somebody guessed: one atomic counter for sign-in, tokens and links."""

    key = models.BinaryField(primary_key=True, max_length=16)  # keyed hash of what is guarded
    window_start = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)
