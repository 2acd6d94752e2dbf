"""Everything that changes a broadcast: one function for one verb."""

from broadcasts.actions.rehearse import forget_test_addresses, test_to_self
from broadcasts.actions.start import start
from broadcasts.actions.steer import (
    cancel,
    expire,
    follow_dispatches,
    keep_quiet_hours,
    pause,
    resume,
    retry_failed,
    settle_doubt,
)
from broadcasts.actions.timing import fire_due, schedule, unschedule
from broadcasts.actions.write import (
    add_picture,
    create_broadcast,
    delete_draft,
    duplicate_broadcast,
    edit_broadcast,
    forget_unused_pictures,
)

__all__ = [
    "add_picture",
    "cancel",
    "create_broadcast",
    "delete_draft",
    "duplicate_broadcast",
    "edit_broadcast",
    "expire",
    "fire_due",
    "follow_dispatches",
    "forget_test_addresses",
    "forget_unused_pictures",
    "keep_quiet_hours",
    "pause",
    "resume",
    "retry_failed",
    "schedule",
    "settle_doubt",
    "start",
    "test_to_self",
    "unschedule",
]
