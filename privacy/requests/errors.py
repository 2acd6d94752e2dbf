"""What may go wrong with a request, in words that a page can show as they are."""

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class RequestError(Exception):
    """A request did not allow what was asked of it. Nothing was written."""

    message: ClassVar[Promise | str] = _("This cannot be done with the request.")

    def __str__(self) -> str:
        return str(self.message)


class IllegalTransition(RequestError):
    message = _("The request has moved on: look at it again before you act.")


class ReasonMissing(RequestError):
    message = _("Give the reasons: the law demands them, and they are kept sealed.")


class TooLateToExtend(RequestError):
    message = _("An extension is possible only once, and only within the first month.")


class NotVerified(RequestError):
    message = _("It is not yet proven that the request comes from this person.")


class NobodyConcerned(RequestError):
    message = _("No person is known for this request: find them first, or close it.")


class PersonKnown(RequestError):
    message = _("A person is already linked to this request.")


class WrongKind(RequestError):
    message = _("This step belongs to another kind of request.")


class StillRunning(RequestError):
    message = _("An erasure is under way: it can only be finished.")


class NothingToDeliver(RequestError):
    message = _("There is no package to deliver: make one first.")


class PackageGone(RequestError):
    message = _("The package is gone: it was downloaded, has expired or was erased.")


class PackageMade(RequestError):
    message = _("Another worker has made this package already.")


class WrongCode(RequestError):
    message = _("This is not the code that we sent to your other address.")


class TooLateToStop(RequestError):
    message = _("This request has been carried out or closed already.")


class NotRestricted(RequestError):
    message = _("The processing of this person's data is not restricted.")


class StillNeeded(RequestError):
    message = _("Another open request of this person needs the restriction.")


class ExceptionsMissing(RequestError):
    message = _("Name what was left out, each with its reason.")


class EvidenceMissing(RequestError):
    message = _("Say what shows it (Art. 12(5) GDPR): the burden of proof is ours.")


class QuotaReached(RequestError):
    message = _("So many packages were made today that a second person has to approve more.")


class AlreadyDecided(RequestError):
    message = _("Somebody has decided this already.")


class SamePerson(RequestError):
    message = _("A second person has to decide: whoever proposed it cannot.")


class NotApproved(RequestError):
    message = _("A second person has to approve this first.")
