"""The monthly mail to the officers with the checkpoints of both logs: an anchor made of paper.

Whoever keeps it can hold it against the logs years later, whatever has become of our machines.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from smtplib import SMTPException
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from privacy.audit.checkpoints import latest
from privacy.audit.keys import verifier_keys
from privacy.audit.proofs import cosigned
from privacy.audit.watches import in_trouble, well
from privacy.models import Anchor, Checkpoint, Log, User

# A house that was opened today has nothing to report yet.
NOT_BEFORE = timedelta(days=1)


def monthly_report(now: datetime) -> int:
    """Send this month's report, unless it was sent; how many officers got it. May run twice."""
    month = f"{now.astimezone(ZoneInfo(settings.DISPLAY_TIME_ZONE)):%Y-%m}"
    sent = Anchor.objects.filter(kind=Anchor.Kind.REPORT, name=month)
    first = Checkpoint.objects.order_by("id").first()
    if first is None or now - first.at < NOT_BEFORE or sent.exists():
        return 0
    officers = User.objects.filter(is_active=True, grants__role="dpo").distinct()
    try:
        told = sum(_send(officer, now) for officer in officers)
    except (OSError, SMTPException):
        in_trouble("report", now, "unreachable")
        return 0
    if told:
        _remember(month, now)
        well("report", now, 0)
    return told


def report_text(now: datetime) -> str:
    """The report in the language that is active."""
    logs = [
        {"log": log.label, "note": cosigned(checkpoint), "keys": verifier_keys(log)}
        for log in Log
        if (checkpoint := latest(log))
    ]
    context = {"logs": logs, "at": now, "origin": settings.JAWORT_ORIGIN}
    return render_to_string("privacy/audit_report.txt", context)


def _send(officer: User, now: datetime) -> int:
    with translation.override(officer.language or settings.LANGUAGE_CODE):
        subject = _("Checkpoints of the logs: please keep this mail")
        return send_mail(subject, report_text(now), None, [officer.email])


def _remember(month: str, now: datetime) -> None:
    digest = sha256(report_text(now).encode()).digest()
    for log in Log:
        if checkpoint := latest(log):
            Anchor.objects.create(
                checkpoint=checkpoint, kind=Anchor.Kind.REPORT, name=month, proof=digest, at=now
            )
