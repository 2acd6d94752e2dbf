"""What answers mean beyond their deliveries: for the channel, the dispatch, and the person's gate.

Noted as answers come, settled after their commit. A crash in between costs little: the next answer
says the same again. Only a withdrawal is written in the very commit of its answer.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction

from messengers import breaker
from messengers.doorbell import HANDLE_INBOX, ring
from messengers.engine.lines import Line
from messengers.engine.open_batches import OpenBatch, Recipient, Result
from messengers.engine.outcomes import Effect, Verdict, jittered
from messengers.engine.window import REPLY_PRIORITY
from messengers.gates import close_gates
from messengers.models import Gate
from messengers.outbox import pause
from messengers.outbox.behind import pause_behind
from messengers.sql import rows, run
from privacy.vault import keyed_hash

LONGEST_PAUSE = 60.0  # seconds a channel rests when its provider names no time

# Setbacks count once for each pause, however many answers tell of it.
PAUSE_CHANNEL = """
    UPDATE messengers_channel
       SET setbacks = setbacks + CASE WHEN paused_until > clock_timestamp() THEN 0 ELSE 1 END,
           paused_why = %(why)s,
           paused_until = greatest(paused_until, clock_timestamp() + make_interval(secs =>
               %(jitter)s * coalesce(%(wait)s, least(%(longest)s, power(2, least(setbacks, 16))))))
     WHERE id = %(channel)s"""
# Accounts of one app at one provider: what stops one stops all. Locked in one order.
SAME_APP = """
    SELECT other.id FROM messengers_channel other JOIN messengers_channel it ON it.id = %s
     WHERE other.id = it.id
        OR other.kind = it.kind AND other.settings->>'app' = nullif(it.settings->>'app', '')
     ORDER BY other.id FOR NO KEY UPDATE OF other"""
COMPLAIN = "UPDATE messengers_channel SET paused_why = %s WHERE id = %s"
# What was accepted before the provider asked for a pause does not end that pause.
RECOVER = """
    UPDATE messengers_channel SET setbacks = 0, paused_why = '', paused_until = NULL
     WHERE id = %s AND (setbacks > 0 OR paused_why <> '')
       AND (paused_until IS NULL OR paused_until <= clock_timestamp())"""
ADD_OPT_OUT = """
    INSERT INTO messengers_inboundevent
           (channel_id, ref, kind, status, received_at, day, is_withdrawal, attempts, delivery)
    VALUES (%s, %s, 'opt_out', 'waiting', clock_timestamp(),
            (clock_timestamp() AT TIME ZONE 'UTC')::date, false, 0, %s)
    ON CONFLICT DO NOTHING"""


@dataclass(slots=True)
class Tally:
    """Answers and lost answers of one channel since the last commit."""

    doubts: int = 0
    in_a_row: int = 0  # doubts after the last answer
    answered: int = 0

    def count(self, *, is_doubt: bool) -> None:
        if is_doubt:
            self.doubts += 1
            self.in_a_row += 1
        else:
            self.answered += 1
            self.in_a_row = 0

    def opens(self, channel: UUID) -> bool:
        """Tell the channel's breaker; whether it has opened now."""
        return breaker.note(
            channel, doubts=self.doubts, in_a_row=self.in_a_row, answered=self.answered
        )


@dataclass(slots=True)
class Effects:
    """Collected until the next commit is over."""

    channels: dict[UUID, tuple[str, float | None]] = field(default_factory=dict)
    apps: set[UUID] = field(default_factory=set)  # of the channels, those whose app rests too
    tallies: dict[UUID, Tally] = field(default_factory=lambda: defaultdict(Tally))
    complaints: dict[UUID, str] = field(default_factory=dict)
    recovered: set[UUID] = field(default_factory=set)
    dispatches: dict[UUID, str] = field(default_factory=dict)
    gates: dict[UUID, str] = field(default_factory=dict)
    has_opt_outs: bool = False

    def note(self, line: Line, batch: OpenBatch, recipient: Recipient, verdict: Verdict) -> None:
        channel = batch.channel
        if verdict.status == "accepted":
            self._accepted(line, channel)
            return
        if verdict.status == "in_doubt":
            self.tallies[channel].count(is_doubt=True)
        match verdict.effect:
            case Effect.PAUSE_CHANNEL | Effect.PAUSE_APP:
                line.has_setbacks = True
                self.channels[channel] = (verdict.cause, verdict.effect_wait)
                if verdict.effect is Effect.PAUSE_APP:
                    self.apps.add(channel)
            case Effect.PAUSE_DISPATCH if batch.priority >= REPLY_PRIORITY:
                line.has_setbacks = True
                self.complaints[channel] = verdict.cause
            case Effect.PAUSE_DISPATCH:
                self.dispatches[batch.dispatch] = verdict.cause
            case Effect.BOUNCED | Effect.OPTED_OUT:
                self._close(recipient.gate_id, verdict.effect)

    def _accepted(self, line: Line, channel: UUID) -> None:
        """Of interest to the channel's row only where something was wrong before."""
        if line.allowance.has_doubts or channel in self.tallies:
            self.tallies[channel].count(is_doubt=False)
        if line.has_setbacks or line.allowance.has_setbacks:
            line.has_setbacks = False
            self.recovered.add(channel)

    def _close(self, gate: UUID | None, effect: Effect) -> None:
        self.has_opt_outs |= effect is Effect.OPTED_OUT
        if gate is not None:
            is_bounce = effect is Effect.BOUNCED
            self.gates[gate] = Gate.Reason.HARD_BOUNCE if is_bounce else Gate.Reason.BLOCKED

    def brake(self) -> set[UUID]:
        """Write what has to be known before the window is filled again: the pauses that providers
        asked for, and the breakers. A refill would be refused as well, or put more in doubt.

        Returns the dispatches that were paused.
        """
        for channel, (why, wait) in self.channels.items():
            rest = pause_app if channel in self.apps else pause_channel
            rest(channel, why, wait)
        self.recovered -= self.channels.keys()
        self.channels, self.apps = {}, set()
        tallies, self.tallies = self.tallies, defaultdict(Tally)
        opened = [channel for channel, tally in tallies.items() if tally.opens(channel)]
        return pause_behind(opened)

    def settle(self) -> set[UUID]:
        """Write all the rest that was noted; returns the dispatches that were paused."""
        for channel, why in self.complaints.items():
            run(COMPLAIN, [why, channel])
        for channel in self.recovered:
            run(RECOVER, [channel])
        for dispatch, why in self.dispatches.items():
            pause(dispatch, why)
        for gate, reason in self.gates.items():
            with transaction.atomic():
                close_gates(gate_ids=[gate], reason=reason)
        if self.has_opt_outs:
            ring(HANDLE_INBOX)
        return set(self.dispatches)


def pause_channel(channel: UUID, why: str, wait: float | None) -> None:
    """Let the channel rest: as long as the provider says, else longer each time."""
    facts = {"channel": channel, "why": why, "wait": wait, "longest": LONGEST_PAUSE}
    run(PAUSE_CHANNEL, facts | {"jitter": jittered(1.0)})


@transaction.atomic
def pause_app(channel: UUID, why: str, wait: float | None) -> None:
    """Let every channel rest that shares this one's app at the provider."""
    for (other,) in rows(SAME_APP, [channel]):
        pause_channel(other, why, wait)


def add_opt_outs(channel: UUID, results: Iterable[Result]) -> None:
    """Refusals that say "this person blocked us": events of the inbox, in the caller's commit."""
    for result in results:
        if result.verdict.effect is Effect.OPTED_OUT:
            delivery = result.recipient.delivery
            ref = keyed_hash("refusal", f"{channel}|{delivery}")
            run(ADD_OPT_OUT, [channel, ref, delivery])
