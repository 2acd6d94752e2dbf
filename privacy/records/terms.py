"""Terms that a law sets, as dated rows: when the law changes, a row is added and no code."""

from datetime import date
from typing import Final

from django.db import transaction

from privacy.access import Actor
from privacy.audit import record
from privacy.models import LegalTerm
from privacy.records.errors import RecordsError

BREACH_REPORT: Final = "breach_report"
# Hours and source, from the day on which the GDPR began to apply.
DEFAULTS: Final = {BREACH_REPORT: (72, "Art. 33(1) GDPR")}
LONGEST_HOURS = 24 * 365


def hours_on(name: str, day: date) -> int:
    """How many hours the term has for what happens on `day`."""
    rows = LegalTerm.objects.filter(name=name, valid_from__lte=day).order_by("valid_from")
    newest = rows.last()
    return newest.hours if newest else DEFAULTS[name][0]


@transaction.atomic
def add_term(*, name: str, hours: int, valid_from: date, source: str, actor: Actor) -> LegalTerm:
    """A new law from a day on. What became known before keeps its old term."""
    if name not in DEFAULTS or not 1 <= hours <= LONGEST_HOURS:
        raise RecordsError
    values = {"hours": hours, "source": source[:120]}
    made, _is_new = LegalTerm.objects.update_or_create(
        name=name, valid_from=valid_from, defaults=values
    )
    facts: dict[str, int | str | bool] = {"hours": hours, "valid_from": valid_from.isoformat()}
    record("record.term_changed", actor=actor, obj="legal_term", ref=name, facts=facts)
    return made
