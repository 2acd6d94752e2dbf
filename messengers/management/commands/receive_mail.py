"""`manage.py receive_mail <channel>`: takes one mail from a mail server's pipe to its hook."""

import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error as DatabaseError

from messengers.mailbox.handover import MAIL_MAX, hand_over, is_taken

# sysexits.h: what mail servers read. They keep a mail and try again only after the second one.
EX_DATAERR, EX_TEMPFAIL = 65, 75


class Command(BaseCommand):
    help = (
        "Read one raw mail from standard input, sign it and post it to the channel's hook. "
        "Every failure but a mail that is too large is reported as temporary (75), so that the "
        "mail server keeps the mail and tries again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("channel", type=UUID, help="id of the e-mail channel")
        parser.add_argument("--recipient", default="", help="envelope recipient, as ${recipient}")
        parser.add_argument("--sender", default="", help="envelope sender, as ${sender}")
        parser.add_argument("--origin", default="", help="address of Jawort; its own by default")
        parser.add_argument(
            "--secret-file",
            type=Path,
            help="file with the channel's secret for incoming mail, on hosts without the databases",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        raw = sys.stdin.buffer.read(MAIL_MAX + 1)
        if len(raw) > MAIL_MAX:
            self.give_up("The mail is larger than the hook takes.", EX_DATAERR)
        try:
            secret = self.secret(options["channel"], options["secret_file"])
        except (DatabaseError, OSError, LookupError) as error:
            self.give_up(f"No secret for this channel ({type(error).__name__}).", EX_TEMPFAIL)
        outcome = hand_over(
            origin=options["origin"] or settings.JAWORT_ORIGIN,
            channel=options["channel"],
            secret=secret,
            raw=raw,
            recipient=options["recipient"],
            sender=options["sender"],
        )
        if not is_taken(outcome):
            self.give_up(f"The hook did not take the mail: {outcome!r}.", EX_TEMPFAIL)

    def secret(self, channel_id: UUID, secret_file: Path | None) -> str:
        """The secret that signs incoming mail. Raises `LookupError` for an unknown channel."""
        if secret_file:
            return secret_file.read_text().strip()
        from messengers.channels import account_of
        from messengers.models import Channel

        channel = Channel.objects.filter(pk=channel_id, kind="email").first()
        if channel is None:
            raise LookupError("no such e-mail channel")
        return account_of(channel).secrets["hook_secret"]

    def give_up(self, sentence: str, code: int) -> None:
        self.stderr.write(sentence)
        sys.exit(code)
