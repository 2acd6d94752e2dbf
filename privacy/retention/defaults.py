"""The periods that hold until a publisher sets others: dated rows, so that a change is visible.

Sources: docs/privacy-model.md. A period counts from what `starts_with` names; "to the end of the
year" means until 31 December of the year so many years later (section 199(1) BGB counts like that).
"""

from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.translation import gettext_noop as _

VALID_FROM = date(2018, 5, 25)  # the day from which the GDPR applies
DELETE, SHRED, AGGREGATE = "delete", "shred", "aggregate"


@dataclass(frozen=True)
class Default:
    """One rule: a `period`, or years to the end of a year, or neither: as long as the purpose."""

    starts_with: str
    action: str
    legal_basis: str
    period: timedelta | None = None
    years_to_year_end: int | None = None


DEFAULTS: dict[str, Default] = {
    "pending_opt_in": Default(
        _("the request for the subscription"),
        DELETE,
        _("Art. 5(1)(e) GDPR; unconfirmed requests are no consent"),
        period=timedelta(days=7),
    ),
    "pending_opt_in_chat": Default(
        _("the first message in the chat"),
        DELETE,
        _("Art. 5(1)(e) GDPR; unconfirmed requests are no consent"),
        period=timedelta(hours=72),
    ),
    "active_subscription": Default(
        _("withdrawal, lapse or erasure"),
        DELETE,
        _("Art. 6(1)(a) GDPR; blocked after 18 months without a message"),
        period=timedelta(0),
    ),
    "consent_evidence": Default(
        _("the end of the subscription"),
        SHRED,
        _("Art. 7(1), 17(3)(e) GDPR; sections 195, 199 BGB; section 31 OWiG"),
        years_to_year_end=3,
    ),
    "inbox_body": Default(
        _("receipt"),
        SHRED,
        _("Art. 5(1)(c) GDPR"),
        period=timedelta(days=30),
    ),
    "inbound_text": Default(
        _("receipt"),
        DELETE,
        _("Art. 5(1)(c) GDPR"),
        period=timedelta(days=30),
    ),
    "delivery_record": Default(
        _("the end of the broadcast"),
        AGGREGATE,
        _("Art. 5(1)(c), 33, 34 GDPR: who would have to be told of a breach"),
        period=timedelta(days=90),
    ),
    "import_file": Default(
        _("the decision about the import"),
        DELETE,
        _("Art. 5(1)(c) GDPR; the evidence of each person stays with the consent"),
        period=timedelta(days=14),
    ),
    "suppression": Default(
        _("objection, erasure or withdrawal; looked at again every 3 years"),
        DELETE,
        _("Art. 6(1)(f), 17(3)(b), 21(3) GDPR"),
    ),
    "request_file": Default(
        _("the end of the request"),
        DELETE,
        _("Art. 5(2) GDPR; sections 31, 41 OWiG and BDSG"),
        years_to_year_end=3,
    ),
    "identity_proof": Default(
        _("the end of the check"),
        DELETE,
        _("Art. 5(1)(c), 12(6) GDPR"),
        period=timedelta(days=14),
    ),
    "export_package": Default(
        _("its making, or at once on erasure"),
        DELETE,
        _("Art. 5(1)(c) GDPR"),
        period=timedelta(days=7),
    ),
    "security_log": Default(
        _("the event"),
        DELETE,
        _("Art. 6(1)(f), 32 GDPR"),
        period=timedelta(days=30),
    ),
    "audit_entry": Default(
        _("the entry; then only its hash stays"),
        AGGREGATE,
        _("Art. 5(2) GDPR"),
        years_to_year_end=3,
    ),
    "breach_register": Default(
        _("the end of the incident"),
        DELETE,
        _("Art. 33(5) GDPR"),
        period=timedelta(days=5 * 365),
    ),
    "legal_hold": Default(
        _("the end of the hold"),
        DELETE,
        _("Art. 5(2), 17(3)(e) GDPR; why something stayed must be explained later"),
        years_to_year_end=3,
    ),
    "staff_account": Default(
        _("the end of the work here"),
        DELETE,
        _("Art. 5(2), 6(1)(f) GDPR: entries of the audit log name the account so long"),
        years_to_year_end=3,
    ),
    "subject_number": Default(
        _("the erasure; a random number that leads nowhere, to repeat erasures after a restore"),
        DELETE,
        _("Art. 5(2), 17 GDPR"),
    ),
}
DATA_CLASSES = frozenset(DEFAULTS)
