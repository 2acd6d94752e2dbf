"""Doubts as a person reads them: by cause, with what each means and what can be done."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from django.utils.translation import gettext_lazy as _

from broadcasts.models import Broadcast
from broadcasts.queries.progress import Progress, progress
from broadcasts.queries.results import cause_label
from messengers import outbox
from messengers.models import Channel, Delivery, Dispatch
from messengers.outbox.doubts import OUR_CRASH

Status = Delivery.Status
ACCEPTED = (Status.ACCEPTED, Status.DELIVERED, Status.READ)


class Blame(StrEnum):
    """Who lost the answer."""

    PROVIDER = "provider"
    OURS = "ours"


# What a cause means, and what can be done about it: for each a text that needs no expert.
MEANINGS = {
    OUR_CRASH: (
        _(
            "One of our own programs ended after the message had been handed over and before the "
            "answer could be noted: a crash, a restart, a power failure."
        ),
        _(
            "Most of these messages usually arrived. Wait for receipts where the messenger sends "
            "them. If it matters, ask one of the readers."
        ),
    ),
    "timeout": (
        _("The messenger took the message and then said nothing within the time allowed."),
        _(
            "An overloaded messenger often delivers after all. Wait for receipts; look at the "
            "messenger's status page before you send anything again."
        ),
    ),
    "http": (
        _(
            "The messenger answered with an error of its own that does not say whether it had "
            "taken the message before."
        ),
        _(
            "Look at the messenger's status page. If it says that messages were lost, “It did not "
            "come” is right; otherwise wait for receipts."
        ),
    ),
    "senseless": (
        _("An answer came, and it was not one of those that the messenger has agreed on."),
        _(
            "Perhaps something between us and the messenger answered in its place. Tell whoever "
            "runs this installation; they find the cause in the log."
        ),
    ),
    "line": (
        _("The connection broke after the message had left and before the answer came."),
        _(
            "Nobody can say which half of these arrived. Wait for receipts where the messenger "
            "sends them, or leave it as it is."
        ),
    ),
}
SENSELESS = (
    "answer_too_large",
    "answer_not_understood",
    "accepted_without_an_id",
    "bulk_answer_without_a_result_for_each_message",
    "not_an_http_answer",
    "not_an_smtp_answer",
)


@dataclass(frozen=True)
class CauseOfDoubt:
    """Doubts that mean the same to a reader: their stored causes, and how many there are."""

    label: str
    causes: tuple[str, ...]
    count: int

    @property
    def key(self) -> str:
        """Names the group in a form; the causes themselves are the server's business."""
        return sha256(self.label.encode()).hexdigest()[:16]

    @property
    def blame(self) -> Blame:
        return Blame.OURS if OUR_CRASH in self.causes else Blame.PROVIDER

    @property
    def meaning(self) -> str:
        return str(MEANINGS[kind_of(self.causes[0])][0])

    @property
    def advice(self) -> str:
        return str(MEANINGS[kind_of(self.causes[0])][1])


@dataclass(frozen=True)
class Account:
    """What became of everybody, in the words of one sentence; the numbers sum to the snapshot."""

    accepted: int
    answer_lost: int
    our_crash: int
    open: int  # wait, or are on the wire
    not_sent: int  # on purpose, refused, too late or cancelled
    unaccounted: int  # by which the states differ from the snapshot: always nought

    @property
    def in_doubt(self) -> int:
        return self.answer_lost + self.our_crash


def kind_of(cause: str) -> str:
    """The entry of `MEANINGS` for a stored cause."""
    if cause in MEANINGS:
        return cause
    if cause.startswith("http_"):
        return "http"
    return "senseless" if cause in SENSELESS else "line"


def causes_of_doubt(broadcast: Broadcast) -> list[CauseOfDoubt]:
    """Most frequent first; causes that read the same are one."""
    if not broadcast.dispatch:
        return []
    groups: dict[str, dict[str, int]] = {}
    for status, cause, number in outbox.causes(broadcast.dispatch):
        if status == Status.IN_DOUBT:
            groups.setdefault(cause_label(cause), {})[cause] = number
    found = [
        CauseOfDoubt(label, tuple(sorted(numbers)), sum(numbers.values()))
        for label, numbers in groups.items()
    ]
    return sorted(found, key=lambda group: -group.count)


def resending(broadcast: Broadcast) -> list[str]:
    """Channels of the newsletter on which doubts are sent again by themselves."""
    rows = broadcast.newsletter.channels.filter(on_doubt=Channel.OnDoubt.RESEND)
    return list(rows.order_by("name").values_list("name", flat=True))


def account(
    broadcast: Broadcast,
    told: Progress | None = None,
    groups: list[CauseOfDoubt] | None = None,
) -> Account:
    """The whole snapshot in one sentence."""
    told = told or progress(broadcast)
    if groups is None:
        groups = causes_of_doubt(broadcast) if told.count(Status.IN_DOUBT) else []
    dispatch = Dispatch.objects.filter(pk=broadcast.dispatch) if broadcast.dispatch else None
    size = dispatch.values_list("size", flat=True).first() if dispatch else 0
    ours = sum(group.count for group in groups if group.blame is Blame.OURS)
    accepted = sum(map(told.count, ACCEPTED))
    waiting = told.count(Status.QUEUED) + told.count(Status.SENDING)
    known = sum(state.count for state in told.states)
    doubtful = told.count(Status.IN_DOUBT)
    ours = min(ours, doubtful)  # asked for a moment later
    return Account(
        accepted=accepted,
        answer_lost=doubtful - ours,
        our_crash=ours,
        open=waiting,
        not_sent=known - accepted - waiting - doubtful,
        unaccounted=(size or 0) - known,
    )
