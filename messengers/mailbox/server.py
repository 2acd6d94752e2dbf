"""The receiving mail server of the demo: on the loopback alone, it takes everything."""

from __future__ import annotations

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from messengers.mailbox import store

HOST = "127.0.0.1"
PRUNE_EVERY = 100  # mails


class Keeper:
    """Keeps each mail, once per recipient."""

    def __init__(self) -> None:
        self.taken = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        data = envelope.original_content or b""
        for rcpt in envelope.rcpt_tos:
            mail_id = store.keep(envelope.mail_from or "", rcpt, data)
        self.taken += 1
        if self.taken % PRUNE_EVERY == 0:
            store.prune()
        return f"250 2.0.0 kept as {mail_id}"


def controller(port: int) -> Controller:
    """The server, not yet started. `start` raises `OSError` when the port is taken."""
    return Controller(
        Keeper(),
        hostname=HOST,
        port=port,
        data_size_limit=store.MAIL_MAX,
        enable_SMTPUTF8=True,
        ident="Jawort demo mailbox",
    )
