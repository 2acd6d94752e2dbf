"""What became of a broadcast, in counts and pictures; never who did what."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from broadcasts.models import Broadcast
from broadcasts.queries.progress import ORDER, Progress, StateCount, progress
from messengers import outbox
from messengers.contract import Reason
from messengers.models import Delivery, Gate
from subscriptions.models import Subscription

Status = Delivery.Status
# A withdrawal this soon after the start is told as an answer to it.
OPT_OUT_WINDOW = timedelta(days=2)

_BROKEN = _("The line broke before the answer came")
_SENSELESS = _("The messenger's answer made no sense")
# Causes that the engine stores -> what they mean; one that we do not know is shown as it is.
CAUSES = {
    Reason.PERMANENT_RECIPIENT: _("The address does not exist (any more)"),
    Reason.OPTED_OUT: _("Blocked us at the messenger"),
    Reason.POLICY_WINDOW: _("The messenger's rules forbid it just now"),
    Reason.THROTTLED: _("The messenger asked us to slow down"),
    Reason.AUTH_CONFIG: _("The messenger refuses our account or content"),
    Reason.TEMPORARY: _("The messenger had trouble"),
    Reason.UNKNOWN: _("The messenger gave no reason that we know"),
    "worker_lost": _("We were interrupted between question and answer"),
    "closed_without_an_answer": _BROKEN,
    "answer_cut_off": _BROKEN,
    "receiving_failed": _BROKEN,
    "sending_failed": _BROKEN,
    "disconnected": _BROKEN,
    "answer_too_large": _SENSELESS,
    "answer_not_understood": _SENSELESS,
    "accepted_without_an_id": _SENSELESS,
    "bulk_answer_without_a_result_for_each_message": _SENSELESS,
    "not_an_http_answer": _SENSELESS,
    "not_an_smtp_answer": _SENSELESS,
    "unreachable": _("The messenger could not be reached"),
    "poison": _("Tried too often and interrupted each time"),
    "timeout": _("The messenger did not answer in time"),
    "render": _("The text did not fit for this person"),
    "settled": _("Decided by a person"),
    "resent_by_policy": _("Sent again by the channel's policy for doubts"),
    "limit_reached": _("The messenger limits our account"),
    "footer_missing": _("The message did not say how to object (section 7(3) UWG)"),
    **{str(reason): reason.label for reason in Gate.Reason},
}


@dataclass(frozen=True)
class Bar:
    """One bar of a picture; `width` is in hundredths of the whole."""

    label: str
    count: int
    width: float
    tone: str = ""

    @property
    def percent(self) -> float:
        return round(self.width, 1)


@dataclass(frozen=True)
class CauseGroup:
    """Why deliveries ended in one state."""

    status: Delivery.Status
    bars: tuple[Bar, ...]

    @property
    def label(self) -> str:
        return str(self.status.label)


@dataclass(frozen=True)
class Results:
    """A broadcast in counts."""

    progress: Progress
    bars: tuple[Bar, ...]
    causes: tuple[CauseGroup, ...]
    opt_outs: int
    by_channel: tuple[Bar, ...]
    by_basis: tuple[Bar, ...] = ()

    @property
    def reached(self) -> int:
        """Accepted at least; a delivery that was reported as failed later is not counted."""
        return sum(map(self.progress.count, (Status.ACCEPTED, Status.DELIVERED, Status.READ)))

    @property
    def in_doubt(self) -> int:
        return self.progress.count(Status.IN_DOUBT)

    @property
    def not_reached(self) -> int:
        return sum(map(self.progress.count, (Status.FAILED, Status.UNDELIVERED)))


def results(broadcast: Broadcast, told: Progress | None = None) -> Results:
    """All that may be known about a broadcast afterwards."""
    told = told or progress(broadcast)
    return Results(
        progress=told,
        bars=_bars(told.states, told.size),
        causes=_causes(broadcast, told.size),
        opt_outs=_opt_outs(broadcast),
        by_channel=_by_channel(told),
        by_basis=_by_basis(broadcast, told.size),
    )


def results_table(broadcast: Broadcast) -> list[tuple[str, str, str, int]]:
    """The counts as rows: group, state, cause or channel, number. For the CSV export."""
    found = results(broadcast)
    rows = [("state", str(state.status), "", state.count) for state in found.progress.states]
    if broadcast.dispatch:
        rows += [
            ("cause", status, cause, number)
            for status, cause, number in outbox.causes(broadcast.dispatch)
        ]
    rows += [("channel", "", bar.label, bar.count) for bar in found.by_channel]
    rows += [("basis", basis, "", number) for basis, number in sorted(broadcast.bases.items())]
    rows += [
        ("total", "recipients", "", found.progress.size),
        ("total", "left_out_by_daily_cap", "", broadcast.left_out),
        ("total", "opt_outs_within_two_days", "", found.opt_outs),
    ]
    return rows


def cause_label(cause: str) -> str:
    """What a stored cause means, in the reader's language."""
    if cause in CAUSES:
        return str(CAUSES[cause])
    if cause.startswith("http_"):
        code = cause.removeprefix("http_")
        return gettext("The messenger answered with the error %(code)s") % {"code": code}
    return cause or gettext("No cause told")


def _bars(states: Iterable[StateCount], size: int) -> tuple[Bar, ...]:
    return tuple(
        Bar(state.label, state.count, _share(state.count, size), state.tone) for state in states
    )


def _causes(broadcast: Broadcast, size: int) -> tuple[CauseGroup, ...]:
    if not broadcast.dispatch:
        return ()
    groups: dict[str, dict[str, int]] = {}
    for status, cause, number in outbox.causes(broadcast.dispatch):
        labels = groups.setdefault(status, {})
        label = cause_label(cause)
        labels[label] = labels.get(label, 0) + number
    return tuple(
        CauseGroup(
            status,
            tuple(Bar(label, number, _share(number, size)) for label, number in
                  groups[status].items()),
        )
        for status in ORDER
        if status in groups
    )  # fmt: skip


def _by_channel(told: Progress) -> tuple[Bar, ...]:
    return tuple(Bar(name, count, _share(count, told.size)) for name, count in told.by_channel)


def _by_basis(broadcast: Broadcast, size: int) -> tuple[Bar, ...]:
    """Why people were written to, as it was at the start."""
    return tuple(
        Bar(str(Subscription.LegalBasis(basis).label), number, _share(number, size))
        for basis, number in sorted(broadcast.bases.items())
    )


def _opt_outs(broadcast: Broadcast) -> int:
    """How many of those who were written to said no within two days."""
    if not broadcast.dispatch or not broadcast.started_at:
        return 0
    return said_no(broadcast.dispatch, broadcast.started_at).count()


def said_no(dispatch: UUID, started_at: datetime) -> QuerySet[Subscription]:
    """Found from the few who ended, not from the million who were written to."""
    written_to = Delivery.objects.filter(
        dispatch_id=dispatch, address=OuterRef("address_id"), gate=OuterRef("pk")
    ).exclude(status__in=[Status.QUEUED, Status.SUPPRESSED, Status.CANCELLED, Status.EXPIRED])
    return Subscription.objects.filter(
        Exists(written_to),
        status__in=[Subscription.Status.WITHDRAWN, Subscription.Status.OBJECTED],
        ended_at__gte=started_at,
        ended_at__lt=started_at + OPT_OUT_WINDOW,
    )


def _share(count: int, size: int) -> float:
    return count * 100 / size if size else 0
