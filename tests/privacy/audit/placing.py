"""Numbering entries where others work in the same cluster: their transactions hold ours back."""

import time

from privacy.audit.sequencer import lag, sequence
from privacy.models import Log

SECONDS = 60.0


def place_all(batch: int = 20_000) -> int:
    """Run the sequencer until nothing waits any more; how many audit entries it placed."""
    placed, end = 0, time.monotonic() + SECONDS
    while True:
        placed += sequence(batch=batch)[Log.AUDIT]
        if not any(lag(log)[0] for log in Log):
            return placed
        assert time.monotonic() < end, "something in the cluster keeps a transaction open"
        time.sleep(0.02)
