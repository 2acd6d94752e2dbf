"""`manage.py mailbox`: the demo's receiving mail server, until it is told to stop."""

import signal
import socket
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from messengers.mailbox.server import HOST, controller


class Command(BaseCommand):
    help = "Receive the demo's mail on the loopback and show it under /simulator/mail/."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.JAWORT_MAILBOX_PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        port = options["port"]
        server = controller(port)
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        try:
            # Asked first: the server would only notice after five seconds.
            socket.create_server((HOST, port)).close()
            server.start()
        except OSError as error:
            raise CommandError(
                f"The mailbox cannot listen on {HOST}:{port} ({error.strerror or 'taken'}): "
                "set JAWORT_MAILBOX_PORT to a free port."
            ) from None
        self.stdout.write(f"The mailbox listens on {HOST}:{port}.")
        self.stdout.flush()  # whoever reads through a pipe waits for this line
        stopped.wait()
        server.stop()
