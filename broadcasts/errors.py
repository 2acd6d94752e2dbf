"""What may go wrong with a broadcast; each error has a short `code`, fit to be stored."""

from collections.abc import Sequence
from datetime import datetime

from messengers.contract import Problem


class BroadcastError(Exception):
    """Nothing was written. `code` is a short token for storing and for choosing the words."""

    code = "refused"


class IllegalTransition(BroadcastError):
    """The state table does not lead there."""

    code = "illegal_transition"


class LostRace(BroadcastError):
    """Somebody else moved this broadcast first: look again."""

    code = "lost_race"


class EditedMeanwhile(BroadcastError):
    """Somebody else saved this draft since it was opened."""

    code = "edited_meanwhile"


class NotADraft(BroadcastError):
    """What has been sent, or waits for its time, is not edited."""

    code = "not_a_draft"


class TestRefused(BroadcastError):
    """The test was not sent; `code` says why."""

    __test__ = False  # this is no test case

    def __init__(self, code: str) -> None:
        super().__init__(f"The test was not sent: {code}.")
        self.code = code


class ReasonMissing(BroadcastError):
    """This is not done without saying why."""

    code = "reason_missing"


class ScheduleRefused(BroadcastError):
    """The time cannot be taken; `code` is past, too_far, bad_time or quiet_hours."""

    def __init__(self, code: str, until: datetime | None = None) -> None:
        super().__init__(f"The broadcast was not scheduled: {code}.")
        self.code = code
        self.until = until


class StartRefused(BroadcastError):
    """The broadcast was not started, and nobody gets anything."""


class AlreadyStarted(StartRefused):
    """Another click started this broadcast before."""

    code = "already_started"


class NoAudience(StartRefused):
    """Nobody is left to send this to."""

    code = "no_audience"


class BadAudience(StartRefused):
    """The rule of the audience does not hold any more: a topic or channel of it is gone."""

    code = "bad_audience"


class QuietHours(StartRefused):
    """The newsletter's readers are asleep until `until`."""

    code = "quiet_hours"

    def __init__(self, until: datetime) -> None:
        super().__init__(f"Quiet hours until {until.isoformat()}: wait, or say why it is urgent.")
        self.until = until


class ContentRefused(StartRefused):
    """The content does not fit a messenger of the audience; `problems` by channel label."""

    code = "content"

    def __init__(self, problems: Sequence[tuple[str, Problem]]) -> None:
        codes = sorted({problem.code for _label, problem in problems})
        super().__init__(f"The content does not fit: {', '.join(codes)}.")
        self.problems = tuple(problems)
