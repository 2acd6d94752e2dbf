"""What answers mean beyond their deliveries: for the channel, the dispatch, and the person's gate.

Noted as answers come, settled after their commit. A crash in between costs little: the next answer
says the same again. Only a withdrawal is written in the very commit of its answer.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction

from messengers.doorbell import HANDLE_INBOX, ring
from messengers.engine.lines import Line
from messengers.engine.open_batches import OpenBatch, Recipient, Result
from messengers.engine.outcomes import Effect, Verdict
from messengers.engine.window import REPLY_PRIORITY
from messengers.gates import close_gates
from messengers.models import Gate
from messengers.outbox import pause
from messengers.sql import run
from privacy.vault import keyed_hash

LONGEST_PAUSE = 60.0  # seconds a channel rests when its provider names no time
JITTER = 0.25  # so that workers do not come back all at once
DOUBTS_IN_A_ROW = 20  # so many without one acceptance: pause before more of them pile up

# Setbacks count once for each pause, however many answers tell of it.
PAUSE_CHANNEL = """
    UPDATE messengers_channel
       SET setbacks = setbacks + CASE WHEN paused_until > clock_timestamp() THEN 0 ELSE 1 END,
           paused_why = %(why)s,
           paused_until = greatest(paused_until, clock_timestamp() + make_interval(secs =>
               %(jitter)s * coalesce(%(wait)s, least(%(longest)s, power(2, setbacks)))))
     WHERE id = %(channel)s"""
COMPLAIN = "UPDATE messengers_channel SET paused_why = %s WHERE id = %s"
RECOVER = """
    UPDATE messengers_channel SET setbacks = 0, paused_why = '', paused_until = NULL
     WHERE id = %s AND (setbacks > 0 OR paused_why <> '')"""
ADD_OPT_OUT = """
    INSERT INTO messengers_inboundevent
           (channel_id, ref, kind, status, received_at, day, is_withdrawal, attempts, delivery)
    VALUES (%s, %s, 'opt_out', 'waiting', clock_timestamp(),
            (clock_timestamp() AT TIME ZONE 'UTC')::date, false, 0, %s)
    ON CONFLICT DO NOTHING"""


@dataclass(slots=True)
class Effects:
    """Collected until the next commit is over."""

    channels: dict[UUID, tuple[str, float | None]] = field(default_factory=dict)
    complaints: set[UUID] = field(default_factory=set)
    recovered: set[UUID] = field(default_factory=set)
    dispatches: dict[UUID, str] = field(default_factory=dict)
    gates: dict[UUID, str] = field(default_factory=dict)
    has_opt_outs: bool = False

    def note(self, line: Line, batch: OpenBatch, recipient: Recipient, verdict: Verdict) -> None:
        channel = batch.channel
        match verdict.effect:
            case Effect.PAUSE_CHANNEL:
                line.has_setbacks = True
                self.channels[channel] = (verdict.cause, verdict.effect_wait)
            case Effect.PAUSE_DISPATCH if batch.priority >= REPLY_PRIORITY:
                line.has_setbacks = True
                self.complaints.add(channel)
            case Effect.PAUSE_DISPATCH:
                self.dispatches[batch.dispatch] = verdict.cause
            case Effect.BOUNCED | Effect.OPTED_OUT:
                self._close(recipient.gate, verdict.effect)
        if verdict.status == "accepted":
            line.doubts_in_a_row = 0
            if line.has_setbacks:
                line.has_setbacks = False
                self.recovered.add(channel)
        elif verdict.status == "in_doubt":
            self._doubt(line, batch)

    def _close(self, gate: UUID | None, effect: Effect) -> None:
        self.has_opt_outs |= effect is Effect.OPTED_OUT
        if gate is not None:
            is_bounce = effect is Effect.BOUNCED
            self.gates[gate] = Gate.Reason.HARD_BOUNCE if is_bounce else Gate.Reason.BLOCKED

    def _doubt(self, line: Line, batch: OpenBatch) -> None:
        line.doubts_in_a_row += 1
        if line.doubts_in_a_row >= DOUBTS_IN_A_ROW and batch.priority < REPLY_PRIORITY:
            line.doubts_in_a_row = 0
            self.dispatches[batch.dispatch] = "too_many_doubts"

    def settle(self) -> set[UUID]:
        """Write everything that was noted; returns the dispatches that were paused."""
        for channel, (why, wait) in self.channels.items():
            pause_channel(channel, why, wait)
        for channel in self.complaints:
            run(COMPLAIN, ["auth_config", channel])
        for channel in self.recovered - set(self.channels):
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
    jitter = 1.0 + random.random() * JITTER
    run(
        PAUSE_CHANNEL,
        {
            "channel": channel,
            "why": why,
            "wait": wait,
            "jitter": jitter,
            "longest": LONGEST_PAUSE,
        },
    )


def add_opt_outs(channel: UUID, results: Iterable[Result]) -> None:
    """Refusals that say "this person blocked us": events of the inbox, in the caller's commit."""
    for result in results:
        if result.verdict.effect is Effect.OPTED_OUT:
            delivery = result.recipient.delivery
            ref = keyed_hash("refusal", f"{channel}|{delivery}")
            run(ADD_OPT_OUT, [channel, ref, delivery])
