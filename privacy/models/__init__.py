"""Tables of the ground floor: who works here, who is concerned, what happened, what was asked."""

from privacy.models.audit import AuditEntry
from privacy.models.controller import Controller
from privacy.models.requests import Certificate, ExportPackage, Request, RequestStep
from privacy.models.retention import RetentionRule, RetentionRun
from privacy.models.staff import ApiToken, Grant, GuessCounter, TotpStep, User, UserManager
from privacy.models.subjects import DataSubject, Suppression

__all__ = [
    "ApiToken",
    "AuditEntry",
    "Certificate",
    "Controller",
    "DataSubject",
    "ExportPackage",
    "Grant",
    "GuessCounter",
    "Request",
    "RequestStep",
    "RetentionRule",
    "RetentionRun",
    "Suppression",
    "TotpStep",
    "User",
    "UserManager",
]
