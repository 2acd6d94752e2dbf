"""Looking for what should be gone: every app is asked, and everything we keep is read.

An app is asked first, because it knows where to look. But an app can be wrong about itself, so the
sweep reads every table, file, queue and cache besides, and knows nothing of apps.
"""

from uuid import UUID

from privacy.models import RequestStep
from privacy.requests.erasure import needles, sweep
from privacy.requests.erasure.needles import Sought
from privacy.requests.erasure.places import Seekers, all_places, kinds_of
from privacy.requests.erasure.spellings import Identifier
from privacy.requests.verbs import each, scan_everywhere


def residues(subject: UUID, identifiers: list[Identifier]) -> list[str]:
    """The places where something of one person still stands, read all at once; names of tables
    and folders, never content.
    """
    seekers = Seekers({subject: Sought(identifiers, [subject])})
    places = asked(subject, identifiers)
    for place in all_places():
        at: str | None = ""
        while at is not None:
            look = place.look(at, seekers)
            places += [place.name] if look.found else []
            at = look.at
    return sorted(set(places))


def of_step(step: RequestStep) -> tuple[list[str], dict[str, object]]:
    """What the finished sweep and the apps say of the step's person, and facts of the sweep."""
    found, swept = sweep.result(step)
    assert step.request.subject
    sought = needles.kept(step)
    found += asked(step.request.subject, sought.identifiers)
    facts: dict[str, object] = {
        "forms": len(needles.forms(sought.identifiers)),
        "places": sorted({"apps", "index", *swept.places}),
        "bytes": swept.done_bytes,
    }
    return sorted(set(found)), facts


def asked(subject: UUID, identifiers: list[Identifier]) -> list[str]:
    """What the apps say of themselves, and whether any blind index still leads to the person."""
    places = scan_everywhere(subject, [])
    for app, find in each("find"):
        if any(subject in find(kind, canonical) for kind, canonical in identifiers):
            places.append(f"{app}: index")
    return places


def places_scanned() -> list[str]:
    """The kinds of places that are read, without reading them."""
    return sorted({"apps", "index", *kinds_of(all_places())})
