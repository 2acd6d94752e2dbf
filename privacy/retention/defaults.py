"""The periods that hold until a publisher sets others: dated rows, so that a change is visible.

Sources: docs/privacy-model.md. A period counts from what `starts_with` names; "to the end of the
year" means until 31 December of the year so many years later (section 199(1) BGB counts like that).
"""

from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.translation import gettext_noop as _

VALID_FROM = date(2018, 5, 25)  # the day from which the GDPR applies
DELETE, SHRED, AGGREGATE, BLOCK = "delete", "shred", "aggregate", "block"
# Who answers for a rule, unless it says otherwise.
OFFICER = _("Data-protection officer")


@dataclass(frozen=True)
class Default:
    """One rule: a `period`, `months`, or years to the end of a year, or as long as the purpose.

    Changes may not make it shorter than `at_least` nor longer than `at_most`, in days; `limit_why`
    names the law or ruling these come from.
    """

    starts_with: str
    action: str
    legal_basis: str
    period: timedelta | None = None
    months: int | None = None
    years_to_year_end: int | None = None
    warn_months: int | None = None
    exceptions: str = ""
    owner: str = OFFICER
    at_least: float | None = None
    at_most: float | None = None
    limit_why: str = ""
    # From which share of the class on a night asks an officer first.
    outlier_percent: int = 20


LIMITATION = _("Claims lapse three years after the end of the year (sections 195, 199 BGB).")
UNCONFIRMED = _("A request that nobody confirmed may stay for 14 days at most.")
THREE_YEARS = 3 * 365.0


DEFAULTS: dict[str, Default] = {
    "pending_opt_in": Default(
        _("the request for the subscription"),
        DELETE,
        _("Art. 5(1)(e) GDPR; unconfirmed requests are no consent"),
        period=timedelta(days=7),
        at_most=14,
        limit_why=UNCONFIRMED,
    ),
    "pending_opt_in_chat": Default(
        _("the first message in the chat"),
        DELETE,
        _("Art. 5(1)(e) GDPR; unconfirmed requests are no consent"),
        period=timedelta(hours=72),
        at_most=14,
        limit_why=UNCONFIRMED,
    ),
    "active_subscription": Default(
        _("withdrawal, lapse or erasure"),
        DELETE,
        _("Art. 6(1)(a), 17(1)(b) GDPR; its proof has a term of its own"),
        period=timedelta(0),
        at_most=0,
        limit_why=_("What was only for sending goes with the consent (Art. 17(1)(b) GDPR)."),
    ),
    "consent_lapse": Default(
        _("the last message, or the consent if there was none"),
        BLOCK,
        _("Art. 5(1)(e), 6(1)(a) GDPR, section 7 UWG; LG München I 17 HK O 138/10: 18 months"),
        months=18,
        warn_months=12,
        exceptions=_("Opening or reading a message is no use. Only a new double opt-in renews it."),
        at_most=4 * 365.25,
        limit_why=_("Courts held a consent to be over after four years without use at the latest."),
    ),
    "consent_evidence": Default(
        _("the end of the subscription"),
        SHRED,
        _("Art. 7(1), 17(3)(e) GDPR; sections 195, 199 BGB; section 31 OWiG"),
        years_to_year_end=3,
        exceptions=_("Longer while a request of the person is open, or a legal hold says so."),
        at_least=THREE_YEARS,
        limit_why=LIMITATION,
    ),
    "voice_call_consent": Default(
        _("the consent, and each use of it"),
        SHRED,
        _("Section 7a UWG; the house asks nobody for calls, so that nothing of it is stored"),
        months=60,
        at_least=5 * 365.0,
        limit_why=_("Section 7a UWG: five years from the consent and from each use."),
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
        exceptions=_("Goes by whole calendar months, when all of a month is past its term."),
        outlier_percent=60,  # of the four or five months that are there, one goes at once
    ),
    "import_file": Default(
        _("the upload; at once when it is loaded or refused"),
        DELETE,
        _("Art. 5(1)(c) GDPR; the evidence of each person stays with the consent"),
        period=timedelta(days=14),
    ),
    "suppression": Default(
        _("objection, erasure or withdrawal; looked at again every 3 years"),
        DELETE,
        _("Art. 6(1)(f), 17(3)(b), 21(3) GDPR"),
        warn_months=36,
        exceptions=_("Lifted by the person's own new double opt-in."),
    ),
    "request_file": Default(
        _("the end of the request"),
        DELETE,
        _("Art. 5(2) GDPR; section 31 OWiG with section 41 BDSG"),
        years_to_year_end=3,
        at_least=THREE_YEARS,
        limit_why=_("Fines lapse after three years (section 31 OWiG)."),
    ),
    "identity_proof": Default(
        _("the end of the check"),
        DELETE,
        _("Art. 5(1)(c), 12(6) GDPR"),
        period=timedelta(days=14),
        at_most=14,
        limit_why=_("What proves an identity is needed until the check is over."),
    ),
    "export_package": Default(
        _("its making, or at once on erasure"),
        DELETE,
        _("Art. 5(1)(c) GDPR"),
        period=timedelta(days=7),
        at_most=14,
        limit_why=_("A package is for one download, and has a copy of everything in it."),
        exceptions=_("At once after its download, and on erasure."),
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
        at_least=THREE_YEARS,
        limit_why=_("Fines lapse after three years (section 31 OWiG)."),
    ),
    "breach_register": Default(
        _("the end of the incident"),
        DELETE,
        _("Art. 33(5) GDPR"),
        months=60,
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
