"""Why somebody of the staff looks at a person: chosen before, logged, told to the person on
request.
"""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Purpose(TextChoices):
    """Words for the audit log; short, closed, without anything about the person."""

    REQUEST = "request", _("Working on a request of this person")
    COMPLAINT = "complaint", _("Answering a complaint")
    PROOF = "consent_proof", _("Proving consent in a dispute")
    CORRECTION = "correction", _("Correcting data")
    INCIDENT = "incident", _("Handling a data breach")
    AUTHORITY = "authority", _("Answering the supervisory authority")
