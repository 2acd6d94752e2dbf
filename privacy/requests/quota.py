"""How many people's packages one member of staff may see in a day, alone.

Somebody inside who copies people one by one is slowed down and seen: past the quota nothing opens
until a second person has agreed, and the officer's work list says so.
"""

from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, UUID, uuid5
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from privacy.access import Actor
from privacy.audit import record
from privacy.models import AuditEntry
from privacy.requests import approvals
from privacy.requests.errors import QuotaReached

MORE = "export.more"
COUNTED = ("package.made", "person.exported")
REACHED = "export.quota_reached"
ALERT_DAYS = 7
approvals.register(MORE, _("More packages of people today"))


def spend(actor: Actor) -> None:
    """Raise `QuotaReached` if this one is too many today; call it before the act's transaction.

    The first time, it is written down and a second person is asked.
    """
    if actor.kind not in ("staff", "token") or count_today(actor) < _limit(actor):
        return
    with transaction.atomic():
        if not approvals.is_waiting(MORE, _today_of(actor)):
            facts: dict[str, int | str | bool] = {"packages": count_today(actor)}
            approvals.ask(MORE, _today_of(actor), actor, facts)
            record(REACHED, actor=actor, obj="person", ref="", result="refused", facts=facts)
    raise QuotaReached


def count_today(actor: Actor) -> int:
    made = AuditEntry.objects.filter(actor=str(actor), action__in=COUNTED, at__gte=_midnight())
    return made.count()


def alerts(now: datetime) -> int:
    """How often somebody met the quota lately; for the work list."""
    since = now - timedelta(days=ALERT_DAYS)
    return AuditEntry.objects.filter(action=REACHED, at__gte=since).count()


def _limit(actor: Actor) -> int:
    """Each approval of today allows as many again."""
    mine = approvals.Approval.objects.filter(kind=MORE, ref=str(_today_of(actor)))
    allowed: int = settings.JAWORT_EXPORTS_A_DAY
    return allowed * (1 + mine.filter(status=approvals.Status.APPROVED).count())


def _today_of(actor: Actor) -> UUID:
    """One id for each actor and day, so that an approval of yesterday allows nothing today."""
    return uuid5(actor.ref or NAMESPACE_OID, _midnight().date().isoformat())


def _midnight() -> datetime:
    here = timezone.now().astimezone(ZoneInfo(settings.DISPLAY_TIME_ZONE))
    return here.replace(hour=0, minute=0, second=0, microsecond=0)
