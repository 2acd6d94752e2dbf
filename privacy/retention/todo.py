"""What waits for the officer because of retention: reviews, unusual removals, faults, pauses."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from privacy.models import RetentionItem, RetentionPause, RetentionPlan
from privacy.requests.export.words import class_name
from privacy.retention import holds, stock
from privacy.retention.rules import zone
from privacy.todo import Item

# A pause that lasts longer than this was probably forgotten.
LONG_PAUSE = timedelta(days=1)


def items(now: datetime) -> Iterator[Item]:
    """Everything that waits; cheap enough for a page that is looked at often."""
    yield from _reviews(now)
    yield from _outliers()
    yield from _faults()
    yield from _pauses(now)
    yield from _unused(now)


def _reviews(now: datetime) -> Iterator[Item]:
    for hold in holds.due_for_review(now.astimezone(zone()).date()):
        text = class_name(hold.data_class) if hold.data_class else _("Every class")
        yield Item(_("Look at a legal hold again"), text, reverse("privacy:holds"), "wait")


def _outliers() -> Iterator[Item]:
    waiting = RetentionItem.objects.filter(status=RetentionItem.Status.WAITING)
    for item in waiting.order_by("plan__day"):
        url = reverse("privacy:retention_item", args=[item.pk])
        title = _("Approve an unusual deletion")
        rows = ngettext("%(n)d row", "%(n)d rows", item.due) % {"n": item.due}
        yield Item(title, f"{class_name(item.data_class)}: {rows}", url, "wait")


def _faults() -> Iterator[Item]:
    last = RetentionPlan.objects.order_by("-day").first()
    failed = RetentionItem.objects.filter(plan=last, status=RetentionItem.Status.FAILED)
    for item in failed:
        url = reverse("privacy:retention_plan")
        yield Item(_("Retention left data behind"), class_name(item.data_class), url, "bad")


def _pauses(now: datetime) -> Iterator[Item]:
    for pause in RetentionPause.objects.filter(ended_at=None, since__lt=now - LONG_PAUSE):
        since = pause.since.astimezone(zone()).date()
        text = _("since %(day)s") % {"day": since.isoformat()}
        yield Item(_("Retention is paused"), text, reverse("privacy:retention_plan"), "bad")


def _unused(now: datetime) -> Iterator[Item]:
    for one in stock.warnings(now):
        people = ngettext("%(n)d person", "%(n)d people", one.count) % {"n": one.count}
        title = _("Consents long unused")
        yield Item(
            title, f"{one.label}: {people}", reverse("privacy:retention"), "info", one.ends_at
        )
