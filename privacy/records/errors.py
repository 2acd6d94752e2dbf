"""What may go wrong with records, in words for the page."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class RecordsError(Exception):
    """What the domain refuses; its text is for people."""

    text: "str | Promise" = _("This is not possible.")

    def __str__(self) -> str:
        return str(self.text)


class ProfileIncomplete(RecordsError):
    """A channel cannot go live: what is missing in its profile."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__()
        self.missing = missing

    def __str__(self) -> str:
        said = _("This account cannot send before its profile is complete. Missing: %(missing)s.")
        return str(said) % {"missing": "; ".join(self.missing)}


class FileTooLarge(RecordsError):
    text = _("The file of a contract may have 10 MB at most.")


class IncidentClosed(RecordsError):
    text = _("The file of this incident is closed.")


class ReasonsMissing(RecordsError):
    text = _("Write down the reasons for this decision.")


class NothingToTell(RecordsError):
    text = _("Fill in what the people are to be told, in German and English.")


class NoHighRisk(RecordsError):
    text = _("Decide first that the risk is high, with the reasons.")


class BadScope(RecordsError):
    text = _("Say whose data it was: choose one, or give a time.")


class TextFrozen(RecordsError):
    text = _("The text to the people has been given to a second person and stays as it is.")


class Unreported(RecordsError):
    text = _("The authority has not been told yet.")
