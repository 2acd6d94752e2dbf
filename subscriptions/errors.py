"""What may go wrong with subscriptions, in the words of the domain. No text names a person."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subscriptions.lint import Finding


class SubscriptionsError(Exception):
    """Base of everything below."""


class OptInGone(SubscriptionsError):
    """The question was answered, declined, withdrawn or erased already."""


class OptInExpired(SubscriptionsError):
    """The answer came after the term of the question: ask again."""


class NotOffered(SubscriptionsError):
    """The newsletter is not to be had on this channel."""


class RuleError(SubscriptionsError):
    """A segment's rule is none; `where` leads to the part that is wrong, like "all.0.not"."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where or 'rule'}: {message}")
        self.where = where
        self.message = message


class WordingRefused(SubscriptionsError):
    """A text that may not be published; `findings` say what is missing, or what stands where."""

    def __init__(self, findings: "Sequence[Finding]") -> None:
        super().__init__(" ".join(map(str, findings)))
        self.findings = list(findings)


class NeedsSecondPerson(SubscriptionsError):
    """Nobody is shown this text before a second person has approved it: propose it."""


class FormUndecided(SubscriptionsError):
    """A coupled offer is published by the data-protection officer's decision, with reasons."""


class TooYoung(SubscriptionsError):
    """The age was not declared, or is under the limit: nobody may say yes alone."""


class KeywordRefused(SubscriptionsError):
    """A keyword that would take a word away from those who want to leave, or is none."""


class ImportRefused(SubscriptionsError):
    """The file as a whole cannot be read; nothing was stored."""


class ImportDecided(SubscriptionsError):
    """The import is not in the state for this step any more."""


class SameHands(SubscriptionsError):
    """Who uploaded a list may not approve it (four eyes)."""
