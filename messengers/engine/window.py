"""The window: whom there is room for next, and what exactly would be sent to them."""

import time
from collections.abc import Iterable, Iterator, Sequence

import structlog

from messengers.contract import (
    Answer,
    Call,
    Lost,
    Message,
    NotSent,
    Outcome,
    Reason,
    Refused,
    RenderError,
    Request,
)
from messengers.engine.lines import Line, Text
from messengers.engine.open_batches import (
    Bulk,
    Intent,
    OpenBatch,
    Recipient,
    Submission,
)
from messengers.engine.outcomes import FOOTER_MISSING, Verdict, token

log = structlog.get_logger("jawort.engine")

NO_ANSWER = (NotSent, Lost)
KNOWN = (*NO_ANSWER, Refused)  # needs no adapter to be understood
FOR_REPLIES = 16  # places of the window that broadcasts leave to replies
REPLY_PRIORITY = 1  # from here on a batch may use them
REFILL = 128  # a broadcast waits until so many places are free, or half of a small window


def has_room(batches: Sequence[OpenBatch]) -> bool:
    """Whether it is worth a commit to look for candidates; asks nobody."""
    now = time.monotonic()
    free = _free(batches, now)
    return any(
        _places(batch, free[batch.line], now) > 0 and batch.line.may_ask(now) for batch in batches
    )


def candidates(batches: Sequence[OpenBatch]) -> Iterator[tuple[OpenBatch, list[Recipient]]]:
    """Take those out of `ready` for whom window and rate have room, in order of priority."""
    now = time.monotonic()
    free = _free(batches, now)
    for batch in batches:
        line = batch.line
        places = _places(batch, free[line], now)
        if places <= 0 or not line.is_ready(batch.dispatch):
            continue
        places = line.take(places, is_reply=batch.priority >= REPLY_PRIORITY)
        free[line] -= places
        yield batch, [batch.ready.popleft() for _ in range(places)]


def _free(batches: Sequence[OpenBatch], now: float) -> dict[Line, int]:
    """The places that are free on each line; replies may use all of them."""
    free: dict[Line, int] = {}
    for batch in batches:
        line = batch.line
        if line not in free:
            free[line] = line.pace.window(now)
        free[line] -= len(batch.wire)
    return free


def _places(batch: OpenBatch, free: int, now: float) -> int:
    """How many of this batch fit in. Small refills wait, so that commits carry something."""
    waiting = len(batch.ready)
    if not waiting or batch.is_fenced or batch.ready[0].not_before > now:
        return 0
    if batch.priority >= REPLY_PRIORITY:
        return min(free, waiting)
    window = batch.line.pace.window(now)
    places = min(free - min(FOR_REPLIES, window // 4), waiting)
    return places if places >= min(waiting, REFILL, window // 2) else 0


def build(text: Text, batch: OpenBatch, recipient: Recipient) -> Intent | Verdict:
    """What would be sent to this person, or why nothing can be."""
    if recipient.problem == "erased":
        return Verdict("suppressed", "erased", is_attempt=False)
    if recipient.problem or text.rendered is None or recipient.values is None:
        return Verdict("failed", recipient.problem or text.problem, is_attempt=False)
    has_footer = recipient.needs_footer and text.is_broadcast
    rendered = text.with_footer if has_footer else text.rendered
    if rendered is None:
        return FOOTER_MISSING
    try:
        message = rendered.fill(recipient.values)
        call = _call(text, batch.line, recipient, message)
    except RenderError as error:
        return Verdict("failed", token(f"render {error.code}"), is_attempt=False)
    except Exception as error:
        # One person's values broke our own code: that must not stop the other 255.
        log.error("render_broke", error=type(error).__name__)
        return Verdict("failed", "render", is_attempt=False)
    return Intent(batch, recipient, call, text.is_broadcast and not has_footer)


def _call(text: Text, line: Line, recipient: Recipient, message: Message) -> Call | Request:
    if line.bulk > 1:
        return Call(recipient.address, message, recipient.attempt)
    prepared = text.prepared or {}
    return line.adapter.request(recipient.address, message, recipient.attempt, prepared)


def submissions(intents: Iterable[Intent]) -> Iterator[Submission]:
    """The calls for these intents: one each, or as many in one as the bulk call takes."""
    together: dict[OpenBatch, list[Intent]] = {}
    for intent in intents:
        if isinstance(intent.call, Call):
            together.setdefault(intent.batch, []).append(intent)
        else:
            yield intent
    for batch, some in together.items():
        for start in range(0, len(some), batch.line.bulk):
            yield Bulk(batch, some[start : start + batch.line.bulk])


def answers(
    line: Line, submission: Submission, outcome: Outcome | Refused
) -> list[tuple[Recipient, Answer | NotSent | Lost]]:
    """Each one's answer, in their order. An adapter that fails leaves it open.

    `Refused` is our own word for a call that could not be made.
    """
    try:
        if isinstance(submission, Intent):
            if isinstance(outcome, KNOWN):
                return [(submission.recipient, outcome)]
            return [(submission.recipient, line.adapter.answer(outcome))]
        recipients = [intent.recipient for intent in submission.intents]
        if isinstance(outcome, KNOWN):
            return [(recipient, outcome) for recipient in recipients]
        found = line.adapter.bulk_answer(outcome, len(recipients))
        return list(zip(recipients, found, strict=True))
    except Exception as error:
        log.error("answer_broke", error=type(error).__name__)
        return answers(line, submission, Lost("answer not understood"))


# What a call gets that could not even be made, by what its channel is told: a broken token or URL.
UNSENDABLE = Refused(Reason.AUTH_CONFIG, "unsendable")
