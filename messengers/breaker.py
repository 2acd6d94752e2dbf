"""The circuit breaker of a channel: too many lost answers, and broadcasts wait there.

What nobody can know about cannot be taken back, so a messenger that loses answers is asked for no
more of them. The state stands on the channel's row and is shared by all workers; `messengers.rate`
keeps to it when it grants: an open breaker lets replies pass and nothing else, a half-open one a
message of a broadcast now and then. When some of these were answered it closes; one more doubt
opens it again, for longer. When the broadcast with which it is tried has nobody left, or was
stopped, another one goes on with it.
"""

from collections.abc import Iterable
from uuid import UUID

import structlog

from messengers.models import Channel
from messengers.sql import rows

log = structlog.get_logger("jawort.breaker")

DOUBTS = 20  # in a minute, or in a row without an acceptance: then it opens
FIRST_REST = 300.0  # seconds until an open one is tried; doubled each time it opens again
LONGEST_REST = 3600.0
PROBES = 5  # answers without a doubt between them that close a half-open one
ABANDONED = 60.0  # seconds without a probe after which nobody tries a half-open one any more
WHY = "too_many_doubts"  # of a broadcast that waits because of it

NOTE = """
    WITH before AS (
        SELECT id, breaker, breaker_opens,
               CASE WHEN %(answered)s > 0 THEN %(in_a_row)s ELSE doubts_in_a_row + %(in_a_row)s END
                   AS in_a_row,
               (doubt_times || array_fill(clock_timestamp(), ARRAY[least(%(doubts)s, %(limit)s)]))
                   AS times,
               greatest(probes_left - %(answered)s, 0) AS left_over
          FROM messengers_channel WHERE id = %(channel)s FOR NO KEY UPDATE
    ), judged AS (
        SELECT *, breaker = 'half_open' AND %(doubts)s > 0
                  OR breaker = 'closed' AND (in_a_row >= %(limit)s
                     OR cardinality(times) >= %(limit)s
                        AND times[cardinality(times) - %(limit)s + 1]
                            > clock_timestamp() - interval '1 minute') AS opens,
               breaker = 'half_open' AND %(doubts)s = 0 AND left_over = 0 AS closes
          FROM before
    ), noted AS (
        UPDATE messengers_channel c
           SET breaker = CASE WHEN opens THEN 'open' WHEN closes THEN 'closed'
                              ELSE j.breaker END,
               breaker_until = CASE WHEN opens THEN clock_timestamp() + make_interval(secs =>
                                        least(%(longest)s, %(first)s * power(2, j.breaker_opens)))
                                    WHEN closes THEN NULL ELSE c.breaker_until END,
               breaker_opens = CASE WHEN opens THEN least(j.breaker_opens + 1, 16)
                                    WHEN closes THEN 0 ELSE j.breaker_opens END,
               doubts_in_a_row = CASE WHEN opens OR closes THEN 0 ELSE in_a_row END,
               doubt_times = CASE WHEN opens OR closes THEN '{}'
                             ELSE times[greatest(1, cardinality(times) - %(limit)s + 1):] END,
               probes_left = CASE WHEN opens THEN 0 ELSE left_over END
          FROM judged j WHERE c.id = j.id
    )
    SELECT opens, closes FROM judged"""
# Each probe through a half-open one moves `breaker_until` a little ahead (`messengers.rate`).
IS_ABANDONED = f"""
    breaker = 'half_open'
    AND breaker_until <= clock_timestamp() - make_interval(secs => {ABANDONED})"""
CHANNELS = f"""
    SELECT DISTINCT c.id, breaker = 'open' AND breaker_until <= clock_timestamp() OR {IS_ABANDONED}
      FROM messengers_batch b JOIN messengers_channel c ON c.id = b.channel_id
     WHERE b.dispatch_id = %s AND b.status <> 'done' AND breaker <> 'closed'"""
# What was answered before it was abandoned still counts.
TRY = f"""
    UPDATE messengers_channel
       SET breaker = 'half_open', breaker_until = clock_timestamp(),
           probes_left = CASE breaker WHEN 'open' THEN %s ELSE probes_left END
     WHERE id = ANY(%s) AND (breaker = 'open' OR {IS_ABANDONED}) RETURNING id, probes_left"""


def note(channel: UUID, *, doubts: int, in_a_row: int, answered: int) -> bool:
    """Count lost answers and answers of a channel; whether that has opened its breaker.

    `in_a_row` are the doubts after the last of `answered`.
    """
    given = {"channel": channel, "doubts": doubts, "in_a_row": in_a_row, "answered": answered}
    limits = {"limit": DOUBTS, "first": FIRST_REST, "longest": LONGEST_REST}
    found = rows(NOTE, given | limits)
    opens, closes = found[0] if found else (False, False)
    if opens:
        log.error("circuit_opened", channel=str(channel), doubts=doubts)
    if closes:
        log.info("circuit_closed", channel=str(channel))
    return bool(opens)


def may_go_on(dispatch_id: UUID) -> bool:
    """Whether a broadcast that waits behind breakers may go on by itself.

    When the time has come, the first that asks becomes the one with which the channel is tried;
    others wait for the outcome, or until nobody tries it any more.
    """
    found = rows(CHANNELS, [dispatch_id])
    if not all(is_due for _, is_due in found):
        return False
    return not found or bool(try_now([channel for channel, _ in found]))


def try_now(channels: Iterable[UUID]) -> list[UUID]:
    """Let a few messages through where a breaker is open, or nobody tries it; where that was so."""
    tried = rows(TRY, [PROBES, list(channels)])
    for channel, probes in tried:
        log.info("circuit_probing", channel=str(channel), probes=probes)
    return [channel for channel, _ in tried]


def channels_behind(dispatch_id: UUID) -> list[UUID]:
    """The channels of a broadcast whose breaker is not closed."""
    return [row[0] for row in rows(CHANNELS, [dispatch_id])]


def open_channels() -> list[UUID]:
    """Where broadcasts wait."""
    is_open = Channel.objects.filter(breaker=Channel.Breaker.OPEN)
    return list(is_open.values_list("id", flat=True))
