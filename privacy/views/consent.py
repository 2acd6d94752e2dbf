"""A person's yes and no: as a picture over time, as a list, and each as a proof to take along."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from privacy.access import Actor, actor_of
from privacy.audit import record as write_down
from privacy.requests import people
from privacy.requests.export.labels import value_text
from privacy.requests.export.words import STATES
from privacy.requests.purposes import Purpose
from privacy.requests.verbs import each
from privacy.views.charts import Change, spans
from privacy.views.common import page, show
from privacy.views.opened import facts_of, opened_for
from privacy.views.public import attachment

COMMITMENTS = (
    ("c_subject", gettext_lazy("Person")),
    ("c_identity", gettext_lazy("Address")),
    ("c_evidence", gettext_lazy("Evidence")),
    ("leaf", gettext_lazy("Hash of the record")),
)
YES = ("given", "renewed")
NO = ("withdrawn", "objected", "expired", "refused", "invalidated")
MEDIA_TYPES = {
    "zip": "application/zip",
    "pdf": "application/pdf",
    "jsonld": "application/ld+json",
    "jws": "application/jose",
}


def shown(subject: UUID) -> dict[str, Any]:
    """The timeline, newest first, and its picture."""
    rows = people.consent_timeline(subject)
    return {"timeline": [_event(row) for row in rows], "spans": spans(_spans(rows), timezone.now())}


@page("person.read")
def proof(request: HttpRequest, subject: UUID, record: UUID) -> HttpResponse:
    """One consent record: exact bytes, openings, wording, and everything about it checked.

    Opening it is a look of its own, logged under the purpose that opened the person.
    """
    purpose = opened_for(request, subject)
    if not purpose:
        return _ask_for_purpose(request, subject)
    found = people.read_proof(
        subject=subject, consent=record, purpose=purpose, actor=actor_of(request)
    )
    if found is None:
        raise Http404
    context = {"subject": subject, "record": record, "proof": {**found, **_checked(found)}}
    return show(request, "proof", "people", context)


@page("person.read")
def proof_file(
    request: HttpRequest, subject: UUID, form: str, record: UUID | None = None
) -> HttpResponse:
    """The proof to take along; logged like a look at it."""
    purpose = opened_for(request, subject)
    if not purpose:
        return _ask_for_purpose(request, subject)
    content = _taken(subject, record, form, purpose, actor_of(request))
    if content is None:
        raise Http404
    return attachment(content, MEDIA_TYPES[form], f"consent-{record or subject}.{form}")


@transaction.atomic
def _taken(
    subject: UUID, record: UUID | None, form: str, purpose: str, actor: Actor
) -> bytes | None:
    for _app, make in each("proof_file"):
        content: bytes | None = make(subject, record, form)
        if content is not None:
            facts: dict[str, int | str | bool] = {"form": form}
            if record:
                facts["record"] = str(record)
            write_down(
                "consent.read",
                actor=actor,
                obj="person",
                ref=subject,
                purpose=Purpose(purpose),
                facts=facts,
            )
            return content
    return None


def _ask_for_purpose(request: HttpRequest, subject: UUID) -> HttpResponse:
    messages.error(request, _("Choose a purpose; it stands in the log."))
    return redirect("privacy:person", subject=subject)


def _event(row: dict[str, Any]) -> dict[str, Any]:
    """A change of consent in words."""
    state = row["state"]
    return {
        **row,
        "at_text": value_text(row["at"]),
        "state_text": STATES.get(state, state),
        "badge": "good" if state in YES else "bad" if state in NO else "wait",
    }


def _spans(rows: list[dict[str, Any]]) -> list[tuple[str, list[Change]]]:
    """The changes of each newsletter on each channel, oldest first, for the picture."""
    found: dict[str, list[Change]] = {}
    for row in sorted(rows, key=lambda row: str(row["at"])):
        name = " · ".join(filter(None, [row.get("newsletter"), row.get("channel")]))
        change = (datetime.fromisoformat(row["at"]), row["state"] in YES, row["state"] in NO)
        found.setdefault(name, []).append(change)
    return sorted(found.items())


def _checked(proof: dict[str, Any]) -> dict[str, Any]:
    """The commitments by name, each with whether it agrees, and the evidence as lines."""
    return {
        "checks": [
            (name, key not in proof["faults"], key in proof.get("unchecked", ()))
            for key, name in COMMITMENTS
        ],
        "evidence_facts": facts_of(proof["evidence"]),
        "openings": list(proof["openings"].items()),
    }
