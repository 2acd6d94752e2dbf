"""A worker: keeps a window of calls in flight over as many batches as that takes.

There is no barrier anywhere: whatever answers have come are written together with the intents that
take their places, so one slow answer holds up nothing but itself.
"""

import time
from collections import Counter
from collections.abc import Iterable
from uuid import UUID

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, connection

from messengers import instance
from messengers.contract import Outcome, Refused
from messengers.doorbell import ring
from messengers.engine import ledger, lines, window
from messengers.engine.claim import Common, claim, due_channels, load
from messengers.engine.effects import Effects, add_opt_outs, pause_channel
from messengers.engine.lines import Line
from messengers.engine.open_batches import Bulk, Intent, OpenBatch, Result, Submission
from messengers.engine.outcomes import Verdict, judge
from messengers.engine.pace import Flight
from messengers.engine.window import REPLY_PRIORITY
from messengers.errors import NotTheSameInstance
from messengers.models import Channel, Dispatch
from messengers.outbox import expire, finish
from messengers.sql import engine_transaction, forget_plans
from messengers.stopping import is_stopping
from privacy.vault import KeystoreDown, VaultError

log = structlog.get_logger("jawort.engine")

FLUSH_RESULTS = 128  # write answers when so many have come …
FLUSH_SECONDS = 0.01  # … or the oldest has waited so long
AHEAD = 512  # positions that are claimed, and their people read, at a time
POLL_SECONDS = 0.005
LOOK_SECONDS = 0.1  # between two looks for batches that became due
SHY_SECONDS = 0.05  # before a gate that was being changed is asked again
KEYSTORE_WAIT = 10.0
BROKEN_CHANNEL_WAIT = 60.0
DATABASE_WAIT = 0.25
DATABASE_PATIENCE = 60.0  # seconds without a database before a worker gives up
ANY_PRIORITY = -100
TOO_LATE = Verdict("queued", is_attempt=False)


def run(deadline_seconds: float = 30.0) -> int:
    """Send what is due, for about `deadline_seconds` at most; returns how many calls were made.

    Takes nothing new after the deadline, waits for the answers that are out, gives the rest back
    and rings for it. Any number of these may run at once. Sends nothing and returns 0 when this
    database is not the one that belongs to this host.
    """
    try:
        epoch = instance.current()
    except NotTheSameInstance as error:
        log.error("not_the_same_instance", reason=str(error))
        return 0
    return Worker(epoch, time.monotonic() + deadline_seconds).run()


class Worker:
    """One run. Everything in here may be lost at any moment; the ledger says what that means."""

    def __init__(self, epoch: UUID, deadline: float) -> None:
        self.epoch = epoch
        self.deadline = deadline
        self.batches: list[OpenBatch] = []  # in order of priority
        self.lines: dict[UUID, Line] = {}
        self.common: dict[UUID, Common] = {}  # of each dispatch
        self.effects = Effects()
        self.calls = 0
        self.tally: Counter[str] = Counter()  # of the verdicts
        self.is_dry = False  # the last look found nothing
        self.look_at = 0.0
        self.pictures: list[tuple[Line, UUID, Outcome]] = []  # answers to uploads
        self.oldest_result: float | None = None
        self.broken_since: float | None = None

    def run(self) -> int:
        began = time.monotonic()
        try:
            while self.batches or not self.is_dry:
                self._step()
            if time.monotonic() >= self.deadline and due_channels():
                ring()
        except (OperationalError, InterfaceError):
            raise  # its patience is over, and there is nowhere to write to
        except Exception:
            self._save_answers()
            raise
        finally:
            for line in self.lines.values():
                line.close()
            self._tell(time.monotonic() - began)
        return self.calls

    def _save_answers(self) -> None:
        """A mistake of our own: nothing more leaves, and what is out still gets its answers."""
        longest = max((line.call_seconds for line in self.lines.values()), default=0.0)
        until = time.monotonic() + longest
        for batch in self.batches:
            batch.stop()
        try:
            while any(batch.wire for batch in self.batches) and time.monotonic() < until:
                self._poll()
            self._commit()
        except Exception as error:
            log.error("answers_not_saved", error=type(error).__name__)

    def _tell(self, seconds: float) -> None:
        """One line for a run, and nothing about anybody in it."""
        if self.calls:
            told = {"accepted": self.tally["accepted"], "doubts": self.tally["in_doubt"]}
            log.info("engine_ran", calls=self.calls, seconds=round(seconds, 3), **told)

    def _step(self) -> None:
        self._poll()
        try:
            if self.broken_since is not None:
                self._look_around()
            self._take_pictures()
            self._look_for_batches()
            self._stop(self.effects.brake())
            if self._should_commit():
                self._commit()
            self._settle_effects()
            self.broken_since = None
        except (OperationalError, InterfaceError) as error:
            self._database_broke(error)

    def _database_broke(self, error: Exception) -> None:
        """Keep what we know and try again: answers in memory are worth more than a clean exit."""
        log.warning("database_broke", error=type(error).__name__)
        connection.close()
        now = time.monotonic()
        self.broken_since = self.broken_since or now
        if now - self.broken_since > DATABASE_PATIENCE:
            raise error
        time.sleep(DATABASE_WAIT)

    def _look_around(self) -> None:
        """Who comes back may be another: a promoted standby that has lost our last intents.

        The epoch is the same there. Then nothing new is intended; what is known is written down.
        """
        if reason := instance.why_not():
            log.error("not_the_same_instance", reason=reason)
            self.deadline = time.monotonic()

    # --- Batches come ---

    def _look_for_batches(self) -> None:
        now = time.monotonic()
        if now >= self.deadline or is_stopping():
            self.deadline = min(now, self.deadline)
            self.is_dry = True
            for batch in self.batches:
                batch.stop()
            return
        ready = sum(len(batch.ready) for batch in self.batches)
        enough = max((line.pace.window(now) for line in self.lines.values()), default=0)
        if now < self.look_at and (self.is_dry or ready >= enough > 0):
            return
        self.look_at = now + LOOK_SECONDS
        found = [channel for channel in due_channels() if self._claim(channel)]
        # Who has enough to do has asked for replies only, and knows nothing about the rest.
        self.is_dry = not found and (ready < enough or not enough)

    def _claim(self, channel: UUID) -> bool:
        line = self._line(channel)
        if line is None:
            return False
        # Who has enough to do still takes replies.
        waiting = sum(len(batch.ready) for batch in self.batches if batch.channel == channel)
        now = time.monotonic()
        enough = line.pace.window(now)
        least = REPLY_PRIORITY if waiting >= enough else ANY_PRIORITY
        taken = claim(
            channel, want=max(enough, AHEAD), min_priority=least, lease_seconds=line.lease_seconds
        )
        if not taken:
            return False
        for batch in taken:
            batch.line, batch.renew_at = line, now + line.call_seconds / 2
        self.batches += taken
        self.batches.sort(key=lambda batch: (-batch.priority, batch.id))
        try:
            load(taken, self._known(taken))
        except (VaultError, ImproperlyConfigured) as error:
            log.warning("keystore_down", error=type(error).__name__)
            self._give_back(taken, KEYSTORE_WAIT)
        return True

    def _line(self, channel: UUID) -> Line | None:
        """The line to a channel; None for one that cannot be used, which must not stop others."""
        try:
            if channel not in self.lines:
                self.lines[channel] = Line(Channel.objects.get(id=channel))
            return self.lines[channel]
        except (OperationalError, InterfaceError):
            raise
        except KeystoreDown:
            log.warning("keystore_down")  # its secrets wait, as everybody's keys do
            return None
        except Exception as error:
            log.error("channel_broken", channel=str(channel), error=type(error).__name__)
            pause_channel(channel, "auth_config", BROKEN_CHANNEL_WAIT)
            return None

    def _known(self, batches: Iterable[OpenBatch]) -> dict[UUID, Common]:
        """What is the same for everybody of their dispatches."""
        new = {b.dispatch: b.priority for b in batches if b.dispatch not in self.common}
        if new:
            if min(new.values()) < REPLY_PRIORITY:
                forget_plans()  # a broadcast has come, and its rows with it
            found = Dispatch.objects.filter(id__in=new).values_list("id", "values", "content")
            for dispatch, values, content in found:
                self.common[dispatch] = Common(values, bool(content.get("footer")))
        return self.common

    def _give_back(self, batches: list[OpenBatch], wait_seconds: float) -> None:
        with engine_transaction():
            ours = ledger.lock(batches, self.epoch).ours
            held = {batch.id: batch.dispatch for batch in batches if batch.id in ours}
            ledger.close(held, wait_seconds=wait_seconds)
        self.batches = [batch for batch in self.batches if batch not in batches]

    # --- Answers come ---

    def _poll(self) -> None:
        """Gather answers until they are worth a commit, or for a moment at most."""
        busy = [line for line in self.lines.values() if line.transport.in_flight]
        if not busy and self.batches and not self._should_commit():
            time.sleep(POLL_SECONDS)
        until = time.monotonic() + POLL_SECONDS
        gathered = 0
        while busy and gathered < FLUSH_RESULTS and time.monotonic() < until:
            for line in busy:
                gathered += self._poll_line(line, POLL_SECONDS / len(busy))
            busy = [line for line in busy if line.transport.in_flight]

    def _poll_line(self, line: Line, seconds: float) -> int:
        outcomes = line.transport.poll(seconds)
        for key, outcome in outcomes:
            if isinstance(key, Intent | Bulk):
                self._arrived(line, key, outcome)
            elif isinstance(key, UUID):
                self.pictures.append((line, key, outcome))
        return len(outcomes)

    def _arrived(self, line: Line, submission: Submission, outcome: Outcome | Refused) -> None:
        batch, now = submission.batch, time.monotonic()
        echoes = line.adapter.capabilities.attempt_echo
        found = window.answers(line, submission, outcome)
        is_lost = isinstance(outcome, window.NO_ANSWER)
        line.pace.came(submission.flight, len(found), now, is_lost=is_lost)
        for recipient, answer in found:
            del batch.wire[recipient.position]
            verdict = judge(answer, recipient.attempts, echoes_attempts=echoes)
            batch.results.append(Result(recipient, verdict))
            self.effects.note(line, batch, recipient, verdict)
            self.tally[verdict.status] += 1
        self.oldest_result = self.oldest_result or now

    def _take_pictures(self) -> None:
        """One after the other is kept, or kept in mind until the database can take it."""
        while self.pictures:
            self._picture_arrived(*self.pictures[0])
            del self.pictures[0]

    def _picture_arrived(self, line: Line, dispatch: UUID, outcome: Outcome) -> None:
        if isinstance(outcome, window.NO_ANSWER):
            # As with a text that cannot leave: the channel rests, and then it is tried again.
            line.upload_again(dispatch)
            line.has_setbacks = True
            self.effects.channels[line.channel.id] = ("unreachable", None)
            self._stop({dispatch})
        elif not line.uploaded(dispatch, outcome):
            self.effects.dispatches[dispatch] = "picture_refused"

    # --- The commit ---

    def _should_commit(self) -> bool:
        now = time.monotonic()
        if self.oldest_result is not None and now - self.oldest_result >= FLUSH_SECONDS:
            return True
        if sum(len(batch.results) for batch in self.batches) >= FLUSH_RESULTS:
            return True
        # One that is over with its last answer may wait for others' answers, as every answer does.
        for batch in self.batches:
            if now >= batch.renew_at or (batch.is_drained and not batch.results):
                return True
        return window.has_room(self.batches)

    def _commit(self) -> None:
        """Record and intend in one transaction; send only when it has been committed."""
        started = time.monotonic()
        self._testify()
        intents = self._build()
        held = self._concerned(intents)
        if not held:
            return
        try:
            with engine_transaction(pipelined=True):
                facts, gates = ledger.ask(held, self.epoch, intents)
                allowed = self._allow(facts, gates, intents)
                mine = [batch for batch in held if facts.holds(batch)]
                self._record(mine)
                closed, done = self._renew_or_close(facts, mine)
        except (OperationalError, InterfaceError):
            self._undo(intents)
            for batch in held:
                batch.renew_at = 0.0  # what was said of its lease and wire is said again
            raise
        # Nothing that can fail may come between the commit and the calls; and after a very slow
        # commit nothing is sent, because its lease might end before the call does.
        self._submit(allowed, is_late=time.monotonic() - started > lines.LEASE_SLACK / 2)
        for batch in mine:
            batch.results = batch.results[batch.written :]
        self.oldest_result = time.monotonic() if any(b.results for b in self.batches) else None
        self._closed(facts, [batch for batch in held if batch not in mine], closed)
        # Of what we still work on, there is more.
        if done := done - {batch.dispatch for batch in self.batches}:
            finish(done)

    def _concerned(self, intents: list[Intent]) -> list[OpenBatch]:
        """The batches this commit has something to say of; the others keep lease and wire.

        One that waits for a slow answer alone must not be written with each commit of the others.
        """
        now, chosen = time.monotonic(), {intent.batch for intent in intents}
        return [
            batch
            for batch in self.batches
            if not batch.is_fenced
            and (batch in chosen or batch.results or batch.is_drained or now >= batch.renew_at)
        ]

    def _build(self) -> list[Intent]:
        """The requests of those who come next. Who cannot be written to has a result at once."""
        intents = []
        for batch, recipients in window.candidates(self.batches):
            text = batch.line.text(batch.dispatch)
            for recipient in recipients:
                built = window.build(text, batch, recipient)
                if isinstance(built, Intent):
                    intents.append(built)
                else:
                    batch.results.append(Result(recipient, built))
        for line in self.lines.values():
            self.effects.dispatches |= dict.fromkeys(line.unsendable, "auth_config")
            line.unsendable.clear()
        return intents

    def _allow(
        self, facts: ledger.Facts, gates: ledger.Gates, intents: list[Intent]
    ) -> list[Intent]:
        """Who may really be written to; the others wait, or are suppressed, in this very commit."""
        asked = []
        allowed = {batch for batch in self.batches if facts.allow(batch)}
        for intent in intents:
            if intent.batch in allowed:
                asked.append(intent)
            else:
                intent.batch.ready.append(intent.recipient)
        return [intent for intent in asked if self._passes(gates, intent)]

    def _passes(self, gates: ledger.Gates, intent: Intent) -> bool:
        batch, recipient = intent.batch, intent.recipient
        if gates.let(recipient, is_bare=intent.is_bare):
            batch.wire[recipient.position] = recipient
            return True
        if verdict := gates.verdict(recipient, is_bare=intent.is_bare):
            batch.results.append(Result(recipient, verdict))
        else:
            recipient.not_before = time.monotonic() + SHY_SECONDS
            batch.ready.append(recipient)
        return False

    def _record(self, mine: list[OpenBatch]) -> None:
        ledger.record(mine)
        for batch in mine:
            batch.written = len(batch.results)
            add_opt_outs(batch.channel, batch.results)

    def _renew_or_close(
        self, facts: ledger.Facts, mine: list[OpenBatch]
    ) -> tuple[list[OpenBatch], set[UUID]]:
        """The batches that were closed, and the dispatches of which one is done."""
        now = time.monotonic()
        if not facts.is_our_epoch:
            self.deadline = now
        for batch in mine:
            if not facts.allow(batch):
                batch.stop()
        kept = [batch for batch in mine if not batch.is_drained]
        ledger.renew(kept, [batch.line.lease_seconds for batch in kept])
        for batch in kept:
            batch.renew_at = now + batch.line.call_seconds / 2
        drained = [batch for batch in mine if batch.is_drained]
        held = {batch.id: batch.dispatch for batch in drained}
        are_running = facts.running.issuperset(held.values())
        closed = ledger.close(held, are_running=are_running)
        return drained, {dispatch for _, dispatch, status in closed if status == "done"}

    def _undo(self, intents: list[Intent]) -> None:
        """Nothing of this commit is known to be there: whom it would have sent to waits again."""
        for intent in intents:
            batch, recipient = intent.batch, intent.recipient
            batch.wire.pop(recipient.position, None)
            batch.results = [r for r in batch.results if r.recipient is not recipient]
            if recipient not in batch.ready:
                batch.ready.append(recipient)

    def _submit(self, allowed: list[Intent], is_late: bool) -> None:
        if is_late:
            self._take_back(allowed)
            return
        flights: dict[Line, Flight] = {}
        broken: dict[Line, Exception] = {}
        for submission in window.submissions(allowed):
            line = submission.batch.line
            flight = flights.get(line)
            if flight is None:
                flight = flights[line] = line.pace.leaves(time.monotonic())
            submission.flight = flight
            flight.out += submission.messages
            try:
                line.transport.submit(submission, submission.request, line.call_seconds)
                self.calls += 1
            except Exception as error:
                # Its channel's token or URL is such that no request can be made of it.
                broken.setdefault(line, error)
                self._arrived(line, submission, window.UNSENDABLE)
        for line, why in broken.items():
            line.tell_broken(why)

    def _take_back(self, intents: list[Intent]) -> None:
        """Intended and not sent: back into the queue, and nobody is to blame."""
        for intent in intents:
            recipient = intent.batch.wire.pop(intent.recipient.position)
            intent.batch.results.append(Result(recipient, TOO_LATE))

    def _closed(self, facts: ledger.Facts, lost: list[OpenBatch], closed: list[OpenBatch]) -> None:
        """What follows from the commit; all of it can be done again by the sweeper."""
        for batch in lost:
            batch.stop()
            batch.is_fenced = True
        self.batches = [
            batch
            for batch in self.batches
            if batch not in closed and (not batch.is_fenced or batch.wire or batch.results)
        ]
        for dispatch in facts.expired:
            expire(dispatch)

    def _testify(self) -> None:
        """Somebody else has taken over a batch of ours: our late answers are evidence, no more."""
        told = [batch for batch in self.batches if batch.is_fenced and batch.results]
        if told:
            with engine_transaction():
                ledger.testify(told)
                for batch in told:
                    add_opt_outs(batch.channel, batch.results)
            for batch in told:
                batch.results.clear()
        self.batches = [b for b in self.batches if not b.is_fenced or b.wire]

    def _settle_effects(self) -> None:
        effects, self.effects = self.effects, Effects()
        self._stop(effects.settle())

    def _stop(self, dispatches: set[UUID]) -> None:
        for batch in self.batches:
            if batch.dispatch in dispatches:
                batch.stop()
