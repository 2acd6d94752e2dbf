"""What a mail server's reply means for us.

RFC 5321 codes, RFC 3463 enhanced codes, and the habits of the big mailbox providers
(docs/channels/email.md).
"""

from __future__ import annotations

import re

from messengers.contract import Reason, Refused, Scope, SmtpResponse

# First match wins: reply codes, enhanced codes, words in the text (any case).
_RULES: tuple[tuple[str, str, str, Reason, Scope], ...] = (
    # Rates and reputation come first: they look like ordinary temporary errors.
    (r"4\d\d", r"4\.7\.(0|28|500|650)", "", Reason.THROTTLED, "account"),
    (r"4\d\d", "", r"too many|rate limit|TSS04|try again later.*rate", Reason.THROTTLED, "account"),
    (
        r"[45]\d\d",
        r"5\.7\.1|[45]\.7\.(2[6-9]|3[0-2]|509|51[15])",
        "",
        Reason.POLICY_WINDOW,
        "account",
    ),
    (r"5\d\d", "", r"S3150|spam|blocked|block ?list|reputation", Reason.POLICY_WINDOW, "account"),
    (r"53[0458]", "", "", Reason.AUTH_CONFIG, "account"),
    (r"5\d\d", r"5\.7\.(0|8|9|14)", "", Reason.AUTH_CONFIG, "account"),
    (r"50[0-4]|555|523", "", "", Reason.AUTH_CONFIG, "account"),
    (r"5\d\d", r"5\.(3\.4|5\.\d+|6\.[0-6])", "", Reason.AUTH_CONFIG, "account"),
    (r"5\d\d", r"5\.2\.2", "", Reason.TEMPORARY, "recipient"),
    (
        r"5\d\d",
        r"5\.1\.(1|2|3|6|10)|5\.2\.1|5\.4\.4|5\.6\.7",
        "",
        Reason.PERMANENT_RECIPIENT,
        "recipient",
    ),
    (r"55[13]", "", "", Reason.PERMANENT_RECIPIENT, "recipient"),
    (
        r"550",
        "^$",
        r"(user|recipient) unknown|(no such|unknown) (user|recipient)|does not exist|unavailable",
        Reason.PERMANENT_RECIPIENT,
        "recipient",
    ),
    (r"552", "^$", "", Reason.TEMPORARY, "recipient"),
    (r"421", "", "", Reason.TEMPORARY, "account"),
    (r"4\d\d", "", "", Reason.TEMPORARY, "recipient"),
)


def refusal(response: SmtpResponse) -> Refused:
    """The refusal a reply stands for. Its code is the enhanced status, or the reply code."""
    reason, scope = classify(response.code, response.enhanced, response.text)
    return Refused(reason, response.enhanced or f"smtp_{response.code}", None, scope)


def classify(code: int, enhanced: str, text: str) -> tuple[Reason, Scope]:
    """The first rule that matches; `unknown` otherwise, which counts as a soft bounce."""
    for codes, statuses, words, reason, scope in _RULES:
        if not re.fullmatch(codes, str(code)):
            continue
        if statuses and not re.fullmatch(statuses, enhanced):
            continue
        if words and not re.search(words, text, re.IGNORECASE):
            continue
        return reason, scope
    return Reason.UNKNOWN, "recipient"


def bounce_reason(status: str, diagnostic: str) -> Reason:
    """The reason in a delivery status notification: its `Status` and `Diagnostic-Code`."""
    code = re.search(r"\b([245]\d\d)\b", diagnostic)
    family = {"4": 450, "5": 550}.get(status[:1], 0)
    return classify(int(code[1]) if code else family, status, diagnostic)[0]
