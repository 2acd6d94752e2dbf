"""One look through everything we keep, for all erasures that wait for it.

Reading is what costs, so it is done once for everybody: whoever is ready when a sweep begins rides
along, whoever comes later waits for the next. It is read in slices, each committed with the
position, so a task may end, or be killed, wherever it is; the next one goes on there.
"""

import time
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from privacy.models import RequestStep, Sweep
from privacy.requests.erasure import needles
from privacy.requests.erasure.places import Look, Place, Seekers, all_places, kinds_of

# How much of the memory of a worker the spellings of one sweep may take: some 15 for each person.
PEOPLE_AT_A_TIME = 5_000
# No transaction may be long: the rows that wait for it, and the log's sequencer, would wait, too.
SLICE_SECONDS = 1.0
# Finished sweeps say nothing that a certificate does not say; kept a while for whoever looks.
KEPT = timedelta(days=30)
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('privacy_sweep', 0))"


def advance(seconds: float) -> None:
    """Read on for about so long: go on with the sweep that was begun, or begin one."""
    ends = time.monotonic() + seconds
    sweep = _begun() or _begin()
    if sweep is None:
        return
    seekers = _seekers(sweep)
    places = all_places()
    while _next_slice(sweep, seekers, places) and time.monotonic() < ends:
        pass


def is_over(step: RequestStep) -> bool:
    """Whether the sweep that `step` rides on has read everything."""
    number = step.facts.get("sweep")
    return bool(number) and Sweep.objects.filter(pk=number).exclude(finished_at=None).exists()


def result(step: RequestStep) -> tuple[list[str], Sweep]:
    """Where the sweep has found something of this person."""
    sweep = Sweep.objects.get(pk=step.facts["sweep"])
    return sorted(sweep.found.get(str(step.pk), [])), sweep


def progress(step: RequestStep) -> int | None:
    """How many per cent are read; None if nothing is being read for this step."""
    sweep = Sweep.objects.filter(pk=step.facts.get("sweep"), finished_at=None).first()
    if sweep is None:
        return None
    return min(99, sweep.done_bytes * 100 // max(1, sweep.total_bytes))


def _begun() -> Sweep | None:
    return Sweep.objects.filter(finished_at=None).first()


@transaction.atomic
def _begin() -> Sweep | None:
    """A new sweep for everybody who is ready; None if nobody is. Two at once begin one."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK)
    begun = _begun()
    waiting = list(_waiting()[:PEOPLE_AT_A_TIME])
    if begun or not waiting:
        return begun
    now = timezone.now()
    Sweep.objects.filter(finished_at__lt=now - KEPT).delete()
    sweep = Sweep.objects.create(
        started_at=now, total_bytes=sum(place.size() for place in all_places())
    )
    for step in waiting:
        step.facts["sweep"] = str(sweep.pk)
    RequestStep.objects.bulk_update(waiting, ["facts"], batch_size=500)
    return sweep


def _waiting() -> list[RequestStep]:
    """Scans whose turn it is: every step before them is done, and no sweep was made for them."""
    open_scans = RequestStep.objects.filter(name="scan", done_at=None).exclude(sealed=None)
    ready = open_scans.filter(
        request__steps__name="shred", request__steps__done_at__isnull=False
    ).select_for_update(of=("self",), skip_locked=True)
    return [step for step in ready.order_by("pk") if "sweep" not in step.facts]


def _seekers(sweep: Sweep) -> Seekers:
    riders = RequestStep.objects.filter(name="scan", facts__sweep=str(sweep.pk))
    return Seekers(needles.kept_of([step for step in riders if step.sealed]))


def _next_slice(sweep: Sweep, seekers: Seekers, places: list[Place]) -> bool:
    """Read some and write down how far we are; whether there is more.

    The row is locked meanwhile. Another process that wants to help takes what comes after this.
    """
    ends = time.monotonic() + SLICE_SECONDS
    with transaction.atomic():
        held = Sweep.objects.select_for_update().get(pk=sweep.pk)
        while held.finished_at is None:
            _read_on(held, seekers, places)
            if time.monotonic() >= ends:
                break
        held.save()
        return held.finished_at is None


def _read_on(held: Sweep, seekers: Seekers, places: list[Place]) -> None:
    """One slice of the place that comes next, or the end."""
    place = next((one for one in places if one.name >= held.place), None)
    if place is None:
        held.finished_at, held.places = timezone.now(), kinds_of(places)
        return
    at = held.at if place.name == held.place else ""
    _note(held, place, place.look(at, seekers))


def _note(held: Sweep, place: Place, look: Look) -> None:
    for step in look.found:
        named = held.found.setdefault(str(step), [])
        if place.name not in named:
            named.append(place.name)
    held.done_bytes += look.size
    if look.at is not None:
        held.place, held.at = place.name, look.at
    else:
        # A name that stands just behind this one, so that the next place is the next in order.
        held.place, held.at = f"{place.name} ", ""
