"""What the ground floor keeps about people, and about those who work here."""

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from privacy.inventory import NOT_PERSONAL, AppData, Classified, Erase, Field, Klass
from privacy.models import ExportPackage
from privacy.vault import KeyRing

_PERSON = Field(
    Klass.REFERENCE,
    _("Random number that holds together what belongs to one person"),
    "subject_number",
    erase=Erase.KEEP,
)
_REQUEST = Field(
    Klass.REFERENCE, _("Answering a request and proving it"), "request_file", erase=Erase.KEEP
)
_HOLD = Field(
    Klass.REFERENCE,
    _("Keeping what a claim or a court needs"),
    "legal_hold",
    erase=Erase.KEEP,
)
_INCIDENT = Field(
    Klass.REFERENCE,
    _("Telling the people concerned of a breach, and proving it"),
    "breach_register",
    erase=Erase.KEEP,
)
_INCIDENT_TEXT = Field(
    Klass.CONTENT,
    _("Documenting a breach"),
    "breach_register",
    export=False,
    sealed=True,
    erase=Erase.KEEP,
)
_STAFF = Field(Klass.STAFF, _("Signing in and assigning rights"), "staff_account", export=False)
_STAFF_ACT = Field(
    Klass.STAFF, _("Tracing who did what"), "audit_entry", export=False, erase=Erase.KEEP
)
_APPROVAL = Field(
    Klass.STAFF,
    _("Proving that two people decided"),
    "request_file",
    export=False,
    erase=Erase.KEEP,
)
_GUESSES = Field(Klass.STAFF, _("Slowing down guessing"), "security_log", export=False)
_KEY = Field(
    Klass.KEY, _("Opening what is sealed"), "active_subscription", export=False, erase=Erase.KEY
)


def _nothing(model: str, *fields: str) -> dict[str, Classified]:
    """These fields were looked at: they tell nothing about anybody."""
    return {f"{model}.{field}": NOT_PERSONAL for field in fields}


def _all(model: str, field: Field, *names: str) -> dict[str, Classified]:
    return {f"{model}.{name}": field for name in names}


DATA = AppData(
    app="privacy",
    fields={
        **_nothing("Controller", "id", "name", "address", "email", "imprint_url", "authority"),
        **_nothing("Controller", "dpo_contact", "land"),
        **_all("User", _STAFF, "id", "email", "name", "password", "language", "last_login"),
        **_all("User", _STAFF, "is_active", "is_staff", "is_superuser", "created_at"),
        **_all("User", _STAFF, "inactive_since"),
        **_nothing("User", "session_epoch"),
        **_all("User_groups", _STAFF, "id", "user", "group"),
        **_all("User_user_permissions", _STAFF, "id", "user", "permission"),
        **_all("Grant", _STAFF, "user", "role", "newsletter", "granted_by", "granted_at"),
        **_nothing("Grant", "id"),
        **_all("ApiToken", _STAFF, "id", "user", "name", "prefix", "digest", "scopes"),
        **_all("ApiToken", _STAFF, "newsletters", "created_at", "expires_at", "revoked_at"),
        **_all("ApiToken", _STAFF, "last_used_at"),
        **_all("TotpStep", _STAFF, "id", "user", "step"),
        **_all("GuessCounter", _GUESSES, "key", "window_start", "count"),
        **_all("DataSubject", _PERSON, "id", "status", "created_at", "erased_at"),
        **_all("AuditEntry", _STAFF_ACT, "actor", "entry"),
        **_nothing("AuditEntry", "id", "action", "object", "ref", "at", "leaf", "xid"),
        **_nothing("Leaf", "log", "idx", "entry_id", "leaf"),
        **_nothing("Node", "log", "level", "pos", "hash"),
        **_nothing("Checkpoint", "id", "log", "size", "root", "note", "at"),
        **_nothing("Anchor", "id", "checkpoint", "kind", "name", "proof", "at"),
        **_nothing("Rebase", "id", "log", "size", "from_xid", "at"),
        **_nothing("Watch", "name", "tried_at", "well_at", "trouble", "size", "facts"),
        **_nothing("Verification", "id", "started_at", "done", "total", "finished_at"),
        **_nothing("Verification", "is_sound", "result"),
        **_all("Verification", _STAFF_ACT, "started_by"),
        "Suppression.fingerprint": Field(
            Klass.IDENTIFIER,
            _("Recognising an address that must not be written to, without keeping it"),
            "suppression",
            erase=Erase.KEEP,
        ),
        **_nothing("Suppression", "id", "kind", "newsletter", "reason", "since"),
        **_all("Request", _REQUEST, "id", "number", "kind", "status", "outcome", "origin"),
        **_all("Request", _REQUEST, "subject", "channel", "address", "is_verified"),
        **_all("Request", _REQUEST, "received_at", "due_at", "extended_at", "closed_at"),
        **_all("Request", _REQUEST, "paused_at", "paused_days", "proof_hash"),
        "Request.assigned_to": _STAFF_ACT,
        "Request.note_sealed": Field(
            Klass.CONTENT, _("Notes of staff on a request"), "request_file", sealed=True
        ),
        **_all("RequestStep", _REQUEST, "request", "name", "done_at", "facts"),
        "RequestStep.sealed": Field(
            Klass.CONTENT, _("What a step needs until it is done"), "request_file", sealed=True
        ),
        **_nothing("RequestStep", "id", "position"),
        **_all("ExportPackage", _REQUEST, "id", "request", "subject", "created_at"),
        **_all("ExportPackage", _REQUEST, "expires_at", "downloaded_at", "destroyed_at"),
        **_nothing("ExportPackage", "file_name", "sha256", "size_bytes", "token_hash"),
        **_nothing("ExportPackage", "code_hash", "code_tries"),
        **_all("RecipientNotice", _REQUEST, "request", "recipient", "status", "asked_at"),
        **_all("RecipientNotice", _REQUEST, "answered_at"),
        **_nothing("RecipientNotice", "id"),
        "RecipientNotice.reply_sealed": Field(
            Klass.CONTENT,
            _("Proving that recipients were told (Art. 19 GDPR)"),
            "request_file",
            sealed=True,
            erase=Erase.KEEP,
        ),
        **_nothing("Sweep", "id", "started_at", "finished_at", "place", "at", "done_bytes"),
        **_nothing("Sweep", "total_bytes", "places", "found"),
        **_all("Certificate", _REQUEST, "id", "request", "body", "issued_at"),
        **_nothing("Certificate", "sha256", "token_hash"),
        **_all("SecondApproval", _APPROVAL, "asked_by", "asked_at", "decided_by", "decided_at"),
        **_nothing("SecondApproval", "id", "kind", "ref", "facts", "status"),
        **_nothing("RetentionRule", "id", "data_class", "starts_with", "period", "action"),
        **_nothing("RetentionRule", "years_to_year_end", "legal_basis", "valid_from"),
        **_nothing("RetentionRule", "version", "months", "warn_months", "exceptions", "owner"),
        **_nothing("RetentionRule", "outlier_percent", "outlier_rows", "status", "reason"),
        **_nothing("RetentionRule", "proposed_at", "decided_at"),
        **_all("RetentionRule", _STAFF_ACT, "proposed_by", "decided_by"),
        **_nothing("RetentionRun", "id", "at", "data_class", "removed"),
        **_nothing("RetentionPlan", "id", "day", "at", "status", "finished_at", "summary"),
        **_nothing("RetentionPlan", "sha256"),
        **_nothing("RetentionItem", "id", "plan", "data_class", "due", "total", "held", "status"),
        **_nothing("RetentionItem", "removed", "batches", "overdue", "finished_at"),
        **_nothing("RetentionPause", "id", "since", "ended_at"),
        **_all("RetentionPause", _STAFF_ACT, "paused_by"),
        **_all("LegalHold", _HOLD, "id", "subject", "data_class", "since", "review_at"),
        **_all("LegalHold", _HOLD, "ended_at"),
        "LegalHold.reason_sealed": Field(
            Klass.CONTENT,
            _("Why data must stay although their time is over"),
            "legal_hold",
            export=False,
            sealed=True,
            erase=Erase.KEEP,
        ),
        "LegalHold.owner": _STAFF_ACT,
        **_nothing("Processor", "id", "channel", "channel_kind", "service", "name", "purpose"),
        **_nothing("Processor", "role", "country", "transfer", "contract", "contract_on"),
        **_nothing("Processor", "contract_sealed", "contract_sha256", "contract_type"),
        **_nothing("Processor", "sub_processors", "retention", "decision", "changed_at"),
        **_nothing("Processor", "ended_on"),
        **_nothing("ProcessingRecord", "id", "kind", "version", "valid_from", "sha256", "body"),
        "ProcessingRecord.stored_by": _STAFF_ACT,
        **_nothing("RecordText", "key", "text_de", "text_en", "changed_at"),
        **_nothing("LegalTerm", "id", "name", "valid_from", "hours", "source"),
        **_nothing("Incident", "id", "number", "aware_at", "report_due_at", "began_at"),
        **_nothing("Incident", "ended_at", "keys", "risk", "reported_at", "told_at"),
        **_nothing("Incident", "closed_at", "gone"),
        "Incident.texts_sealed": _INCIDENT_TEXT,
        **_nothing("IncidentEntry", "id", "incident", "at", "kind", "facts"),
        "IncidentEntry.actor": _STAFF_ACT,
        "IncidentEntry.text_sealed": _INCIDENT_TEXT,
        **_nothing("IncidentScope", "id", "incident", "kind", "since", "until", "people"),
        **_nothing("IncidentScope", "gone"),
        "IncidentScope.ref": _STAFF_ACT,
        **_all("IncidentSubject", _INCIDENT, "id", "incident", "subject", "state", "told_at"),
        **_nothing("keystore.KeyEpoch", "number", "created_at", "retired_at", "proof"),
        **_nothing("keystore.KeyEpoch", "destroyed_at"),
        **_nothing("keystore.SystemKey", "number", "epoch", "wrapped", "created_at"),
        **_all("keystore.Tombstone", _PERSON, "subject", "erased_at"),
        **_nothing("keystore.Tombstone", "evidence", "suppressed"),
        **_nothing("keystore.Generation", "id", "value"),
        **_all("keystore.SubjectKey", _KEY, "id", "subject", "klass", "wrapped", "created_at"),
        **_nothing("keystore.SubjectKey", "epoch"),
        **_nothing("keystore.InboxKey", "day", "epoch"),
        "keystore.InboxKey.wrapped": Field(
            Klass.KEY, _("Opening what came in on one day"), "inbox_body", export=False
        ),
    },
)


def scan(subject: UUID, needles: list[str]) -> list[str]:
    """What an erasure has left here: a key that still opens, a package that still lies there."""
    found = []
    if KeyRing.load([subject], "ops").has(subject):
        found.append("keystore.SubjectKey")
    if ExportPackage.objects.filter(subject=subject, destroyed_at=None).exists():
        found.append("ExportPackage")
    return found
