"""How far a broadcast is: sums of its batches' counts, cheap enough to be asked every second."""

from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from django.utils import timezone

from broadcasts.models import Broadcast
from messengers import outbox
from messengers.channels import why_silent
from messengers.models import Batch, Channel, Delivery
from messengers.outbox.pulse import pulse, shown_batches

Status = Delivery.Status
BATCHES_SHOWN = 50
# Of many people the sums take some milliseconds, and a step of the bar takes longer.
ASK_SECONDS, ASK_SECONDS_LARGE, LARGE = 2, 5, 100_000
# Not decided yet: someone waits, or a call is on its way.
OPEN = (Status.QUEUED, Status.SENDING)
# The order in which states are told, best first.
ORDER = (
    Status.READ, Status.DELIVERED, Status.ACCEPTED, Status.SENDING, Status.QUEUED, Status.IN_DOUBT,
    Status.UNDELIVERED, Status.FAILED, Status.SUPPRESSED, Status.EXPIRED, Status.CANCELLED,
)  # fmt: skip
TONE = {
    Status.READ: "good",
    Status.DELIVERED: "good",
    Status.ACCEPTED: "good",
    Status.SENDING: "info",
    Status.QUEUED: "wait",
    Status.IN_DOUBT: "doubt",
    Status.UNDELIVERED: "bad",
    Status.FAILED: "bad",
}


@dataclass(frozen=True)
class StateCount:
    """One state and how many are in it."""

    status: Delivery.Status
    count: int

    @property
    def label(self) -> str:
        return str(self.status.label)

    @property
    def tone(self) -> str:
        return TONE.get(self.status, "off")


@dataclass(frozen=True)
class BatchRow:
    """One batch of at most 256, as the page shows it."""

    number: int
    channel: str
    size: int
    status: str
    label: str
    states: tuple[StateCount, ...]

    @property
    def done(self) -> int:
        return self.size - sum(state.count for state in self.states if state.status in OPEN)


@dataclass(frozen=True)
class Progress:
    """How far a broadcast is. `states` sum to `size` at every moment."""

    broadcast: Broadcast
    size: int = 0
    states: tuple[StateCount, ...] = ()
    by_channel: tuple[tuple[str, int], ...] = ()  # name, recipients
    batch_total: int = 0
    batches_done: int = 0
    batches: tuple[BatchRow, ...] = ()  # as many as somebody reads, the unfinished ones first
    silent: tuple[tuple[str, str], ...] = ()  # channel name, why nothing leaves
    left: timedelta | None = None  # how long it will still take, at the pace so far

    @property
    def done(self) -> int:
        return self.size - sum(state.count for state in self.states if state.status in OPEN)

    @property
    def percent(self) -> int:
        return self.done * 100 // self.size if self.size else 0

    @property
    def hidden_batches(self) -> int:
        return self.batch_total - len(self.batches)

    @property
    def can_retry(self) -> bool:
        retryable = (Broadcast.Status.FINISHED, Broadcast.Status.RUNNING, Broadcast.Status.PAUSED)
        return self.count(Status.FAILED) > 0 and self.broadcast.status in retryable

    @property
    def is_over(self) -> bool:
        """Nothing will change any more but receipts that come in: no need to keep asking."""
        return not self.broadcast.is_sending

    @property
    def ask_seconds(self) -> int:
        """How soon it is worth asking again."""
        return ASK_SECONDS if self.size <= LARGE else ASK_SECONDS_LARGE

    @property
    def version(self) -> str:
        """A short word that changes whenever something that is shown has changed."""
        row = self.broadcast
        states = [(str(state.status), state.count) for state in self.states]
        seen = (row.status, row.status_why, row.is_urgent, row.canary, row.canary_done_at)
        sums = (states, self.silent, self.batch_total, self.batches_done)
        return sha256(repr((seen, sums)).encode()).hexdigest()[:16]

    def count(self, status: str) -> int:
        return sum(state.count for state in self.states if state.status == status)


def progress(broadcast: Broadcast) -> Progress:
    """Five queries, whatever the size: sums, channels, and the batches that are shown."""
    return with_batches(progress_in_sums(broadcast))


def progress_in_sums(broadcast: Broadcast) -> Progress:
    """Without the batches: two queries that bring back a dozen rows."""
    if not broadcast.dispatch:
        return Progress(broadcast)
    told = pulse(broadcast.dispatch)
    channels = Channel.objects.in_bulk(told.channels)
    names = [(channels[channel].name, size) for channel, size in told.channels.items()]
    sums = Progress(
        broadcast,
        size=told.size,
        states=_states(told.states),
        by_channel=tuple(sorted(names)),
        batch_total=told.batch_total,
        batches_done=told.batches_done,
        silent=_silent(channels, broadcast),
    )
    return replace(sums, left=_time_left(sums))


def with_batches(told: Progress) -> Progress:
    if not told.broadcast.dispatch:
        return told
    rows = shown_batches(told.broadcast.dispatch, BATCHES_SHOWN)
    channels = Channel.objects.in_bulk({row.channel_id for row in rows})
    return replace(told, batches=tuple(_batch_row(row, channels) for row in rows))


def _states(counts: dict[str, int]) -> tuple[StateCount, ...]:
    return tuple(StateCount(status, counts[status]) for status in ORDER if counts.get(status))


def _batch_row(row: outbox.BatchView, channels: dict[UUID, Channel]) -> BatchRow:
    return BatchRow(
        number=row.number,
        channel=channels[row.channel_id].name,
        size=row.size,
        status=row.status,
        label=str(Batch.Status(row.status).label),
        states=_states(row.counts),
    )


def _silent(channels: dict[UUID, Channel], broadcast: Broadcast) -> tuple[tuple[str, str], ...]:
    """Channels on which nothing leaves just now, and why; of interest only while sending."""
    if not broadcast.is_sending:
        return ()
    now = timezone.now()
    return tuple(
        (channel.name, str(why_silent(channel)))
        for channel in channels.values()
        if channel.status == Channel.Status.STOPPED
        or (channel.paused_until and channel.paused_until > now)
    )


def _time_left(told: Progress) -> timedelta | None:
    """At the pace so far; nothing is said before there is a pace to speak of."""
    broadcast = told.broadcast
    if broadcast.status != Broadcast.Status.RUNNING or not broadcast.started_at or told.done < 20:
        return None
    elapsed = timezone.now() - broadcast.started_at
    return elapsed * ((told.size - told.done) / told.done)
