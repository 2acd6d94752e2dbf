"""Everything that changes who gets what. Each verb is one transaction with its audit entry."""

from subscriptions.actions.inbox import answer_reply, keep_reply, mark_handled, read_reply
from subscriptions.actions.newsletters import (
    add_channel,
    add_keyword,
    add_topic,
    change_newsletter,
    create_newsletter,
    delete_segment,
    remove_channel,
    remove_keyword,
    remove_topic,
    save_segment,
)
from subscriptions.actions.offers import close_form, create_form, decide_form
from subscriptions.actions.opt_in import (
    ask_by_form,
    confirm_opt_in,
    declare_age,
    decline_opt_in,
    request_opt_in,
)
from subscriptions.actions.proposals import submit_text
from subscriptions.actions.start_tokens import issue_start_token, redeem_start_token
from subscriptions.actions.topics import set_language, set_topics, toggle_topic
from subscriptions.actions.withdrawal import close_by_platform, lapse, object_to, withdraw
from subscriptions.actions.wordings import (
    default_notice,
    default_template,
    publish_defaults,
    publish_notice,
    publish_wording,
    wording_problems,
)

__all__ = [
    "add_channel",
    "add_keyword",
    "add_topic",
    "answer_reply",
    "ask_by_form",
    "change_newsletter",
    "close_by_platform",
    "close_form",
    "confirm_opt_in",
    "create_form",
    "create_newsletter",
    "decide_form",
    "declare_age",
    "decline_opt_in",
    "default_notice",
    "default_template",
    "delete_segment",
    "issue_start_token",
    "keep_reply",
    "lapse",
    "mark_handled",
    "object_to",
    "publish_defaults",
    "publish_notice",
    "publish_wording",
    "read_reply",
    "redeem_start_token",
    "remove_channel",
    "remove_keyword",
    "remove_topic",
    "request_opt_in",
    "save_segment",
    "set_language",
    "set_topics",
    "submit_text",
    "toggle_topic",
    "withdraw",
    "wording_problems",
]
