"""The rate of a channel, shared by all workers: one UPDATE by the database's clock.

The generic cell rate algorithm: `theoretical_arrival_at` is the moment up to which the rate has
been spent. It is never further back than the bucket is deep, so that a quiet hour does not save up
a flood. The bucket holds what replies may always have, and one refill on top of it.

What a worker was granted it uses within `GRANT_LIFE` or forgets. So whatever the number of workers,
no second sees more at the provider than

    rate x (1 + REFILL_SECONDS + GRANT_LIFE) + 1 + REPLIES_AT_ONCE

(a slow channel: one message and one reply). A circuit breaker that is open lets replies pass alone
(`messengers.breaker`).
"""

import time
from uuid import UUID

from messengers.sql import rows

# Of the rate saved up at most, beside one message: longer than a worker's slow commit, and than it
# takes until the next one asks.
REFILL_SECONDS = 0.075
# A fast channel spends a little less than its rate: calls that were granted in one second may reach
# the provider in the next one, and there they count.
FAST, SHARE = 100.0, 0.97
REPLIES_AT_ONCE = 16  # messages that replies find at once, at most, however fast the channel
GRANT_LIFE = 0.03  # seconds after which a grant that was not used is forgotten
GRANT_PAUSE = 0.02  # seconds before a rate that is used up is asked again
PROBE_RATE = 5.0  # messages per second after a setback, until one of them is accepted
PROBE_EVERY = 2.0  # seconds between two messages of a broadcast through a half-open breaker

# The row is locked before the clock is read. `spent` is the moment up to which the rate is used up,
# `kept` what only replies may take, `free` what may go now. Needs no durable commit: a crash can
# only lose what was granted to the crashed. No key changes, so that foreign keys need not wait.
GRANT = f"""
WITH channel AS MATERIALIZED (
    SELECT id, theoretical_arrival_at AS spent,
           setbacks > 0 AS has_setbacks, doubts_in_a_row > 0 OR breaker <> 'closed' AS has_doubts,
           NOT %(is_reply)s AND breaker = 'half_open' AS is_probe, breaker_until,
           CASE WHEN %(is_reply)s OR breaker = 'closed' THEN %(want)s
                WHEN breaker = 'half_open' THEN 1 ELSE 0 END AS want,
           CASE WHEN setbacks > 0 THEN least(rate_per_second, {PROBE_RATE})
                WHEN rate_per_second >= {FAST} THEN rate_per_second * {SHARE}
                ELSE rate_per_second END AS rate,
           CASE WHEN reply_reserve <= 0 THEN 0.0
                WHEN setbacks > 0 THEN 1.0
                ELSE greatest(1.0, least({REPLIES_AT_ONCE}, rate_per_second * reply_reserve))
                END AS kept
      FROM messengers_channel
     WHERE id = %(channel)s AND status = 'active' AND rate_per_second > 0 FOR NO KEY UPDATE
), clock AS MATERIALIZED (
    SELECT channel.*, kept + 1.0 + rate * {REFILL_SECONDS} AS depth,
           clock_timestamp() AS now FROM channel
), bucket AS MATERIALIZED (
    SELECT id, rate, kept, has_setbacks, has_doubts, is_probe, now,
           CASE WHEN is_probe AND breaker_until > now THEN 0 ELSE want END AS want,
           -- Nobody spends ahead: what lies there was written before the clock was set back.
           greatest(coalesce(CASE WHEN spent < now + interval '1 s' THEN spent END, '-infinity'),
                    now - make_interval(secs => depth / rate)) AS spent
      FROM clock
), allowed AS MATERIALIZED (
    SELECT id, rate, spent, has_setbacks, has_doubts, is_probe, now,
           least(want, floor(extract(epoch FROM now - spent) * rate
                 - CASE WHEN %(is_reply)s THEN 0 ELSE kept END + 1e-3))::int AS free,
           set_config('synchronous_commit', 'off', true)
      FROM bucket
), taken AS (
    UPDATE messengers_channel AS c
       SET theoretical_arrival_at =
               allowed.spent + make_interval(secs => allowed.free / allowed.rate),
           breaker_until = CASE WHEN allowed.is_probe
                                THEN allowed.now + make_interval(secs => {PROBE_EVERY})
                                ELSE c.breaker_until END
      FROM allowed WHERE c.id = allowed.id AND allowed.free > 0
)
SELECT greatest(free, 0), has_setbacks, has_doubts FROM allowed"""


def grant(channel_id: UUID, want: int, *, is_reply: bool = False) -> int:
    """How many of `want` messages may go now; the rest may ask again."""
    return _ask(channel_id, want, is_reply=is_reply)[0]


def _ask(channel_id: UUID, want: int, *, is_reply: bool) -> tuple[int, bool, bool]:
    """(how many may go, whether the channel has had setbacks, whether it has lost answers)."""
    asked = {"channel": channel_id, "want": want, "is_reply": is_reply}
    found = rows(GRANT, asked, prepare=True)
    return (int(found[0][0]), found[0][1], found[0][2]) if found else (0, False, False)


class Allowance:
    """One worker's share of a channel's rate. Not shared between threads.

    A worker that needs many at a time asks for as many as it used up within `GRANT_LIFE` before, so
    that a fast channel's row is not asked for each commit and a slow one's rate is not hoarded.
    """

    def __init__(self, channel_id: UUID) -> None:
        self.channel_id = channel_id
        # As the channel's row said last: an acceptance would be news to it.
        self.has_setbacks = self.has_doubts = False
        self._held = 0
        self._asked_at = 0.0
        self._used = 0  # since then
        self._refused_at = {False: -GRANT_PAUSE, True: -GRANT_PAUSE}  # replies or not -> when

    def may_ask(self, now: float) -> bool:
        """Whether there is a grant, or it makes sense to ask for one again."""
        return self._held > 0 or now - min(self._refused_at.values()) >= GRANT_PAUSE

    def take(self, want: int, *, is_reply: bool) -> int:
        """How many of `want` may go now; they are used up."""
        now = time.monotonic()
        if now - self._asked_at > GRANT_LIFE:
            self._held = 0
        if self._held < want and now - self._refused_at[is_reply] >= GRANT_PAUSE:
            self._ask(want, is_reply, now)
        taken = min(want, self._held)
        self._held -= taken
        self._used += taken
        return taken

    def _ask(self, want: int, is_reply: bool, now: float) -> None:
        """Ask for what is missing. Whatever was held is used before what comes now."""
        missing = want - self._held
        want = max(missing, 0 if is_reply else self._pace(now))
        got, self.has_setbacks, self.has_doubts = _ask(self.channel_id, want, is_reply=is_reply)
        self._held += got
        self._asked_at, self._used = now, 0
        if got < missing:
            self._refused_at[is_reply] = now

    def _pace(self, now: float) -> int:
        """How many this worker would use up within the life of a grant, at the pace of before."""
        elapsed = max(now - self._asked_at, 1e-6)
        return int(self._used * min(2.0, GRANT_LIFE / elapsed))
