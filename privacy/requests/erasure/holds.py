"""What a legal hold means for an erasure (Art. 17(3)(e) GDPR).

A hold on what stays anyway (the sealed proof, the file of the request) lets the erasure go on and
is named in the certificate. A hold on anything that would be deleted makes it wait: the person
stays blocked and restricted, and the erasure goes on by itself when the hold is ended.
"""

from uuid import UUID

from privacy import inventory
from privacy.inventory import Erase, Klass
from privacy.models import LegalHold
from privacy.retention import holds

EVIDENCE = "consent_evidence"


def holding_back(subject: UUID) -> list[dict[str, str]]:
    """The holds that an erasure has to wait for: class of data, and when to look again."""
    goes = erasable_classes()
    found = [hold for hold in holds.of(subject) if hold.data_class in goes or not hold.data_class]
    return [_named(hold) for hold in found]


def kept_by(subject: UUID) -> list[dict[str, str]]:
    """The holds that concern what an erasure leaves anyway."""
    return [_named(hold) for hold in holds.of(subject)]


def must_keep_evidence(subject: UUID) -> bool:
    return holds.is_held(subject, EVIDENCE)


def erasable_classes() -> set[str]:
    """The classes of data of which an erasure would delete anything."""
    return {
        field.retention
        for app in inventory.apps()
        for _name, field in inventory.personal_fields(app)
        if field.klass != Klass.STAFF and field.erase in (Erase.ROW, Erase.CLEAR)
    }


def _named(hold: LegalHold) -> dict[str, str]:
    """Not why: the reason may name people."""
    return {
        "class": hold.data_class,
        "since": hold.since.date().isoformat(),
        "review_at": hold.review_at.isoformat(),
    }
