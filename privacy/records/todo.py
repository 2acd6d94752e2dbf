"""What waits for the officer beside the requests: each with its clock, if it has one."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from privacy.models import Incident, Processor
from privacy.records import documents, review
from privacy.records.assessment import new_since
from privacy.records.incidents import open_ones
from privacy.records.places import CHANNEL, places
from privacy.records.processors import missing_of, present, profile_of
from privacy.todo import Item, most_urgent_first

SOON = timedelta(hours=24)
CONTRACT_AGE = timedelta(days=3 * 365)


def items(now: datetime | None = None) -> list[Item]:
    """The most urgent first."""
    now = now or timezone.now()
    found = [*_incidents(now), *_channels(), *_records(), *_reviews(now), *_contracts(now)]
    return most_urgent_first(found, now)


def _incidents(now: datetime) -> Iterator[Item]:
    for incident in open_ones():
        title = _("Breach %(number)s") % {"number": incident.number}
        url = reverse("privacy:incident", args=[incident.pk])
        waits = incident.reported_at is None and incident.risk != Incident.Risk.NONE
        if not waits:
            yield Item(title, _("not closed yet"), url, "info")
            continue
        left = incident.report_due_at - now
        urgency = "bad" if left < SOON else "wait"
        yield Item(title, time_left(left), url, urgency, incident.report_due_at)


def time_left(left: timedelta) -> str:
    """ "31 hours left for the report", or how long it is overdue."""
    hours = abs(int(left.total_seconds() // 3600))
    if left < timedelta(0):
        words = ngettext(
            "report to the authority %(n)s hour overdue",
            "report to the authority %(n)s hours overdue",
            hours,
        )
    else:
        words = ngettext(
            "%(n)s hour left for the report to the authority",
            "%(n)s hours left for the report to the authority",
            hours,
        )
    return words % {"n": hours}


def _channels() -> Iterator[Item]:
    for place in places(CHANNEL):
        missing = missing_of(profile_of(place.ref))
        if missing:
            title = _("Channel %(name)s") % {"name": place.name}
            text = _("profile of the provider lacks: %(missing)s") % {"missing": "; ".join(missing)}
            yield Item(title, text, reverse("privacy:processors"), "wait")


def _records() -> Iterator[Item]:
    """Compared in one language only: this list is looked at often."""
    for kind in (documents.Kind.CONTROLLER, documents.Kind.ASSESSMENT):
        stored = documents.latest(kind)
        url, label = reverse("privacy:record", args=[kind]), str(kind.label)
        if stored is None:
            yield Item(label, _("no version has been stored yet"), url, "wait")
            continue
        before, now = documents.document_of(stored, "en"), documents.as_data(kind, "en")
        new = new_since(before, now) if kind == documents.Kind.ASSESSMENT else []
        if new:
            text = _("look again, because there is something new: %(new)s")
            yield Item(label, text % {"new": "; ".join(new[:3])}, url, "wait")
        elif before != now:
            yield Item(label, _("the stored version is outdated"), url, "info")


def _reviews(now: datetime) -> Iterator[Item]:
    due = review.due_on()
    if due is not None and due <= now.date():
        url = reverse("privacy:suppression")
        yield Item(_("Suppression list"), _("look whether it is still needed"), url, "wait")


def _contracts(now: datetime) -> Iterator[Item]:
    old: QuerySet[Processor] = present().filter(contract_on__lt=(now - CONTRACT_AGE).date())
    for row in old:
        text = _("its contract is older than three years: does it still hold?")
        yield Item(row.name, text, reverse("privacy:processors"), "info")
