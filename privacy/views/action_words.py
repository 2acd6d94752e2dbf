"""The audit log's actions in words; what is not listed here is shown as it stands in the log."""

from django.utils.translation import gettext_lazy as _

WORDS = {
    "consent.read": _("Proof of consent looked at"),
    "consent.given": _("Consent given"),
    "consent.withdrawn": _("Consent withdrawn"),
    "controller.changed": _("Controller changed"),
    "erasure.certified": _("Certificate issued"),
    "erasure.started": _("Erasure decided"),
    "erasure.step_block": _("Sending stopped"),
    "erasure.step_delete": _("Rows and files deleted"),
    "erasure.step_recipients": _("Last message sent, exports cancelled"),
    "erasure.step_scan": _("Searched, nothing found"),
    "erasure.step_shred": _("Keys destroyed"),
    "erasure.step_verify": _("Request proven"),
    "package.downloaded": _("Package downloaded by the person"),
    "package.made": _("Package made"),
    "person.exported": _("Package looked at by staff"),
    "person.found": _("Person found"),
    "person.not_found": _("Person not found"),
    "person.read": _("Person looked at"),
    "request.blocked": _("Sending stopped at once"),
    "request.closed": _("Request closed"),
    "request.delivered": _("Package delivered"),
    "request.extended": _("Term extended"),
    "request.identity_asked": _("Question sent to the subscribed channel"),
    "request.identity_denied": _("“That was not me”"),
    "request.identity_proven": _("Identity proven"),
    "request.linked": _("Linked to a person"),
    "request.question_lapsed": _("Question not answered in two weeks"),
    "request.noted": _("Remark noted"),
    "request.opened": _("Request opened"),
}


def say(action: str) -> str:
    return str(WORDS.get(action, action))
