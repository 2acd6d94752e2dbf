"""Per messenger: an account, what its provider answers, and what its hooks bring.

The files beside this one are bodies as they came over the wire; here stands what they mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from messengers.contract import (
    Accepted,
    Account,
    HttpResponse,
    InDoubt,
    OptOutEvent,
    ReceiptEvent,
    Refused,
    Response,
    SmtpResponse,
    TextEvent,
)
from tests.standins.http_provider import TOKEN

FOLDER = Path(__file__).parent
SECRET = "hook-secret-0123456789"
PASSWORD = "smtp-password-0123456789"


@dataclass(frozen=True)
class Case:
    """What the contract test needs to know of one messenger."""

    kind: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, str]
    address: str
    spellings: Sequence[tuple[str, str]]
    not_addresses: Sequence[str]
    # (what came back, what it means); a Refused is compared by reason, code, wait and scope
    answers: Sequence[tuple[Response, object]]
    # file name -> the fields that matter of the events in it
    hooks: Mapping[str, list[dict[str, Any]]]
    unreadable: Sequence[bytes] = ()
    prepared: Mapping[str, Any] = field(default_factory=dict)

    def account(self, **settings: Any) -> Account:
        return Account(
            id=UUID("018f0000-0000-7000-8000-000000000001"),
            kind=self.kind,
            settings={**self.settings, **settings},
            secrets=self.secrets,
            origin="https://news.example.org",
            name="Stadtanzeiger",
        )

    def payload(self, name: str) -> bytes:
        return (FOLDER / self.kind / name).read_bytes()


def http(status: int, body: bytes = b"", **headers: str) -> HttpResponse:
    return HttpResponse(status, {k.replace("_", "-"): v for k, v in headers.items()}, body)


def error(code: str) -> bytes:
    return f'{{"error": {{"code": "{code}", "message": "x"}}}}'.encode()


def refused(reason: str, code: str, wait: float | None = None, scope: str = "recipient") -> object:
    return Refused(reason, code, wait, scope)  # type: ignore[arg-type]


def smtp(code: int, text: str = "") -> SmtpResponse:
    enhanced = text.split(" ")[0] if text[:1] in ("2", "4", "5") and "." in text else ""
    return SmtpResponse(code, enhanced, text, "<a1@stadtanzeiger.example>")


ANNA = "anna@example.net"
ATTEMPT = "abc123def456"

SIMULATOR = Case(
    kind="simulator",
    settings={"number": "+4917604069000", "region": "DE"},
    secrets={"token": TOKEN, "hook_secret": SECRET},
    address="+4917604069001",
    spellings=[
        ("+49 176 04069001", "+4917604069001"),
        ("0176 0406-9001", "+4917604069001"),
        ("0049 (0)176 04069001", "+4917604069001"),
        ("+43 664 1234567", "+436641234567"),
    ],
    not_addresses=[
        "",
        "Ada",
        "12",
        "+49",
        "+49 30 keine Ahnung",
        "+4917604069001234567",
        "anna@example.net",
    ],
    answers=[
        (http(201, b'{"id": "sim-1"}'), Accepted("sim-1")),
        (http(201, b"{}"), InDoubt("accepted without an id")),
        (http(200, b"<html>"), InDoubt("accepted without an id")),
        (http(201, b"[" * 100_000), InDoubt("accepted without an id")),
        (http(403, error("blocked")), refused("opted_out", "blocked")),
        (
            http(404, error("unknown_recipient")),
            refused("permanent_recipient", "unknown_recipient"),
        ),
        (http(403, error("window_closed")), refused("policy_window", "window_closed")),
        (
            http(429, error("too_many"), retry_after="7"),
            refused("throttled", "too_many", 7.0, "account"),
        ),
        (http(429, b"", retry_after="soon"), refused("throttled", "http_429", None, "account")),
        (http(401, error("bad_token")), refused("auth_config", "bad_token", None, "account")),
        (http(413, error("too_large")), refused("auth_config", "too_large", None, "account")),
        (http(413), refused("auth_config", "http_413", None, "account")),
        (http(404, b"<html>no such page"), refused("auth_config", "http_404", None, "account")),
        (http(503, error("unavailable")), refused("temporary", "unavailable", None, "account")),
        (http(503), refused("temporary", "http_503", None, "account")),
        (http(500, b"oops"), InDoubt("http 500")),
        (http(502), InDoubt("http 502")),
        (http(504), InDoubt("http 504")),
        (http(302, b"", location="/x"), refused("unknown", "http_302")),
        (http(418, error("teapot")), refused("unknown", "http_418")),
        (SmtpResponse(250), InDoubt("not an HTTP answer")),
    ],
    hooks={
        "text.json": [{"type": TextEvent, "sender": "+4917604069001", "text": "START"}],
        "button.json": [
            {
                "type": TextEvent,
                "text": "Ja, gern",
                "payload": "yes",
                "reply_to": "sim-0123456789abcdef01234567",
            }
        ],
        "receipts.json": [
            {"type": ReceiptEvent, "status": "delivered", "attempt": "attempt1", "reason": None},
            {"type": ReceiptEvent, "status": "read", "provider_id": "sim-0123"},
            {"type": ReceiptEvent, "status": "undelivered", "reason": "permanent_recipient"},
        ],
        "blocked.json": [{"type": OptOutEvent, "sender": "+4917604069001", "cause": "blocked"}],
        "strange.json": [],
    },
    unreadable=[b"", b"x", b"[]", b"{}", b'{"events": 5}', b'"events"', b"[" * 5000, b"\xff\xfe"],
    prepared={"media": "media-1"},
)

EMAIL = Case(
    kind="email",
    settings={
        "from_address": "news@stadtanzeiger.example",
        "from_name": "Stadtanzeiger Köln",
        "reply_to": "antwort@stadtanzeiger.example",
        "bounce_domain": "bounces.stadtanzeiger.example",
        "imprint": "Stadtanzeiger Verlag GmbH",
        "host": "127.0.0.1",
        "port": "8025",
        "security": "plain",
    },
    secrets={"password": PASSWORD, "hook_secret": SECRET},
    address=ANNA,
    spellings=[
        ("Anna@Example.NET", ANNA),
        ("  anna@example.net. ", ANNA),
        ("Anna+News@example.net", "anna+news@example.net"),
        ("jürgen@Straße.DE", "jürgen@xn--strae-oqa.de"),
        ("a.b@MÜNCHEN.example", "a.b@xn--mnchen-3ya.example"),
    ],
    not_addresses=[
        "",
        "anna",
        "anna@",
        "@example.net",
        "anna@localhost",
        "a b@example.net",
        "a@b@c.de",
        "anna@example..net",
        "anna@-example.net",
        "a@1.2.3.4",
        ".a@example.net",
        "a..b@example.net",
        "anna@exa mple.net",
        "anna@example.net\r\nBcc: x@y.de",
        '"a b"@example.net',
        "x" * 65 + "@example.net",
        "anna@" + "x" * 64 + ".net",
        "<anna@example.net>",
    ],
    answers=[
        (smtp(250, "2.0.0 queued as 4X"), Accepted("<a1@stadtanzeiger.example>")),
        (smtp(550, "5.1.1 no such user"), refused("permanent_recipient", "5.1.1")),
        (smtp(550, "User unknown"), refused("permanent_recipient", "smtp_550")),
        (smtp(550, "5.1.10 null MX"), refused("permanent_recipient", "5.1.10")),
        (smtp(550, "5.2.1 disabled"), refused("permanent_recipient", "5.2.1")),
        (smtp(552, "5.2.2 mailbox full"), refused("temporary", "5.2.2")),
        (smtp(452, "4.2.2 mailbox full"), refused("temporary", "4.2.2")),
        (smtp(451, "4.7.1 greylisted"), refused("temporary", "4.7.1")),
        (smtp(421, "try later"), refused("temporary", "smtp_421", None, "account")),
        (smtp(421, "4.7.28 rate"), refused("throttled", "4.7.28", None, "account")),
        (smtp(421, "4.7.0 [TSS04] deferred"), refused("throttled", "4.7.0", None, "account")),
        (smtp(451, "too many messages"), refused("throttled", "smtp_451", None, "account")),
        (smtp(550, "5.7.1 spam"), refused("policy_window", "5.7.1", None, "account")),
        (smtp(550, "5.7.26 no alignment"), refused("policy_window", "5.7.26", None, "account")),
        (smtp(550, "5.7.515 denied"), refused("policy_window", "5.7.515", None, "account")),
        (smtp(554, "bad reputation"), refused("policy_window", "smtp_554", None, "account")),
        (smtp(535, "5.7.8 bad password"), refused("auth_config", "5.7.8", None, "account")),
        (smtp(530, "5.7.0 sign in first"), refused("auth_config", "5.7.0", None, "account")),
        (smtp(552, "5.3.4 too big"), refused("auth_config", "5.3.4", None, "account")),
        (smtp(501, "5.5.4 syntax"), refused("auth_config", "5.5.4", None, "account")),
        (smtp(553, "5.6.7 needs SMTPUTF8"), refused("permanent_recipient", "5.6.7")),
        (smtp(550, "no"), refused("unknown", "smtp_550")),
        (smtp(554, "no"), refused("unknown", "smtp_554")),
        (http(200, b"{}"), InDoubt("not an SMTP answer")),
    ],
    hooks={
        "reply_stop_de.eml": [
            {
                "type": TextEvent,
                "sender": ANNA,
                "name": "Anna Müller",
                "text": "STOP",
                "attempt": ATTEMPT,
                "reply_to": f"<{ATTEMPT}@stadtanzeiger.example>",
            }
        ],
        "reply_outlook_de.eml": [
            {
                "type": TextEvent,
                "sender": ANNA,
                "text": "Bitte schicken Sie mir nichts mehr. Schöne Grüße\nAnna Müller",
                "attempt": "",
            }
        ],
        "reply_gmail_en.eml": [{"type": TextEvent, "text": "Please unsubscribe me."}],
        "subject_only.eml": [{"type": TextEvent, "text": "Abmelden"}],
        "html_only.eml": [{"type": TextEvent, "text": "Nein & danke"}],
        "button.eml": [{"type": TextEvent, "text": "Ja, gern", "payload": "yes-1"}],
        "unsubscribe.eml": [
            {"type": OptOutEvent, "sender": ANNA, "cause": "unsubscribed", "attempt": ATTEMPT}
        ],
        "out_of_office.eml": [],
        "bounce_hard.eml": [
            {
                "type": ReceiptEvent,
                "status": "undelivered",
                "reason": "permanent_recipient",
                "attempt": ATTEMPT,
                "code": "5.1.1",
            }
        ],
        "bounce_soft.eml": [{"type": ReceiptEvent, "status": "undelivered", "reason": "temporary"}],
        "bounce_spam.eml": [
            {"type": ReceiptEvent, "status": "undelivered", "reason": "policy_window"}
        ],
        "bounce_delayed.eml": [],
        "bounce_by_message_id.eml": [{"type": ReceiptEvent, "attempt": ATTEMPT}],
        "bounce_forged.eml": [],
        "complaint.eml": [
            {"type": OptOutEvent, "sender": ANNA, "cause": "complaint", "attempt": ATTEMPT}
        ],
        "stranger.eml": [],
    },
    unreadable=[b"", b"\r\n\r\nno header"],
    prepared={"image": b"\x89PNG\r\n\x1a\n"},
)

CASES = {case.kind: case for case in (SIMULATOR, EMAIL)}
