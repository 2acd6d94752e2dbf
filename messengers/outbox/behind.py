"""Broadcasts behind an open circuit breaker: they wait instead of piling up doubts."""

from collections.abc import Collection
from uuid import UUID

from messengers import breaker
from messengers.outbox.control import pause
from messengers.sql import rows

BEHIND = """
    SELECT d.id FROM messengers_dispatch d
     WHERE d.status = 'running' AND d.kind = 'broadcast'
       AND EXISTS (SELECT 1 FROM messengers_batch b
                    WHERE b.dispatch_id = d.id AND b.channel_id = ANY(%s) AND b.status <> 'done')
     ORDER BY d.id"""


def pause_behind(channels: Collection[UUID]) -> set[UUID]:
    """Pause every broadcast that still has somebody to write to on these channels."""
    behind = [row[0] for row in rows(BEHIND, [list(channels)])] if channels else []
    return {dispatch for dispatch in behind if pause(dispatch, breaker.WHY)}


def pause_newcomers() -> int:
    """Whatever was started behind an open breaker waits, too; how many. May run twice."""
    return len(pause_behind(breaker.open_channels()))
