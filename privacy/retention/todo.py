"""What waits for the officer because of retention: reviews, unusual removals, faults, pauses."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from privacy.models import RetentionItem, RetentionPause, RetentionPlan
from privacy.requests.export.words import class_name
from privacy.retention import holds, stock
from privacy.retention.rules import zone

# A pause that lasts longer than this was probably forgotten.
LONG_PAUSE = timedelta(days=1)


@dataclass(frozen=True)
class Duty:
    """One line of the officer's list; `urgency` is the ending of a badge: bad, wait or info."""

    title: str
    text: str
    url: str
    urgency: str
    due_at: datetime | None = None


def items(now: datetime) -> Iterator[Duty]:
    """Everything that waits; cheap enough for a page that is looked at often."""
    yield from _reviews(now)
    yield from _outliers()
    yield from _faults()
    yield from _pauses(now)
    yield from _unused(now)


def _reviews(now: datetime) -> Iterator[Duty]:
    for hold in holds.due_for_review(now.astimezone(zone()).date()):
        text = class_name(hold.data_class) if hold.data_class else _("Every class")
        yield Duty(_("Look at a legal hold again"), text, reverse("privacy:holds"), "wait")


def _outliers() -> Iterator[Duty]:
    waiting = RetentionItem.objects.filter(status=RetentionItem.Status.WAITING)
    for item in waiting.order_by("plan__day"):
        url = reverse("privacy:retention_item", args=[item.pk])
        title = _("Approve an unusual deletion")
        rows = ngettext("%(n)d row", "%(n)d rows", item.due) % {"n": item.due}
        yield Duty(title, f"{class_name(item.data_class)}: {rows}", url, "wait")


def _faults() -> Iterator[Duty]:
    last = RetentionPlan.objects.order_by("-day").first()
    failed = RetentionItem.objects.filter(plan=last, status=RetentionItem.Status.FAILED)
    for item in failed:
        url = reverse("privacy:retention_plan")
        yield Duty(_("Retention left data behind"), class_name(item.data_class), url, "bad")


def _pauses(now: datetime) -> Iterator[Duty]:
    for pause in RetentionPause.objects.filter(ended_at=None, since__lt=now - LONG_PAUSE):
        since = pause.since.astimezone(zone()).date()
        text = _("since %(day)s") % {"day": since.isoformat()}
        yield Duty(_("Retention is paused"), text, reverse("privacy:retention_plan"), "bad")


def _unused(now: datetime) -> Iterator[Duty]:
    for one in stock.warnings(now):
        people = ngettext("%(n)d person", "%(n)d people", one.count) % {"n": one.count}
        title = _("Consents long unused")
        yield Duty(
            title, f"{one.label}: {people}", reverse("privacy:retention"), "info", one.ends_at
        )
