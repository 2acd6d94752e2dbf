"""Tables of the ground floor: who works here, who is concerned, what happened, what was asked."""

from privacy.models.audit import (
    Anchor,
    AuditEntry,
    Checkpoint,
    Leaf,
    Log,
    Node,
    Rebase,
    Verification,
    Watch,
)
from privacy.models.controller import Controller
from privacy.models.erasure import Sweep
from privacy.models.records import (
    Incident,
    IncidentEntry,
    IncidentScope,
    IncidentSubject,
    LegalTerm,
    ProcessingRecord,
    Processor,
    RecordText,
)
from privacy.models.requests import (
    Certificate,
    ExportPackage,
    RecipientNotice,
    Request,
    RequestStep,
    SecondApproval,
)
from privacy.models.retention import (
    LegalHold,
    RetentionItem,
    RetentionPause,
    RetentionPlan,
    RetentionRule,
    RetentionRun,
)
from privacy.models.staff import ApiToken, Grant, GuessCounter, TotpStep, User, UserManager
from privacy.models.subjects import DataSubject, Suppression

__all__ = [
    "Anchor",
    "ApiToken",
    "AuditEntry",
    "Certificate",
    "Checkpoint",
    "Controller",
    "DataSubject",
    "ExportPackage",
    "Grant",
    "GuessCounter",
    "Incident",
    "IncidentEntry",
    "IncidentScope",
    "IncidentSubject",
    "Leaf",
    "LegalHold",
    "LegalTerm",
    "Log",
    "Node",
    "ProcessingRecord",
    "Processor",
    "Rebase",
    "RecipientNotice",
    "RecordText",
    "Request",
    "RequestStep",
    "RetentionItem",
    "RetentionPause",
    "RetentionPlan",
    "RetentionRule",
    "RetentionRun",
    "SecondApproval",
    "Suppression",
    "Sweep",
    "TotpStep",
    "User",
    "UserManager",
    "Verification",
    "Watch",
]
