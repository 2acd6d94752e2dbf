"""What the ground floor keeps: log entries, sign-ins of staff, files; removed and counted."""

from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import CASCADE, ProtectedError

from privacy.access import Actor
from privacy.audit import Log, prune, record
from privacy.models import AuditEntry, ExportPackage, User
from privacy.requests.export.package import folder
from privacy.retention.rules import starts_before
from privacy.retention.stock import Count, keeps, keeps_files

TOTP_STEP_SECONDS = 30
# A used one-time code must be known for as long as it could pass; a day is plenty.
STEPS_KEPT = timedelta(days=1)
ENTRIES_AT_A_TIME = 5_000
# An address of nobody (RFC 2606), for a sign-in that others still refer to.
GONE = "@gone.invalid"


def oldest_step(now: datetime) -> int:
    return int((now - STEPS_KEPT).timestamp()) // TOTP_STEP_SECONDS


def prune_entries(now: datetime) -> int:
    """One batch of audit entries keep only their hash, so that all other proofs stay valid."""
    before = starts_before("audit_entry", now)
    old = AuditEntry.objects.filter(at__lt=before).exclude(entry=b"").order_by("at")
    some = old.values_list("pk", flat=True)[:ENTRIES_AT_A_TIME]
    return prune(Log.AUDIT, some, before=before)


@transaction.atomic
def forget_staff(now: datetime) -> int:
    """Notice who may not sign in any more, and erase those of whom nothing has to be known.

    What else refers to a sign-in and must stay keeps a bare number.
    """
    User.objects.filter(is_active=False, inactive_since=None).update(inactive_since=now)
    User.objects.filter(is_active=True).exclude(inactive_since=None).update(inactive_since=None)
    due = User.objects.filter(inactive_since__lt=starts_before("staff_account", now))
    return sum(_forget(user) for user in due.exclude(email__endswith=GONE))


def _forget(user: User) -> int:
    pk = user.pk
    try:
        with transaction.atomic():
            user.delete()
    except ProtectedError:
        _empty(user)
    record("user.forgotten", actor=Actor.system("retention"), obj="user", ref=pk)
    return 1


def _empty(user: User) -> None:
    """Everything that would have gone with the row, and what the row says about the person."""
    for relation in User._meta.related_objects:
        if relation.on_delete is CASCADE:
            rows = relation.related_model._base_manager
            rows.filter(**{relation.field.name: user.pk}).delete()
    User.objects.filter(pk=user.pk).update(
        email=f"{user.pk}{GONE}", name="", password=make_password(None), last_login=None
    )


def _files(now: datetime) -> Count:
    """Packages as files, and those that no living row knows: a crash left them an hour ago."""
    paths = [path for path in folder().iterdir() if path.is_file()]
    alive = ExportPackage.objects.filter(destroyed_at=None, expires_at__gt=now)
    known = set(alive.values_list("file_name", flat=True))
    left = (now - timedelta(hours=1)).timestamp()
    due = sum(path.name not in known and path.stat().st_mtime < left for path in paths)
    return Count(len(paths), due)


keeps(
    "audit_entry",
    "privacy_auditentry",
    total="SELECT count(*) FROM privacy_auditentry WHERE octet_length(entry) > 0",
    due="at < %(before)s AND octet_length(entry) > 0",
)
keeps(
    "request_file",
    "privacy_request",
    due="status = 'closed' AND closed_at < %(before)s"
    " AND (subject IS NULL OR subject <> ALL(%(held)s::uuid[]))",
)
keeps("request_file", "privacy_secondapproval", due="decided_at < %(before)s")
keeps(
    "identity_proof",
    "privacy_request.proof_hash",
    total="SELECT count(*) FROM privacy_request WHERE proof_hash IS NOT NULL",
    due="SELECT count(*) FROM privacy_request"
    " WHERE status = 'verifying' AND paused_at <= %(before)s",
)
keeps(
    "export_package",
    "privacy_exportpackage",
    total="SELECT count(*) FROM privacy_exportpackage WHERE destroyed_at IS NULL",
    due="destroyed_at IS NULL AND expires_at <= %(now)s",
)
keeps_files("export_package", "exports/", _files)
keeps(
    "security_log",
    "privacy_guesscounter",
    due="window_start <= %(now)s - interval '15 minutes'",
)
keeps("security_log", "django_session", due="expire_date < %(now)s")
keeps(
    "security_log",
    "privacy_totpstep",
    due="step < floor(extract(epoch FROM %(now)s::timestamptz - interval '1 day') / 30)",
)
keeps("security_log", "django_admin_log", due="action_time < %(before)s")
keeps("legal_hold", "privacy_legalhold", due="ended_at < %(before)s")
keeps(
    "staff_account",
    "privacy_user",
    due="inactive_since < %(before)s AND email NOT LIKE '%%@gone.invalid'",
)
keeps(
    "inbox_body",
    "keystore_inboxkey",
    due="day < (%(before)s AT TIME ZONE %(zone)s)::date",
    database="keystore",
)
keeps("suppression", "privacy_suppression")
keeps("subject_number", "privacy_datasubject")
