"""Who works here: sign-ins, roles, tokens, and what keeps guessers out."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from privacy.ids import uuid7


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
    # Since when nobody may sign in with it; the nightly retention notices and writes it.
    inactive_since = models.DateTimeField(null=True, editable=False)
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
