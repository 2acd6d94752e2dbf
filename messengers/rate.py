"""The rate of a channel, shared by all workers: one UPDATE by the database's clock.

The generic cell rate algorithm: `theoretical_arrival_at` is the moment up to which the rate has
been spent. It is never further back than the bucket is deep, one second's worth, so that a quiet
hour does not save up a flood. Broadcasts leave a share of the bucket to replies.
"""

from uuid import UUID

from django.db import transaction

from messengers.sql import rows, run

# The row is locked before the clock is read. `spent` is the moment up to which the rate is used up,
# `free` the messages that may go now. A bucket always holds at least one message and the reserve.
GRANT = """
WITH channel AS MATERIALIZED (
    SELECT id, rate_per_second AS rate, reply_reserve AS reserve, theoretical_arrival_at AS spent,
           greatest(1.0, 1.0 / rate_per_second + reply_reserve) AS depth
      FROM messengers_channel
     WHERE id = %(channel)s AND status = 'active' AND rate_per_second > 0 FOR UPDATE
), clock AS MATERIALIZED (
    SELECT channel.*, clock_timestamp() AS now FROM channel
), bucket AS MATERIALIZED (
    SELECT id, rate, reserve,
           greatest(coalesce(spent, '-infinity'), now - make_interval(secs => depth)) AS spent, now
      FROM clock
), allowed AS MATERIALIZED (
    SELECT id, rate, spent,
           least(%(want)s, floor(extract(epoch FROM now - spent) * rate
                 - CASE WHEN %(is_reply)s THEN 0 ELSE reserve * rate END + 1e-6))::int AS free
      FROM bucket
)
UPDATE messengers_channel AS c
   SET theoretical_arrival_at = allowed.spent + make_interval(secs => allowed.free / allowed.rate)
  FROM allowed WHERE c.id = allowed.id AND allowed.free > 0
RETURNING allowed.free"""


def grant(channel_id: UUID, want: int, *, is_reply: bool = False) -> int:
    """How many of `want` messages may go now; the rest may ask again.

    Needs no durable commit: a crash can only lose what was granted to the crashed.
    """
    with transaction.atomic():
        run("SET LOCAL synchronous_commit TO off")
        found = rows(GRANT, {"channel": channel_id, "want": want, "is_reply": is_reply})
    return int(found[0][0]) if found else 0
