"""A mail server on loopback with scripted refusals; keeps or logs what it accepted.

The local part of a recipient says what happens (`unknown@…` is refused, `full@…` deferred),
`Script` what happens to connections. As a process of its own it logs a line for each mail:

    python -m tests.standins.smtp_server --log accepted.jsonl
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

REFUSALS = {
    "unknown": "550 5.1.1 no such user here",
    "full": "452 4.2.2 mailbox full",
    "grey": "451 4.7.1 greylisted, try again later",
    "spam": "550 5.7.1 message refused for policy reasons",
    "fast": "421 4.7.28 rate limit exceeded",
}
USER, PASSWORD = "jawort", "geheim-geheim"


@dataclass
class Script:
    """What goes wrong. `drop_after_data`: the line breaks instead of the last answer."""

    drop_after_data: bool = False
    drop_on_mail: int = 0  # break at the n-th MAIL command of the server, counted from 1
    delay_data: float = 0.0  # seconds before the last answer
    data_reply: str = ""  # answer to the final dot instead of 250
    noise: str = ""  # a line before the next answer to a final dot, as a broken proxy adds it


@dataclass
class Accepted:
    mail_from: str
    rcpt: str
    data: bytes = field(repr=False)
    options: list[str] = field(default_factory=list)

    @property
    def mail(self) -> EmailMessage:
        mail = message_from_bytes(self.data, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        return mail


class Handler:
    """Accepts or refuses as the script and the recipient say."""

    def __init__(self, script: Script, log: Path | None = None) -> None:
        self.script = script
        self.accepted: list[Accepted] = []
        self.connections = 0
        self.mails = 0
        self.log = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600) if log else -1

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, host: str, responses: list[str]
    ) -> list[str]:
        session.host_name = host
        self.connections += 1
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.mails += 1
        if self.mails == self.script.drop_on_mail:
            _break(server)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 ok"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = REFUSALS.get(address.partition("@")[0])
        if refusal:
            return refusal
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.script.data_reply:
            return self.script.data_reply
        mail = Accepted(
            envelope.mail_from or "",
            envelope.rcpt_tos[0],
            envelope.original_content or b"",
            [*envelope.mail_options, *envelope.rcpt_options],
        )
        if self.log >= 0:
            entry = {"to": mail.rcpt, "attempt": mail.mail_from.partition("@")[0][2:]}
            os.write(self.log, json.dumps(entry).encode() + b"\n")
        else:
            self.accepted.append(mail)
        if self.script.drop_after_data:
            _break(server)
        if self.script.delay_data:
            await asyncio.sleep(self.script.delay_data)
        noise, self.script.noise = self.script.noise, ""
        return (f"{noise}\r\n" if noise else "") + "250 2.0.0 queued as STANDIN1"


def _break(server: SMTP) -> None:
    """Cut the line without a word."""
    transport = server.transport
    assert isinstance(transport, asyncio.Transport)
    transport.abort()


def _knows(user: str, password: str) -> Callable[..., AuthResult]:
    """Takes this one person in; both words are UTF-8, as RFC 4616 has it."""
    right = LoginPassword(user.encode(), password.encode())

    def authenticate(
        server: object, session: object, envelope: object, mechanism: str, data: object
    ) -> AuthResult:
        return AuthResult(success=data == right, handled=False)

    return authenticate


@contextlib.contextmanager
def running(
    script: Script | None = None,
    *,
    log: Path | None = None,
    port: int = 0,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    auth: bool = False,
    user: str = USER,
    password: str = PASSWORD,
    no_auth_by: tuple[str, ...] = (),
    smtputf8: bool = True,
) -> Iterator[tuple[Handler, int]]:
    """The server in a thread of this process; gives its handler and port."""
    handler = Handler(script or Script(), log)
    controller = Controller(
        handler,
        hostname="127.0.0.1",
        port=port or _free_port(),
        ssl_context=tls,
        tls_context=starttls,
        require_starttls=bool(starttls),
        authenticator=_knows(user, password) if auth else None,
        auth_exclude_mechanism=no_auth_by,
        auth_required=auth,
        auth_require_tls=False,
        enable_SMTPUTF8=smtputf8,
    )
    controller.start()
    try:
        yield handler, controller.port
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    with running(log=options.log, port=options.port) as (_handler, port):
        print(port, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    main()
