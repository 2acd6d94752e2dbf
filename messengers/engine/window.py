"""The window: whom there is room for next, and what exactly would be sent to them."""

import time
from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

import structlog

from messengers.attempts import seal_attempt
from messengers.contract import Answer, Call, Lost, NotSent, Outcome, Reason, Refused, RenderError
from messengers.engine.lines import Line
from messengers.engine.open_batches import (
    Intent,
    OpenBatch,
    Recipient,
    Submission,
)
from messengers.engine.outcomes import FOOTER_MISSING, Verdict, token

log = structlog.get_logger("jawort.engine")

FOR_REPLIES = 16  # places of the window that broadcasts leave to replies
REPLY_PRIORITY = 1  # from here on a batch may use them
SMALLEST_REFILL = 4  # a broadcast waits until so much of the window, a quarter, is free

Lines = Mapping[UUID, Line]
Candidate = tuple[Line, OpenBatch, Recipient]


def has_room(lines: Lines, batches: Iterable[OpenBatch]) -> bool:
    """Whether it is worth a commit to look for candidates; asks nobody."""
    now = time.monotonic()
    free = _free(lines, batches)
    return any(
        _places(lines[batch.channel], batch, free[batch.channel], now) > 0
        and lines[batch.channel].may_ask(now)
        for batch in batches
    )


def candidates(lines: Lines, batches: Iterable[OpenBatch]) -> Iterator[Candidate]:
    """Take those out of `ready` for whom window and rate have room, in order of priority."""
    now = time.monotonic()
    batches = list(batches)
    free = _free(lines, batches)
    for batch in batches:
        line = lines[batch.channel]
        places = _places(line, batch, free[batch.channel], now)
        if places <= 0 or not line.is_ready(batch.dispatch):
            continue
        places = line.take(places, is_reply=batch.priority >= REPLY_PRIORITY)
        free[batch.channel] -= places
        for _ in range(places):
            yield line, batch, batch.ready.popleft()


def _free(lines: Lines, batches: Iterable[OpenBatch]) -> dict[UUID, int]:
    free = {channel: line.window for channel, line in lines.items()}
    for batch in batches:
        free[batch.channel] -= len(batch.wire)
    return free


def _places(line: Line, batch: OpenBatch, free: int, now: float) -> int:
    """How many of this batch fit in. Small refills wait, so that commits carry something."""
    waiting = len(batch.ready)
    if not waiting or batch.is_fenced or batch.ready[0].not_before > now:
        return 0
    if batch.priority >= REPLY_PRIORITY:
        return min(free, waiting)
    places = min(free - min(FOR_REPLIES, line.window // 4), waiting)
    return places if places >= min(waiting, line.window // SMALLEST_REFILL) else 0


def build(line: Line, batch: OpenBatch, recipient: Recipient) -> Intent | Verdict:
    """What would be sent to this person, or why nothing can be."""
    if recipient.problem == "erased":
        return Verdict("suppressed", "erased", is_attempt=False)
    text = line.text(batch.dispatch)
    if recipient.problem or text.rendered is None or recipient.values is None:
        return Verdict("failed", recipient.problem or text.problem, is_attempt=False)
    has_footer = recipient.needs_footer and text.is_broadcast
    rendered = text.with_footer if has_footer else text.rendered
    if rendered is None:
        return FOOTER_MISSING
    attempt = seal_attempt(recipient.delivery, batch.token)
    is_bare = text.is_broadcast and not has_footer
    try:
        message = rendered.fill(recipient.values)
        call = Call(recipient.address, message, attempt)
        if line.bulk > 1:
            return Intent(batch, recipient, call, is_bare)
        prepared = text.prepared or {}
        request = line.adapter.request(recipient.address, message, attempt, prepared)
        return Intent(batch, recipient, request, is_bare)
    except RenderError as error:
        return Verdict("failed", token(f"render {error.code}"), is_attempt=False)
    except Exception as error:
        # One person's values broke our own code: that must not stop the other 255.
        log.error("render_broke", error=type(error).__name__)
        return Verdict("failed", "render", is_attempt=False)


def submissions(lines: Lines, intents: Iterable[Intent]) -> Iterator[tuple[Line, Submission]]:
    """The calls for these intents: one each, or as many in one as the bulk call takes."""
    together: dict[int, list[Intent]] = {}
    for intent in intents:
        if isinstance(intent.call, Call):
            together.setdefault(intent.batch.id, []).append(intent)
        else:
            line = lines[intent.batch.channel]
            yield line, Submission(intent.batch, [intent.recipient.position], intent.call)
    for some in together.values():
        line = lines[some[0].batch.channel]
        for start in range(0, len(some), line.bulk):
            yield line, _bulk(line, some[start : start + line.bulk])


def _bulk(line: Line, intents: list[Intent]) -> Submission:
    batch = intents[0].batch
    calls = [intent.call for intent in intents if isinstance(intent.call, Call)]
    prepared = line.text(batch.dispatch).prepared or {}
    request = line.adapter.bulk_request(calls, prepared)
    positions = [intent.recipient.position for intent in intents]
    return Submission(batch, positions, request, is_bulk=True)


def answers(line: Line, submission: Submission, outcome: Outcome) -> list[Answer | NotSent | Lost]:
    """One answer for each position, in their order. An adapter that fails leaves it open."""
    number = len(submission.positions)
    if isinstance(outcome, NotSent | Lost):
        return [outcome] * number
    try:
        if submission.is_bulk:
            return list(line.adapter.bulk_answer(outcome, number))
        return [line.adapter.answer(outcome)]
    except Exception as error:
        log.error("answer_broke", error=type(error).__name__)
        return [Lost("answer not understood")] * number


# What an intent gets whose request could not even be made: a few tries, then failed.
UNSENDABLE = Refused(Reason.UNKNOWN, "unsendable")
