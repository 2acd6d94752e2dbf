"""Everything that changes a broadcast: one function for one verb."""

from broadcasts.actions.rehearse import forget_test_addresses, test_to_self
from broadcasts.actions.rules import change_rules, choose_on_doubt
from broadcasts.actions.start import start
from broadcasts.actions.steer import (
    cancel,
    end_trial,
    expire,
    follow_dispatches,
    go_on_after_breakers,
    keep_quiet_hours,
    pause,
    resend_doubts,
    resume,
    retry_failed,
    settle_doubt,
    settle_doubts,
)
from broadcasts.actions.timing import fire_due, schedule, unschedule
from broadcasts.actions.trial import judge_trials
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
    "change_rules",
    "choose_on_doubt",
    "create_broadcast",
    "delete_draft",
    "duplicate_broadcast",
    "edit_broadcast",
    "end_trial",
    "expire",
    "fire_due",
    "follow_dispatches",
    "forget_test_addresses",
    "forget_unused_pictures",
    "go_on_after_breakers",
    "judge_trials",
    "keep_quiet_hours",
    "pause",
    "resend_doubts",
    "resume",
    "retry_failed",
    "schedule",
    "settle_doubt",
    "settle_doubts",
    "start",
    "test_to_self",
    "unschedule",
]
