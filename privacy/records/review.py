"""The suppression list: what is on it, and whether somebody has looked at it in three years."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Count
from django.db.models.functions import TruncYear
from django.utils.translation import gettext_lazy as _

from privacy import inventory, suppression
from privacy.access import Actor, require
from privacy.audit import record
from privacy.models import AuditEntry, Suppression
from privacy.requests.deadlines import add_months

REVIEWED = "suppression.reviewed"
REVIEW_MONTHS = 36
RIGHT = "request.work"


# Why an address is on the list; any other word is shown as it stands.
REASONS = {
    "erased": _("erased at the person's request"),
    "objected": _("objection to direct marketing"),
}


@dataclass(frozen=True)
class Overview:
    """Counts only: nobody can be read out of a slow keyed hash, and nobody needs to be."""

    total: int
    by_reason: list[tuple[str, int]]
    by_kind: list[tuple[str, int]]
    by_year: list[tuple[int, int]]
    everywhere: int


def overview() -> Overview:
    rows = Suppression.objects.all()
    years = rows.annotate(year=TruncYear("since")).values_list("year").annotate(n=Count("id"))
    return Overview(
        total=rows.count(),
        by_reason=[(reason_words(each), number) for each, number in _counted("reason")],
        by_kind=_counted("kind"),
        by_year=[(year.year, number) for year, number in years.order_by("year")],
        everywhere=rows.filter(newsletter=None).count(),
    )


def _counted(column: str) -> list[tuple[str, int]]:
    rows = Suppression.objects.values_list(column).annotate(n=Count("id"))
    return Counter(dict(rows)).most_common()


def reason_words(reason: str) -> str:
    return str(REASONS.get(reason, reason))


def last_review() -> datetime | None:
    return (
        AuditEntry.objects.filter(action=REVIEWED).order_by("-at").values_list("at", flat=True)
    ).first()


def due_on() -> date | None:
    """When it has to be looked at again: three years after the last look, or the oldest entry."""
    oldest = Suppression.objects.order_by("since").values_list("since", flat=True).first()
    begun = last_review() or oldest
    return add_months(begun.date(), REVIEW_MONTHS) if begun else None


@transaction.atomic
def reviewed(*, actor: Actor) -> None:
    """An officer has looked at the list and found it still needed (Art. 5(1)(e), 17(3)(b))."""
    require(actor, RIGHT)
    facts: dict[str, int | str | bool] = {"entries": Suppression.objects.count()}
    record(REVIEWED, actor=actor, obj="suppression", ref="", facts=facts)


@dataclass(frozen=True)
class Hit:
    kind: str
    reason: str
    since: datetime
    is_everywhere: bool


def look_up(*, typed: str, purpose: str, actor: Actor) -> list[Hit]:
    """Whether an address is on the list, on any messenger; with a purpose, which is logged.

    Neither the address nor what was found about whom stands in the log: only that somebody asked,
    why, and how many entries there were.
    """
    require(actor, "person.read")
    found = [hit for kind, print_ in _fingerprints(typed) for hit in _hits(kind, print_)]
    with transaction.atomic():
        facts: dict[str, int | str | bool] = {"found": len(found)}
        record(
            "suppression.checked",
            actor=actor,
            obj="suppression",
            ref="",
            purpose=purpose,
            facts=facts,
        )
    return found


def _fingerprints(typed: str) -> list[tuple[str, bytes]]:
    """Slow, so before any transaction: one for each spelling a messenger makes of it."""
    spelled = {
        (kind, canonical)
        for kind in _kinds()
        for canonical in (_canonical(kind, typed), typed.strip())
        if canonical
    }
    return [(kind, suppression.fingerprint(kind, text)) for kind, text in sorted(spelled)]


def _kinds() -> set[str]:
    return set(Suppression.objects.values_list("kind", flat=True))


def _canonical(kind: str, typed: str) -> str | None:
    for canonical in _told("canonical"):
        spelled: str | None = canonical(kind, typed)
        if spelled:
            return spelled
    return None


def _told(verb: str) -> list[Any]:
    found = [inventory.verb(app, verb) for app in inventory.apps()]
    return [function for function in found if function is not None]


def _hits(kind: str, found: bytes) -> list[Hit]:
    rows = Suppression.objects.filter(kind=kind, fingerprint=found)
    return [
        Hit(row.kind, reason_words(row.reason), row.since, row.newsletter is None) for row in rows
    ]


def import_rules() -> list[tuple[str, str]]:
    """What the check of a list refuses, and why, in the words of whoever checks it."""
    return [(code, str(words)) for rules in _told("import_rules") for code, words in rules()]
