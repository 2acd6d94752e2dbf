"""The one way out: whatever leaves is a delivery in a batch of a dispatch.

`start` fills a dispatch, `control` pauses and ends it, `counts` tells how far it is, `doubts`
settles what nobody could know. Sending itself is the engine's.
"""

from messengers.outbox.canary import (
    Trial,
    hold_rest,
    release_rest,
    set_aside,
    trial,
    trial_gates,
)
from messengers.outbox.control import (
    cancel,
    expire,
    finish,
    pause,
    reconcile,
    resume,
    retry_failed,
)
from messengers.outbox.counts import BatchView, batches, causes, counts, results_over_time
from messengers.outbox.doubts import (
    Decision,
    Doubt,
    doubts,
    resend_by_policy,
    settle_causes,
    settle_doubt,
)
from messengers.outbox.start import content_hash, owed_a_footer, reply, start_dispatch

__all__ = [
    "BatchView",
    "Decision",
    "Doubt",
    "Trial",
    "batches",
    "cancel",
    "causes",
    "content_hash",
    "counts",
    "doubts",
    "expire",
    "finish",
    "hold_rest",
    "owed_a_footer",
    "pause",
    "reconcile",
    "release_rest",
    "reply",
    "resend_by_policy",
    "results_over_time",
    "resume",
    "retry_failed",
    "set_aside",
    "settle_causes",
    "settle_doubt",
    "start_dispatch",
    "trial",
    "trial_gates",
]
